package events_test

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/pkg/events"
)

// TestScanByTimeProperty: partitions are merged by time, whatever is in them.
// The order is that of a merge by hand; where the timestamps of each partition
// ascend it is perfect.
func TestScanByTimeProperty(t *testing.T) {
	c := newCluster(t)
	client := c.raw()
	base := time.Now().Add(-time.Hour).Truncate(time.Second)
	rapid.Check(t, func(rt *rapid.T) {
		topic := fmt.Sprintf("t-%d", rand.Uint64())
		partitions := int32(rapid.IntRange(1, 5).Draw(rt, "partitions"))
		c.create(topic, partitions)
		ascending := rapid.Bool().Draw(rt, "ascending")
		stored := make([][]*kgo.Record, partitions)
		at := 0
		for i := range rapid.IntRange(0, 30).Draw(rt, "records") {
			at += rapid.IntRange(0, 3).Draw(rt, "pause")
			if !ascending {
				at = rapid.IntRange(0, 30).Draw(rt, "at")
			}
			p := rapid.Int32Range(0, partitions-1).Draw(rt, "partition")
			stored[p] = append(stored[p], &kgo.Record{Topic: topic, Partition: p, Value: fmt.Append(nil, i), Timestamp: base.Add(time.Duration(at) * time.Second)})
		}
		for _, records := range stored {
			for batch := range slices.Chunk(records, rapid.IntRange(1, 10).Draw(rt, "batch")) {
				c.put(client, batch...)
			}
		}
		got, result := c.read(events.ScanOptions{Topic: topic, ByTime: true})
		if want := mergeByHand(stored); !slices.Equal(valuesOf(got), valuesOf(want)) {
			rt.Fatalf("got %v, want %v", valuesOf(got), valuesOf(want))
		}
		if ascending && !slices.IsSortedFunc(got, func(a, b *kgo.Record) int { return a.Timestamp.Compare(b.Timestamp) }) {
			rt.Fatalf("not in the order of time: %v", valuesOf(got))
		}
		if result.Records != int64(len(got)) {
			rt.Fatalf("counted %d of %d", result.Records, len(got))
		}
	})
}

func mergeByHand(heads [][]*kgo.Record) (merged []*kgo.Record) {
	heads = slices.Clone(heads)
	for {
		heads = slices.DeleteFunc(heads, func(r []*kgo.Record) bool { return len(r) == 0 })
		if len(heads) == 0 {
			return merged
		}
		slices.SortStableFunc(heads, func(a, b []*kgo.Record) int {
			return cmp.Or(a[0].Timestamp.Compare(b[0].Timestamp), cmp.Compare(a[0].Partition, b[0].Partition))
		})
		merged = append(merged, heads[0][0])
		heads[0] = heads[0][1:]
	}
}

func (c *cluster) create(topic string, partitions int32) {
	c.Helper()
	admin, err := c.client.Admin(c.ctx)
	c.must(err)
	_, err = admin.CreateTopic(c.ctx, partitions, 1, nil, topic)
	c.must(err)
}

func TestScanByTimeNeedsAnEnd(t *testing.T) {
	c := newCluster(t, registeredTopics(1)...)
	if _, err := c.client.Scan(c.ctx, events.ScanOptions{Topic: registered, ByTime: true}, nil); err == nil {
		t.Fatal("no error")
	}
}

// TestScanByTimeEnds: the ends that are hard to find are found when partitions
// wait for each other too.
func TestScanByTimeEnds(t *testing.T) {
	for name, ending := range endings {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, registeredTopics(2)...)
			ending.make(c)
			got, _ := c.read(events.ScanOptions{Topic: registered, ByTime: true})
			if !slices.Equal(valuesOf(got), append([]string{}, ending.want...)) {
				t.Errorf("got %q, want %q", valuesOf(got), ending.want)
			}
		})
	}
}

// fillAll writes so many records into each partition, in batches of lz4.
func (c *cluster) fillAll(topic string, partitions int32, n int) {
	c.Helper()
	client := c.raw(kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.MaxBufferedRecords(100_000))
	var all []*kgo.Record
	for i := range n {
		for p := range partitions {
			all = append(all, &kgo.Record{Topic: topic, Partition: p, Key: fmt.Append(nil, p, " ", i), Value: bytes.Repeat([]byte("x"), 100)})
		}
	}
	c.put(client, all...)
}

func TestScanParallelCollectsInOrder(t *testing.T) {
	const partitions, n = 3, 20_000
	c := newCluster(t, registeredTopics(partitions)...)
	c.fillAll(registered, partitions, n)
	type run struct {
		partition   int32
		first, last int64
	}
	var mu sync.Mutex
	seen := map[string]bool{}
	work := func(records iter.Seq[*kgo.Record]) run {
		it := run{first: -1}
		for r := range records {
			if it.first < 0 {
				it.partition, it.first = r.Partition, r.Offset
			}
			it.last = r.Offset
			mu.Lock()
			seen[string(r.Key)] = true
			mu.Unlock()
		}
		return it
	}
	next := map[int32]int64{}
	until := events.End()
	var passed, all int64
	o := events.ScanOptions{Topic: registered, Until: &until, OnProgress: func(p, a int64) { passed, all = p, a }}
	result, err := events.ScanParallel(c.ctx, c.client, o, work, func(r run) error {
		if r.first != next[r.partition] {
			t.Errorf("partition %d: %d follows %d", r.partition, r.first, next[r.partition])
		}
		next[r.partition] = r.last + 1
		return nil
	})
	c.must(err)
	if len(seen) != partitions*n || result.Records != partitions*n || passed != partitions*n || all != passed {
		t.Errorf("saw %d, counted %d, passed %d of %d", len(seen), result.Records, passed, all)
	}
}

func TestScanParallelStops(t *testing.T) {
	c := newCluster(t, registeredTopics(1)...)
	c.fillAll(registered, 1, 20_000)
	first := func(records iter.Seq[*kgo.Record]) int64 {
		for r := range records {
			return r.Offset
		}
		return -1
	}
	broken := errors.New("disk full")
	for _, want := range []error{nil, broken} {
		until := events.End()
		runs := 0
		result, err := events.ScanParallel(c.ctx, c.client, events.ScanOptions{Topic: registered, Until: &until}, first, func(offset int64) error {
			if runs++; runs > 1 {
				t.Errorf("collected %d after the end", offset)
			}
			if want != nil {
				return want
			}
			return events.ErrStopScan
		})
		if !errors.Is(err, want) || result.Partitions[0].Next != 0 {
			t.Errorf("got %v at %+v, want %v", err, result.Partitions, want)
		}
	}
}

func TestScanPassesOverWhatIsNotWanted(t *testing.T) {
	const n = 20_000
	c := newCluster(t, registeredTopics(1)...)
	c.fillAll(registered, 1, n)
	needle := []byte("0 12345")
	got, result := c.read(events.ScanOptions{Topic: registered, Wanted: func(records []byte) bool { return bytes.Contains(records, needle) }})
	if !slices.ContainsFunc(got, func(r *kgo.Record) bool { return bytes.Equal(r.Key, needle) }) {
		t.Errorf("the wanted one is not among %d", len(got))
	}
	if len(got) == n || result.Records != n {
		t.Errorf("visited %d, counted %d", len(got), result.Records)
	}
	from, until := events.AtOffset(5), events.AtOffset(7)
	none, result := c.read(events.ScanOptions{Topic: registered, From: from, Until: &until, Wanted: func([]byte) bool { return false }})
	if len(none) != 0 || result.Records != 2 {
		t.Errorf("visited %d, counted %d of the 2 within the bounds", len(none), result.Records)
	}
}
