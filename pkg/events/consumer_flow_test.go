package events_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/resilience"
)

// putMany writes events of a key to a partition, with ids from first on.
func (c *cluster) putMany(client *kgo.Client, partition int32, key string, first, n int) {
	c.Helper()
	records := make([]*kgo.Record, n)
	for i := range records {
		records[i] = &kgo.Record{Topic: registered, Partition: partition, Key: []byte(key), Value: event(fmt.Sprintf("%s-%d", key, first+i))}
	}
	c.put(client, records...)
}

// TestAStuckKeyHoldsUpNeitherOthersNorMemory: a partition whose first event does
// not end is fetched from no longer once there is much behind it; the others go
// on, and it does when it can.
func TestAStuckKeyHoldsUpNeitherOthersNorMemory(t *testing.T) {
	c := newCluster(t, registeredTopics(2)...)
	client := c.raw()
	const many = 30_000
	c.putMany(client, 0, "stuck", 0, 1)
	c.putMany(client, 0, "a", 0, many)
	c.putMany(client, 1, "b", 0, many)
	release := make(chan struct{})
	var handled [2]atomic.Int64
	r := c.consume(func(ctx context.Context, d events.Delivery) error {
		if string(d.Key) == "stuck" {
			select {
			case <-release:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		handled[d.Partition].Add(1)
		return nil
	}, events.WithWorkers(3))
	var most int64
	eventually(c.ctx, t, "the other partition is handled", func() bool {
		most = max(most, handled[0].Load())
		return handled[1].Load() == many && r.Stats().InFlight < 100
	})
	if most >= many {
		t.Errorf("%d events behind the stuck one were handled, so all of them are remembered", most)
	}
	if at := c.committed("g", 0); at > 0 {
		t.Errorf("committed %d, past the stuck event", at)
	}
	close(release)
	eventually(c.ctx, t, "all is handled and committed", func() bool { return c.committed("g", 0) == many+1 && c.committed("g", 1) == many })
	if n := handled[0].Load() + handled[1].Load(); n != 2*many+1 {
		t.Errorf("%d events were handled, want each once", n)
	}
}

// TestASlowKeyHoldsUpNoOther, however few workers there are beside it.
func TestASlowKeyHoldsUpNoOther(t *testing.T) {
	c := newCluster(t, registeredTopics(1)...)
	client := c.raw()
	c.putMany(client, 0, "slow", 0, 100)
	for i := range 100 {
		c.putMany(client, 0, fmt.Sprint("quick-", i), 0, 1)
	}
	release := make(chan struct{})
	var quick, slow atomic.Int64
	c.consume(func(ctx context.Context, d events.Delivery) error {
		if string(d.Key) != "slow" {
			quick.Add(1)
			return nil
		}
		select {
		case <-release:
		case <-ctx.Done():
			return ctx.Err()
		}
		slow.Add(1)
		return nil
	}, events.WithWorkers(2))
	eventually(c.ctx, t, "all other keys are handled", func() bool { return quick.Load() == 100 })
	if slow.Load() != 0 {
		t.Error("the slow key went on")
	}
	close(release)
	eventually(c.ctx, t, "the slow key is handled", func() bool { return slow.Load() == 100 })
}

func TestPauseLetsNothingBeginUntilResume(t *testing.T) {
	c := newCluster(t, registeredTopics(1)...)
	client := c.raw()
	var j journal
	r := c.consume(j.handle)
	c.putMany(client, 0, "k", 0, 10)
	eventually(c.ctx, t, "the first are committed", func() bool { return c.committed("g", 0) == 10 })
	r.Pause()
	c.putMany(client, 0, "k", 10, 10)
	// A rebalance takes much longer than a record to a consumer that is not paused.
	other := c.consume((&journal{}).handle)
	eventually(c.ctx, t, "another member is there", func() bool { return other.Stats().Rebalances > 0 })
	if n := len(j.all()); n != 10 {
		t.Fatalf("%d events were handled, of which 10 before the pause", n)
	}
	other.end()
	r.Resume()
	eventually(c.ctx, t, "the rest is handled", func() bool { return len(j.all()) == 20 })
}

// TestStopDrainsBeforeTheContextsEnd: a handler under way may finish after Run
// was told to end, and what it did is committed.
func TestStopDrainsBeforeTheContextsEnd(t *testing.T) {
	c := newCluster(t, registeredTopics(1)...)
	c.putMany(c.raw(), 0, "k", 0, 2)
	begun, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var ended atomic.Bool
	var handled atomic.Int64
	r := c.consume(func(ctx context.Context, _ events.Delivery) error {
		once.Do(func() { close(begun) })
		<-release
		ended.Store(ctx.Err() != nil)
		handled.Add(1)
		return nil
	})
	<-begun
	r.stop()
	close(release)
	r.end()
	if ended.Load() {
		t.Error("the handler's context had ended")
	}
	if at := c.committed("g", 0); at < 1 || at != handled.Load() {
		t.Errorf("committed %d of %d that were handled", at, handled.Load())
	}
}

// TestStopEndsHandlersAtTheDeadline, by their contexts; one that does not care
// is left behind, and said.
func TestStopEndsHandlersAtTheDeadline(t *testing.T) {
	for name, obeys := range map[string]bool{"one that obeys": true, "one that does not": false} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, registeredTopics(1)...)
			c.putMany(c.raw(), 0, "k", 0, 1)
			begun, release, gone := make(chan struct{}), make(chan struct{}), make(chan struct{})
			var cause error
			r := c.consume(func(ctx context.Context, _ events.Delivery) error {
				defer close(gone)
				close(begun)
				<-ctx.Done()
				cause = context.Cause(ctx)
				if !obeys {
					<-release
				}
				return cause
			}, events.WithDrainTimeout(10*time.Millisecond))
			<-begun
			r.stop()
			err := <-r.ended
			r.ended <- nil
			if errors.Is(err, events.ErrHandlersLeft) == obeys || obeys && err != nil {
				t.Errorf("Run returned %v", err)
			}
			close(release)
			<-gone
			if !errors.Is(cause, events.ErrStopped) {
				t.Errorf("the context's cause is %v", cause)
			}
			if at := c.committed("g", 0); at > 0 {
				t.Errorf("committed %d", at)
			}
		})
	}
}

