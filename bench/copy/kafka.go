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
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/bench/harness"
)

// floorArg makes this program the bare loop.
const floorArg = "floor"

const lingerMillis = 5

var codecs = map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()}

// floor copies each record to its partition, and does nothing else.
func floor(ctx context.Context, brokers, codec string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(brokers, ",")...), kgo.ConsumeTopics(source),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(lingerMillis*time.Millisecond), kgo.ProducerBatchCompression(codecs[codec]))
	if err != nil {
		return err
	}
	defer client.Close()
	left, err := count(ctx, client, source)
	if err != nil {
		return err
	}
	var failed atomic.Pointer[error]
	noted := func(_ *kgo.Record, err error) {
		if err != nil {
			failed.Store(&err)
		}
	}
	for left > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			left--
			client.Produce(ctx, &kgo.Record{Topic: target, Partition: r.Partition, Key: r.Key, Value: r.Value, Headers: r.Headers, Timestamp: r.Timestamp}, noted)
		})
	}
	if err := client.Flush(ctx); err != nil {
		return err
	}
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// count is how many records a topic holds that no transaction wrote to.
func count(ctx context.Context, client *kgo.Client, topic string) (n int64, err error) {
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, topic)
	ends.Each(func(o kadm.ListedOffset) { n += o.Offset })
	return n, err
}

// fill makes the source: valid events with a key each, spread evenly.
func fill(ctx context.Context, brokers []string, o options) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ProducerBatchCompression(codecs[o.codec]),
		kgo.RecordPartitioner(kgo.RoundRobinPartitioner()), kgo.DefaultProduceTopic(source))
	if err != nil {
		return err
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(ctx, int32(o.partitions), 1, nil, source); err != nil {
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
	text := fmt.Sprintf(`{"meta":{"id":"00000000-0000-4000-8000-%012x","type":"copied","version":"v1","source":"bench-service","time":"2026-01-31T12:00:00Z","correlation_id":"none"},"data":{"n":%d,"pad":"`, i, i)
	if pad := size - len(text) - 3; pad > 0 {
		text += strings.Repeat("abcdefghij", pad/10+1)[:pad]
	}
	return []byte(text + `"}}`)
}

// recreate makes the target anew. Its files go at once, since many are made.
func recreate(ctx context.Context, brokers []string, partitions int) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		return err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	deletion, err := admin.DeleteTopic(ctx, target)
	if err = errors.Join(err, deletion.Err); err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) {
		return err
	}
	delay := "100"
	for {
		created, err := admin.CreateTopic(ctx, int32(partitions), 1, map[string]*string{"file.delete.delay.ms": &delay}, target)
		if err = errors.Join(err, created.Err); err == nil {
			return awaitTopic(ctx, brokers, partitions)
		}
		if !errors.Is(err, kerr.TopicAlreadyExists) {
			return err
		}
	}
}

// awaitTopic waits until the broker tells of the target. Each look is a client's
// first, which has nothing to remember.
func awaitTopic(ctx context.Context, brokers []string, partitions int) error {
	for {
		client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
		if err != nil {
			return err
		}
		topics, err := kadm.NewClient(client).ListTopics(ctx, target)
		client.Close()
		if err != nil || topics[target].Err == nil && len(topics[target].Partitions) == partitions {
			return err
		}
	}
}

// examine reads the committed values of the target from end to end.
func examine(ctx context.Context, brokers []string) (harness.Evidence, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(target), kgo.KeepControlRecords(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		return harness.Evidence{}, err
	}
	defer client.Close()
	left, err := count(ctx, client, target)
	if err != nil {
		return harness.Evidence{}, err
	}
	in, out := io.Pipe()
	go func() { out.CloseWithError(values(ctx, client, left, out)) }()
	return harness.Examine(in)
}

func values(ctx context.Context, client *kgo.Client, left int64, out io.Writer) error {
	w := bufio.NewWriterSize(out, 1<<20)
	for left > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			left--
			if r.Attrs.IsControl() {
				return
			}
			_, _ = w.Write(r.Value) // the writer keeps its first error for Flush
			_ = w.WriteByte('\n')
		})
	}
	return w.Flush()
}
