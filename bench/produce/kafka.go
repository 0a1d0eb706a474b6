//go:build unix

package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/bench/harness"
)

// floorArg makes this program the bare loop.
const floorArg = "floor"

var codecs = map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()}

// floor produces each line of a file, and does nothing else.
func floor(ctx context.Context, brokers, topic, codec, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(brokers, ",")...), kgo.DefaultProduceTopic(topic),
		kgo.ProducerLinger(5*time.Millisecond), kgo.ProducerBatchCompression(codecs[codec]))
	if err != nil {
		return err
	}
	defer client.Close()
	var failed atomic.Pointer[error]
	lines := bufio.NewReaderSize(file, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		client.Produce(ctx, &kgo.Record{Value: line[:len(line)-1]}, func(_ *kgo.Record, err error) {
			if err != nil {
				failed.Store(&err)
			}
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

// recreate makes the topic anew. Its files go at once, since many are made.
func recreate(ctx context.Context, brokers, topic string, partitions int) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(brokers, ",")...))
	if err != nil {
		return err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	deletion, err := admin.DeleteTopic(ctx, topic)
	if err = errors.Join(err, deletion.Err); err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) {
		return err
	}
	delay := "100"
	for {
		created, err := admin.CreateTopic(ctx, int32(partitions), 1, map[string]*string{"file.delete.delay.ms": &delay}, topic)
		if err = errors.Join(err, created.Err); !errors.Is(err, kerr.TopicAlreadyExists) {
			return err
		}
	}
}

// valuesArg makes this program print the values of a topic.
const valuesArg = "values"

// examine reads the topic from end to end, in a process of its own, since this
// program's peak of memory counts as that of those it starts.
func examine(ctx context.Context, self, brokers, topic string) (harness.Evidence, error) {
	reader := exec.CommandContext(ctx, self, valuesArg, brokers, topic)
	reader.Stderr = os.Stderr
	out, err := reader.StdoutPipe()
	if err != nil {
		return harness.Evidence{}, err
	}
	if err := reader.Start(); err != nil {
		return harness.Evidence{}, err
	}
	evidence, err := harness.Examine(out)
	return evidence, errors.Join(err, reader.Wait())
}

// values prints what is in a topic.
func values(ctx context.Context, brokers, topic string, out io.Writer) error {
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
			_, _ = w.Write(r.Value) // the writer keeps its first error for Flush
			_ = w.WriteByte('\n')
		})
	}
	return w.Flush()
}
