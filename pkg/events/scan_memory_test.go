package events_test

import (
	"bytes"
	"iter"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/pkg/events"
)

// The memory of answers is used again. A visitor that keeps its records has them
// as they were for all that, and one that works on them sees none but its own.
func TestScansMemoryIsNobodyElses(t *testing.T) {
	const partitions, n, size = 2, 60, 40_000
	for name, codec := range map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "lz4": kgo.Lz4Compression()} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, registeredTopics(partitions)...)
			seed := rand.NewChaCha8([32]byte{})
			var sent []*kgo.Record
			for i := range partitions * n {
				value := make([]byte, size)
				_, _ = seed.Read(value[:size/2])
				sent = append(sent, &kgo.Record{Topic: registered, Partition: int32(i % partitions), Value: value})
			}
			c.put(c.raw(kgo.ProducerBatchCompression(codec), kgo.ProducerBatchMaxBytes(200_000)), sent...)
			whole := func(r *kgo.Record) bool {
				return bytes.Equal(r.Value, sent[int(r.Offset)*partitions+int(r.Partition)].Value)
			}

			var kept []*kgo.Record
			for _, ids := range [][]int32{{0, 1}, {0}, {1}} { // others lie at the same place
				got, _ := c.read(events.ScanOptions{Topic: registered, Partitions: ids})
				kept = append(kept, got...)
			}
			var mu sync.Mutex
			seen := 0
			until := events.End()
			work := func(records iter.Seq[*kgo.Record]) bool {
				for r := range records {
					mu.Lock()
					seen++
					mu.Unlock()
					if !whole(r) {
						return false
					}
				}
				return true
			}
			_, err := events.ScanParallel(c.ctx, c.client, events.ScanOptions{Topic: registered, Until: &until}, work, func(ok bool) error {
				if !ok {
					t.Error("a record was overwritten while it was read")
				}
				return nil
			})
			c.must(err)
			if len(kept) != 2*partitions*n || seen != partitions*n {
				t.Fatalf("kept %d, saw %d", len(kept), seen)
			}
			for _, r := range kept {
				if !whole(r) {
					t.Fatalf("partition %d offset %d was overwritten when it was kept", r.Partition, r.Offset)
				}
			}
		})
	}
}
