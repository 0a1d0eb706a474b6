//go:build unix

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/bench/corpus"
	"github.com/suokelife/suokectl/bench/harness"
	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/spec"
)

// programArg makes this program a consumer: brokers, topic, records, workers,
// wait.
const programArg = "program"

// words fill events.
var words = []string{"account ", "balance ", "city ", "delivery ", "email ", "first name ", "gateway ", "invoice ", "4711 ", "2026-01-31 ", "0x7f3a9c ", "99.95 "}

// program consumes so many records and prints a line for each, so that none is
// missed and none is made up.
func program(ctx context.Context, args []string) error {
	brokers, topic := args[0], args[1]
	records, err1 := strconv.Atoi(args[2])
	workers, err2 := strconv.Atoi(args[3])
	wait, err3 := time.ParseDuration(args[4])
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	run := bare
	if workers > 0 {
		run = library
	}
	if err := run(ctx, brokers, topic, records, workers, wait); err != nil {
		return err
	}
	out := bufio.NewWriterSize(os.Stdout, 1<<16)
	for range records {
		_ = out.WriteByte('\n') // the writer keeps its first error for Flush
	}
	return out.Flush()
}

// bare polls and does nothing else.
func bare(ctx context.Context, brokers, topic string, records, _ int, _ time.Duration) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(brokers, ",")...), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer client.Close()
	for seen := 0; seen < records; {
		fetches := client.PollRecords(ctx, spec.ConsumerMaxPoll)
		if err := fetches.Err(); err != nil {
			return err
		}
		seen += fetches.NumRecords()
	}
	return nil
}

// library consumes as a group of its own, and holds the order of each key.
func library(ctx context.Context, brokers, topic string, records, workers int, wait time.Duration) error {
	client, err := events.New(events.Config{Brokers: strings.Split(brokers, ",")})
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var seen atomic.Int64
	parsed, err := spec.Default().ParseTopic(topic)
	if err != nil {
		return err
	}
	consumer, err := client.NewConsumer(ctx, "bench-"+spec.NewID(), []string{topic}, events.WithWorkers(workers),
		events.WithHandler(parsed.Event, func(context.Context, events.Delivery) error {
			if wait > 0 {
				time.Sleep(wait)
			}
			if seen.Add(1) == int64(records) {
				stop()
			}
			return nil
		}))
	if err != nil {
		return err
	}
	if err := consumer.Run(ctx); err != nil {
		return err
	}
	if stats := consumer.Stats(); stats.Handled < int64(records) || stats.DeadLettered+stats.Skipped > 0 {
		return fmt.Errorf("handled %+v", stats)
	}
	return nil
}

// fill makes a topic: valid events of ten thousand keys.
func fill(ctx context.Context, brokers, topic string, records int, s corpus.Setting) error {
	compression, err := corpus.Codec(s.Codec)
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(brokers, ",")...), kgo.ProducerBatchCompression(compression),
		kgo.DefaultProduceTopic(topic), kgo.MaxBufferedBytes(8<<20)) // this program's peak counts as that of those it starts
	if err != nil {
		return err
	}
	defer client.Close()
	for _, name := range []string{topic, topic + ".dlq"} {
		if _, err := kadm.NewClient(client).CreateTopic(ctx, int32(s.Partitions), 1, nil, name); err != nil {
			return err
		}
	}
	parsed, err := spec.Default().ParseTopic(topic)
	if err != nil {
		return err
	}
	var failed error
	var once sync.Once
	for i := range records {
		record := &kgo.Record{Key: fmt.Appendf(nil, "u-%d", i%10_000), Value: event(i, s.Size, parsed.Event)}
		client.Produce(ctx, record, func(_ *kgo.Record, err error) {
			if err != nil {
				once.Do(func() { failed = err })
			}
		})
	}
	return errors.Join(client.Flush(ctx), failed)
}

// event is the text of a valid event, each different, padded to size by what
// compresses about as JSON does.
func event(i, size int, eventType string) []byte {
	text := fmt.Appendf(make([]byte, 0, size+32), `{"meta":{"id":"%d","type":%q,"version":"v1","source":"b","time":"2026-01-31T12:00:00Z","correlation_id":"none"},"data":{"pad":"`, i, eventType)
	if end := size - 3; len(text) < end {
		random := rand.New(rand.NewPCG(uint64(i), 0))
		for len(text) < end {
			text = append(text, words[random.IntN(len(words))]...)
		}
		text = text[:end]
	}
	return append(text, `"}}`...)
}

// appendJSON writes a result as a line of a file, which the first one empties.
func appendJSON(result *harness.Result, path string, first bool) error {
	mode := os.O_CREATE | os.O_WRONLY | os.O_APPEND
	if first {
		mode = os.O_CREATE | os.O_WRONLY | os.O_TRUNC
	}
	file, err := os.OpenFile(path, mode, 0o644)
	if err != nil {
		return err
	}
	return errors.Join(result.WriteJSON(file), file.Close())
}
