package events

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// groupPoll is how many records of a group are visited before they are
// committed, at most.
const groupPoll = 500

// commitPatience is how long a commit of what was visited may take, also when
// the context has ended.
const commitPatience = 10 * time.Second

// GroupReadOptions say what is read as a member of a group.
type GroupReadOptions struct {
	Group, Topic string
	// FromEnd begins at the end of partitions of which the group has committed
	// nothing, in place of their start.
	FromEnd bool
	// Uncommitted reads the records of open and aborted transactions too.
	Uncommitted bool
}

// ReadGroup joins a consumer group and calls visit for the records of the
// partitions that it is given, until the context ends or visit returns an error.
// After some visits it calls settle, and commits them when that returns nil:
// what is committed was visited and settled, and what was visited and not
// committed comes again, here or elsewhere. A [Consumer] is for those who handle
// events; this is for those who look.
//
// The error is an [*UnknownTopicError], what visit (but for [ErrStopScan]) or
// settle returned, the context's cause, or what the cluster refused.
func (c *Client) ReadGroup(ctx context.Context, o GroupReadOptions, visit func(*kgo.Record) error, settle func() error) error {
	if _, err := c.details(ctx, o.Topic); err != nil {
		return err
	}
	kafka, err := c.Open(ctx, o.options()...)
	if err != nil {
		return err
	}
	defer kafka.CloseAllowingRebalance()
	for {
		fetches := kafka.PollRecords(ctx, groupPoll)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := fetches.Err(); err != nil {
			return refused(fmt.Sprintf("read %s as group %s", o.Topic, o.Group), err)
		}
		visited, err := visitEach(fetches, visit)
		stop := errors.Is(err, ErrStopScan)
		if err == nil || stop {
			err = settleAndCommit(ctx, kafka, o, visited, settle)
		}
		if kafka.AllowRebalance(); err != nil || stop {
			return err
		}
	}
}

func (o GroupReadOptions) options() []kgo.Opt {
	start, isolation := kgo.NewOffset().AtStart(), kgo.ReadCommitted()
	if o.FromEnd {
		start = kgo.NewOffset().AtEnd()
	}
	if o.Uncommitted {
		isolation = kgo.ReadUncommitted()
	}
	return []kgo.Opt{kgo.ConsumerGroup(o.Group), kgo.ConsumeTopics(o.Topic), kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(),
		kgo.ConsumeResetOffset(start), kgo.FetchIsolationLevel(isolation)}
}

func visitEach(fetches kgo.Fetches, visit func(*kgo.Record) error) (visited []*kgo.Record, err error) {
	for it := fetches.RecordIter(); !it.Done() && err == nil; {
		r := it.Next()
		if err = visit(r); err == nil || errors.Is(err, ErrStopScan) {
			visited = append(visited, r)
		}
	}
	return visited, err
}

func settleAndCommit(ctx context.Context, kafka *kgo.Client, o GroupReadOptions, visited []*kgo.Record, settle func() error) error {
	if err := settle(); err != nil || len(visited) == 0 {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitPatience)
	defer cancel()
	if err := kafka.CommitRecords(ctx, visited...); err != nil {
		return refused("commit the offsets of group "+o.Group, err)
	}
	return nil
}
