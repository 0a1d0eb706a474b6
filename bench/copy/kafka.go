//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/bench/corpus"
	"github.com/suokelife/suokectl/bench/topic"
)

// floorArg makes this program the bare loop.
const floorArg = "floor"

const lingerMillis = 5

// floor copies each record to its partition, and does nothing else.
func floor(ctx context.Context, brokers, codec string) error {
	compression, err := corpus.Codec(codec)
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(brokers, ",")...), kgo.ConsumeTopics(source),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(lingerMillis*time.Millisecond), kgo.ProducerBatchCompression(compression))
	if err != nil {
		return err
	}
	defer client.Close()
	left, err := topic.Count(ctx, client, source)
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

// fill makes the source: valid events with a key each, spread evenly.
func fill(ctx context.Context, brokers []string, o options, compression kgo.CompressionCodec) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ProducerBatchCompression(compression),
		kgo.RecordPartitioner(kgo.RoundRobinPartitioner()), kgo.DefaultProduceTopic(source),
		kgo.MaxBufferedBytes(8<<20)) // this program's peak counts as that of those it starts
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
