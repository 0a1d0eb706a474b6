//go:build unix

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// floorArg makes this program the bare loop.
const floorArg = "floor"

// floor polls until as many records have come as the topic holds, and prints
// their values through one buffer: the least that a reader can do.
func floor(ctx context.Context, out io.Writer, brokers string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(brokers, ",")...), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, topic)
	if err != nil {
		return err
	}
	var left int64
	ends.Each(func(o kadm.ListedOffset) { left += o.Offset })
	w := bufio.NewWriterSize(out, 1<<20)
	for left > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			left--
			_, _ = w.Write(r.Value) // the buffer keeps its first error for Flush
			_ = w.WriteByte('\n')
		})
	}
	return w.Flush()
}

// fill makes the topic: valid events with a key each, lz4, spread evenly.
func fill(ctx context.Context, brokers []string, o options) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ProducerBatchCompression(kgo.Lz4Compression()),
		kgo.RecordPartitioner(kgo.RoundRobinPartitioner()), kgo.DefaultProduceTopic(topic))
	if err != nil {
		return err
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(ctx, int32(o.partitions), 1, nil, topic); err != nil {
		return err
	}
	var failed error
	var once sync.Once
	for i := range o.records {
		record := &kgo.Record{Key: fmt.Appendf(nil, "u-%d", i%10_000), Value: event(i, o.size)}
		client.Produce(ctx, record, func(_ *kgo.Record, err error) {
			if err != nil {
				once.Do(func() { failed = err })
			}
		})
	}
	return errors.Join(client.Flush(ctx), failed)
}

// event is the text of a valid event, each different, padded to size.
func event(i, size int) []byte {
	text := fmt.Sprintf(`{"meta":{"id":"00000000-0000-4000-8000-%012x","type":"read-measured","version":"v1","source":"bench-service","time":"2026-01-31T12:00:00Z","correlation_id":"none"},"data":{"n":%d,"pad":"`, i, i)
	if pad := size - len(text) - 3; pad > 0 {
		text += strings.Repeat("abcdefghij", pad/10+1)[:pad]
	}
	return []byte(text + `"}}`)
}