func TestAConsumerRunsOnce(t *testing.T) {
	c := newCluster(t, registeredTopics(1)...)
	r := c.consume((&journal{}).handle)
	eventually(c.ctx, t, "it has joined", func() bool { return r.Stats().Rebalances > 0 })
	if err := r.Run(c.ctx); !errors.Is(err, events.ErrRunOnce) {
		t.Errorf("the second run: %v", err)
	}
}

// TestAPanickingHookEndsRun, and takes nothing else with it.
func TestAPanickingHookEndsRun(t *testing.T) {
	c := newCluster(t, registeredTopics(1)...)
	c.putMany(c.raw(), 0, "k", 0, 1)
	r := c.consume(func(context.Context, events.Delivery) error { return resilience.NewPermanent("no", "no", nil) },
		events.OnDeadLetter(func(events.Delivery, events.Ack, error) { panic("oh") }))
	err := <-r.ended
	r.ended <- nil
	var p *events.PanicError
	if !errors.As(err, &p) || p.What != "OnDeadLetter" {
		t.Fatalf("got %v", err)
	}
	if at := c.committed("g", 0); at != 1 {
		t.Errorf("committed %d; the letter was acknowledged", at)
	}
}

// TestRunEndsWellWithItsContext, also when that has a deadline.
func TestRunEndsWellWithItsContext(t *testing.T) {
	c := newCluster(t, registeredTopics(1)...)
	consumer, err := c.client.NewConsumer(c.ctx, "g", []string{registered}, events.WithHandler("user-registered", (&journal{}).handle))
	c.must(err)
	ctx, cancel := context.WithTimeout(c.ctx, 50*time.Millisecond)
	defer cancel()
	if err := consumer.Run(ctx); err != nil || ctx.Err() == nil {
		t.Errorf("Run returned %v", err)
	}
}
