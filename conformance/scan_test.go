//go:build unix

package conformance

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/internal/testenv"
	"github.com/suokelife/suokectl/pkg/events"
)

const (
	// scanBound is how long a bounded read of a few records may take.
	scanBound = 15 * time.Second
	// peerBound is how long a peer is waited for before it is said to hang.
	peerBound = 8 * time.Second
)

// scanWorld is a real Kafka with a client of each kind.
type scanWorld struct {
	*testing.T
	ctx     context.Context //nolint:containedctx // of one test
	brokers []string
	client  *events.Client
	raw     *kgo.Client
	admin   *kadm.Client
}

func newScanWorld(t *testing.T) *scanWorld {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	w := &scanWorld{T: t, ctx: ctx, brokers: sharedKafka.get(t).Brokers}
	var err error
	w.client, err = events.New(events.Config{Brokers: w.brokers})
	w.must(err)
	w.raw = w.open()
	w.admin = kadm.NewClient(w.raw)
	t.Cleanup(func() { _ = w.client.Close() })
	return w
}

func (w *scanWorld) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *scanWorld) open(opts ...kgo.Opt) *kgo.Client {
	w.Helper()
	client, err := w.client.Open(w.ctx, append([]kgo.Opt{kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0)}, opts...)...)
	w.must(err)
	w.Cleanup(client.Close)
	return client
}

// create makes a topic; configs are alternating names and values.
func (w *scanWorld) create(topic string, partitions int32, configs ...string) {
	w.Helper()
	values := map[string]*string{}
	for i := 0; i < len(configs); i += 2 {
		values[configs[i]] = &configs[i+1]
	}
	_, err := w.admin.CreateTopic(w.ctx, partitions, 1, values, topic)
	w.must(err)
}

func (w *scanWorld) put(topic string, values ...string) {
	w.Helper()
	for _, v := range values {
		w.must(w.raw.ProduceSync(w.ctx, &kgo.Record{Topic: topic, Value: []byte(v)}).FirstErr())
	}
}

func (w *scanWorld) transact(topic string, end kgo.TransactionEndTry, values ...string) {
	w.Helper()
	client := w.open(kgo.TransactionalID(topic + fmt.Sprint(time.Now().UnixNano())))
	w.must(client.BeginTransaction())
	for _, v := range values {
		w.must(client.ProduceSync(w.ctx, &kgo.Record{Topic: topic, Value: []byte(v)}).FirstErr())
	}
	w.must(client.AbortBufferedRecords(w.ctx))
	w.must(client.EndTransaction(w.ctx, end))
	for { // the end is answered before the markers are written
		stable, err := w.admin.ListCommittedOffsets(w.ctx, topic)
		w.must(err)
		ends, err := w.admin.ListEndOffsets(w.ctx, topic)
		w.must(err)
		if stable[topic][0].Offset == ends[topic][0].Offset {
			return
		}
	}
}

// hardEnding is a log on whose last offsets a reader that waits for records hangs.
type hardEnding struct {
	name string
	make func(w *scanWorld, topic string)
	want []string
}

func hardEndings() []hardEnding {
	return []hardEnding{
		{"plain", func(w *scanWorld, topic string) { w.create(topic, 1); w.put(topic, "a", "b") }, []string{"a", "b"}},
		{"empty", func(w *scanWorld, topic string) { w.create(topic, 1) }, nil},
		{"idle beside a busy one", func(w *scanWorld, topic string) { w.create(topic, 4); w.put(topic, "a") }, []string{"a"}},
		{"committed transaction", func(w *scanWorld, topic string) { w.create(topic, 1); w.transact(topic, kgo.TryCommit, "a") }, []string{"a"}},
		{"aborted tail", func(w *scanWorld, topic string) {
			w.create(topic, 1)
			w.put(topic, "a")
			w.transact(topic, kgo.TryAbort, "x", "y")
		}, []string{"a"}},
		{"all deleted", func(w *scanWorld, topic string) {
			w.create(topic, 1)
			w.put(topic, "a", "b")
			_, err := w.admin.DeleteRecords(w.ctx, kadm.Offsets{topic: {0: {Topic: topic, At: 2}}})
			w.must(err)
		}, nil},
		{"compacted tail", compactedTail, nil},
	}
}

