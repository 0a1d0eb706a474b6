//go:build unix

package main

import (
	"bufio"
	"context"
	"io"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// floorArg makes this program the bare loop.
const floorArg = "floor"

// floor polls until as many records have come as the topic holds, and prints
// their values through one buffer: the least that a reader can do.
func floor(ctx context.Context, out io.Writer, brokers, topic string) error {
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
