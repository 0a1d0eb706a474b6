// Package progress keeps how far exactly-once writers have come in a topic of
// the cluster that they write to, so that it is written in their transactions.
package progress

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/events/internal/transact"
)

// Topic holds the progress of all: compacted, on one partition, with the latest
// value of each key.
const Topic = "suokectl.progress"

// ErrHanging is returned when somebody's transaction stays open in the topic:
// what lies behind it cannot be known.
var ErrHanging = errors.New("a transaction stays open in " + Topic + ": abort it with kafka-transactions.sh")

// Record makes the record of a key's progress; it belongs into the transaction
// of what was written.
func Record(key string, value []byte) *kgo.Record {
	return &kgo.Record{Topic: Topic, Partition: 0, Key: []byte(key), Value: value}
}

// Ensure makes the topic where there is none.
func Ensure(ctx context.Context, client *events.Client) error {
	admin, err := client.Admin(ctx)
	if err != nil {
		return err
	}
	configs := map[string]*string{
		"cleanup.policy": kadm.StringPtr("compact"),
		"segment.bytes":  kadm.StringPtr("16777216"), // what is not compacted is read at each start
		"segment.ms":     kadm.StringPtr("3600000"),
	}
	if _, err := admin.CreateTopic(ctx, 1, -1, configs, Topic); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("create the topic %s, which keeps how far copies have come: %w", Topic, err)
	}
	return nil
}

// Read returns the value of a key as it is committed at present, nil when there
// is none. Who has fenced all others that write it reads the last word. A topic
// that is not there has nothing in it.
func Read(ctx context.Context, client *events.Client, key string) ([]byte, error) {
	if err := settle(ctx, client); err != nil {
		return nil, ignoreUnknown(err)
	}
	var value []byte
	end := events.End()
	_, err := client.Scan(ctx, events.ScanOptions{Topic: Topic, Until: &end}, func(r *kgo.Record) error {
		if string(r.Key) == key {
			value = r.Value
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read how far it has come: %w", err)
	}
	return value, nil
}

func ignoreUnknown(err error) error {
	var unknown *events.UnknownTopicError
	if errors.As(err, &unknown) {
		return nil
	}
	return err
}

// settle waits until the transactions that are open now have ended: others'
// share the log, and hold back the end that readers of committed records have.
func settle(ctx context.Context, client *events.Client) error {
	until := int64(-1)
	for began, wait := time.Now(), 5*time.Millisecond; ; wait = min(2*wait, time.Second) {
		topics, err := client.Topics(ctx, Topic)
		if err != nil {
			return err
		}
		at := topics[0].Partitions[0]
		if until < 0 {
			until = at.End
		}
		switch {
		case at.Stable >= until && at.Leader >= 0:
			return nil
		case time.Since(began) > transact.Timeout+5*time.Second:
			return ErrHanging
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(wait):
		}
	}
}