// compactedTail is a log of which the cleaner has left nothing before the end
// but what the active segment holds, whose records are aborted.
func compactedTail(w *scanWorld, topic string) {
	w.create(topic, 1, "cleanup.policy", "compact", "segment.ms", "500", "delete.retention.ms", "0",
		"min.cleanable.dirty.ratio", "0.001", "max.compaction.lag.ms", "1000")
	for range 20 {
		w.must(w.raw.ProduceSync(w.ctx, &kgo.Record{Topic: topic, Key: []byte("k"), Value: []byte("v")}).FirstErr())
	}
	w.must(w.raw.ProduceSync(w.ctx, &kgo.Record{Topic: topic, Key: []byte("k")}).FirstErr())
	for { // what comes later rolls the segment
		client := w.open(kgo.TransactionalID(topic))
		w.must(client.BeginTransaction())
		w.must(client.ProduceSync(w.ctx, &kgo.Record{Topic: topic, Key: []byte("later"), Value: []byte("x")}).FirstErr())
		w.must(client.AbortBufferedRecords(w.ctx))
		w.must(client.EndTransaction(w.ctx, kgo.TryAbort))
		client.Close()
		if got, _ := w.scan(topic); len(got) == 0 {
			return
		}
		select {
		case <-w.ctx.Done():
			w.Fatal("the cleaner never ran")
		case <-time.After(time.Second): // the cleaner's own pace; nothing tells when it has run
		}
	}
}

// scan reads a topic to its end as it is now.
func (w *scanWorld) scan(topic string) ([]string, events.ScanResult) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, scanBound)
	defer cancel()
	now := events.End()
	var got []string
	result, err := w.client.Scan(ctx, events.ScanOptions{Topic: topic, Until: &now}, func(r *kgo.Record) error {
		got = append(got, string(r.Value))
		return nil
	})
	w.must(err)
	return got, result
}

// TestScanEndsWherePeersHang reads logs that end in nothing to read, and shows
// how long peers take for them.
func TestScanEndsWherePeersHang(t *testing.T) {
	t.Parallel()
	w := newScanWorld(t)
	kcat := testenv.Tool(t, "kcat")
	table := []string{fmt.Sprintf("%-24s  %-10s  %-10s  %-16s  %s", "log", "suokectl", "kcat -e", "kcat -o s@ -o e@", "poll for end-start records")}
	for i, ending := range hardEndings() {
		topic := fmt.Sprintf("test.scan-service.ending-%d.v1", i)
		ending.make(w, topic)
		began := time.Now()
		got, result := w.scan(topic)
		took := time.Since(began)
		if !slices.Equal(got, ending.want) {
			t.Errorf("%s: got %q, want %q", ending.name, got, ending.want)
		}
		for _, p := range result.Partitions {
			if offsets, err := w.admin.ListEndOffsets(w.ctx, topic); err != nil || p.Next != offsets[topic][p.ID].Offset {
				t.Errorf("%s: partition %d ended at %d: %v", ending.name, p.ID, p.Next, err)
			}
		}
		fetch := []string{kcat, "-C", "-q", "-b", strings.Join(w.brokers, ","), "-t", topic}
		byTime := append(slices.Clone(fetch), "-o", "s@0", "-o", fmt.Sprintf("e@%d", time.Now().UnixMilli()))
		table = append(table, fmt.Sprintf("%-24s  %-10s  %-10s  %-16s  %s", ending.name, took.Round(time.Millisecond),
			w.peer(append(slices.Clone(fetch), "-e")...), w.peer(byTime...), w.countingLoop(topic)))
	}
	t.Log("\n" + strings.Join(table, "\n"))
}

