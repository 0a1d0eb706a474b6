//go:build unix

// Package topic makes topics that benchmarks write to, and reads what they hold
// then.
package topic

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/bench/harness"
)

// Recreate makes a topic anew, and waits until the broker tells of it. Its files
// go at once, since many are made. Brokers are separated by commas.
func Recreate(ctx context.Context, brokers, name string, partitions int) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(brokers, ",")...))
	if err != nil {
		return err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	deletion, err := admin.DeleteTopic(ctx, name)
	if err = errors.Join(err, deletion.Err); err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) {
		return err
	}
	delay := "100"
	for {
		created, err := admin.CreateTopic(ctx, int32(partitions), 1, map[string]*string{"file.delete.delay.ms": &delay}, name)
		if err = errors.Join(err, created.Err); err == nil {
			return await(ctx, brokers, name, partitions)
		}
		if !errors.Is(err, kerr.TopicAlreadyExists) {
			return err
		}
	}
}

// await waits until the broker tells of a topic. Each look is a client's first,
// which has nothing to remember.
func await(ctx context.Context, brokers, name string, partitions int) error {
	for {
		client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(brokers, ",")...))
		if err != nil {
			return err
		}
		topics, err := kadm.NewClient(client).ListTopics(ctx, name)
		client.Close()
		if err != nil || topics[name].Err == nil && len(topics[name].Partitions) == partitions {
			return err
		}
	}
}

// printArg makes a benchmark print a topic.
const printArg = "print-topic"

// Printed prints a topic to out when [Examine] has started the program for that, and
// says so. A benchmark asks it first.
func Printed(ctx context.Context, out io.Writer) (yes bool, err error) {
	if len(os.Args) != 4 || os.Args[1] != printArg {
		return false, nil
	}
	return true, values(ctx, os.Args[2], os.Args[3], out)
}

// Examine reads the committed values of a topic from end to end, in a process of
// its own: a program's peak of memory counts as that of those it starts later.
func Examine(ctx context.Context, brokers, name string) (harness.Evidence, error) {
	self, err := os.Executable()
	if err != nil {
		return harness.Evidence{}, err
	}
	reader := exec.CommandContext(ctx, self, printArg, brokers, name)
	var said bytes.Buffer
	reader.Stderr = &said
	out, err := reader.StdoutPipe()
	if err != nil {
		return harness.Evidence{}, err
	}
	if err := reader.Start(); err != nil {
		return harness.Evidence{}, err
	}
	evidence, err := harness.Examine(out)
	if failed := reader.Wait(); failed != nil {
		err = errors.Join(err, fmt.Errorf("read %s: %w: %s", name, failed, &said))
	}
	return evidence, err
}

func values(ctx context.Context, brokers, name string, out io.Writer) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(brokers, ",")...), kgo.ConsumeTopics(name), kgo.KeepControlRecords(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		return err
	}
	defer client.Close()
	left, err := Count(ctx, client, name)
	if err != nil {
		return err
	}
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

// Count is how many offsets a topic has given since it was made.
func Count(ctx context.Context, client *kgo.Client, name string) (n int64, err error) {
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, name)
	ends.Each(func(o kadm.ListedOffset) { n += o.Offset })
	return n, err
}