// peer says how long a command takes.
func (w *scanWorld) peer(argv ...string) string {
	ctx, cancel := context.WithTimeout(w.ctx, peerBound)
	defer cancel()
	began := time.Now()
	err := exec.CommandContext(ctx, argv[0], argv[1:]...).Run()
	switch {
	case ctx.Err() != nil:
		return "hangs"
	case err != nil:
		return "fails"
	}
	return time.Since(began).Round(time.Millisecond).String()
}

// countingLoop is the usual bounded read: it waits for as many records as there
// are offsets.
func (w *scanWorld) countingLoop(topic string) string {
	ctx, cancel := context.WithTimeout(w.ctx, peerBound)
	defer cancel()
	began := time.Now()
	starts, err := w.admin.ListStartOffsets(ctx, topic)
	w.must(err)
	ends, err := w.admin.ListEndOffsets(ctx, topic)
	w.must(err)
	left := int64(0)
	ends.Each(func(o kadm.ListedOffset) { left += o.Offset })
	starts.Each(func(o kadm.ListedOffset) { left -= o.Offset })
	client := w.open(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	for left > 0 {
		left -= int64(client.PollFetches(ctx).NumRecords())
		if ctx.Err() != nil {
			return "hangs"
		}
	}
	return time.Since(began).Round(time.Millisecond).String()
}

// TestScanReadsNoRecreatedTopic deletes a topic while it is read and makes it
// anew: the scan ends, and nothing of the new one is read.
func TestScanReadsNoRecreatedTopic(t *testing.T) {
	t.Parallel()
	w := newScanWorld(t)
	const topic = "test.scan-service.recreated.v1"
	w.create(topic, 1)
	w.put(topic, "a", "b")
	var seen atomic.Int64
	_, err := w.client.Scan(w.ctx, events.ScanOptions{Topic: topic}, func(r *kgo.Record) error {
		if string(r.Value) == "another" {
			return errors.New("read a record of the new topic")
		}
		if seen.Add(1) < 2 {
			return nil
		}
		if _, err := w.admin.DeleteTopic(w.ctx, topic); err != nil {
			return err
		}
		for created := errors.New("not yet"); created != nil; { // the name is free when the logs are gone
			_, created = w.admin.CreateTopic(w.ctx, 1, 1, nil, topic)
		}
		another := w.open()
		for range 5 {
			w.must(another.ProduceSync(w.ctx, &kgo.Record{Topic: topic, Value: []byte("another")}).FirstErr())
		}
		return nil
	})
	var gone *events.TopicGoneError
	if !errors.As(err, &gone) { // it may be noticed before the name is taken again
		t.Fatalf("after %d records: %v", seen.Load(), err)
	}
}

// TestScanByTime merges 8 partitions of a real log.
func TestScanByTime(t *testing.T) {
	t.Parallel()
	w := newScanWorld(t)
	const topic, partitions, n = "test.scan-service.merged.v1", 8, 40_000
	w.create(topic, partitions)
	base := time.Now().Add(-time.Hour).Truncate(time.Second)
	producer := w.open(kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.ProducerLinger(5*time.Millisecond))
	for i := range n {
		r := &kgo.Record{Topic: topic, Partition: int32(i * 7 % partitions), Value: fmt.Append(nil, i), Timestamp: base.Add(time.Duration(i) * time.Millisecond)}
		producer.Produce(w.ctx, r, func(_ *kgo.Record, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	w.must(producer.Flush(w.ctx))
	now := events.End()
	next := 0
	_, err := w.client.Scan(w.ctx, events.ScanOptions{Topic: topic, Until: &now, ByTime: true}, func(r *kgo.Record) error {
		if string(r.Value) != fmt.Sprint(next) {
			return fmt.Errorf("got %s in the place of %d", r.Value, next)
		}
		next++
		return nil
	})
	if err != nil || next != n {
		t.Fatalf("%d records in order: %v", next, err)
	}
}
