package events_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/internal/lab/kafka"
	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/resilience"
)

// protocols are both that a group may have.
func protocols() map[string][]events.ConsumerOption {
	return map[string][]events.ConsumerOption{"classic": nil, "next generation": {events.WithNextGeneration()}}
}

// TestAPartitionChangesHandsBetweenEvents: a member that is to give one up ends
// what is under way and commits it before the other begins, so that nothing is
// handled by two at once, nor twice.
func TestAPartitionChangesHandsBetweenEvents(t *testing.T) {
	for name, options := range protocols() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, registeredTopics(4)...)
			client := c.raw()
			var at [4]atomic.Int32 // handlers in a partition
			var handled, both atomic.Int64
			h := func(_ context.Context, d events.Delivery) error {
				if at[d.Partition].Add(1) > 1 {
					both.Add(1)
				}
				defer at[d.Partition].Add(-1)
				time.Sleep(time.Millisecond) // a handler that takes a while
				handled.Add(1)
				return nil
			}
			const many = 200
			for p := range int32(4) {
				c.putMany(client, p, fmt.Sprint("key-", p), 0, many)
			}
			first := c.consume(h, options...)
			eventually(c.ctx, t, "the first has begun", func() bool { return handled.Load() > 20 })
			second := c.consume(h, options...)
			eventually(c.ctx, t, "all is committed", func() bool {
				sum := int64(0)
				for p := range int32(4) {
					sum += max(0, c.committed("g", p))
				}
				return sum == 4*many
			})
			if handled.Load() != 4*many || both.Load() > 0 {
				t.Errorf("handled %d times, want %d; %d times by two members at once", handled.Load(), 4*many, both.Load())
			}
			first.end()
			second.end()
		})
	}
}

// TestARevokedHandlerIsTold when it outlasts the drain; its event is handled by
// the member that comes after.
func TestARevokedHandlerIsTold(t *testing.T) {
	for name, options := range protocols() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, registeredTopics(2)...)
			client := c.raw()
			c.putMany(client, 0, "a", 0, 1)
			c.putMany(client, 1, "b", 0, 1)
			var begun sync.WaitGroup
			begun.Add(2)
			told := make(chan error, 2)
			stuck := func(ctx context.Context, _ events.Delivery) error {
				begun.Done()
				<-ctx.Done()
				told <- context.Cause(ctx)
				return ctx.Err()
			}
			c.consume(stuck, append(options, events.WithDrainTimeout(10*time.Millisecond))...)
			begun.Wait()
			var j journal
			c.consume(j.handle, options...)
			select {
			case err := <-told:
				if !errors.Is(err, events.ErrRevoked) {
					t.Errorf("the cause is %v", err)
				}
			case <-c.ctx.Done():
				t.Fatal("the handler was not told")
			}
			eventually(c.ctx, t, "the event is handled by the other", func() bool { return len(j.all()) == 1 })
		})
	}
}

// TestAStaticMemberKeepsItsPartitions while it restarts: what comes meanwhile
// waits for it, though another member is there.
func TestAStaticMemberKeepsItsPartitions(t *testing.T) {
	c := newCluster(t, registeredTopics(2)...)
	var theirs, before, after journal
	other := c.consume(theirs.handle, events.WithStaticMembership("pod-1"))
	eventually(c.ctx, t, "the first has joined", func() bool { return other.Stats().Rebalances > 0 })
	restarts := c.consume(before.handle, events.WithStaticMembership("pod-0"))
	client := c.raw()
	n := 0
	eventually(c.ctx, t, "both have a partition", func() bool {
		n++
		c.putMany(client, 0, "a", n, 1)
		c.putMany(client, 1, "b", n, 1)
		return len(before.all()) > 0 && len(theirs.all()) > 0
	})
	eventually(c.ctx, t, "all is committed", func() bool { return c.committed("g", 0) == int64(n) && c.committed("g", 1) == int64(n) })
	mine := before.all()[0].Partition
	restarts.end()
	c.putMany(client, mine, "meanwhile", 0, 1)
	c.putMany(client, 1-mine, "meanwhile", 1, 1)
	eventually(c.ctx, t, "the other has committed its own", func() bool { return c.committed("g", 1-mine) == int64(n)+1 })
	c.consume(after.handle, events.WithStaticMembership("pod-0"))
	eventually(c.ctx, t, "the rest is handled by whom it waited for", func() bool { return len(after.all()) == 1 })
	if d := after.all()[0]; d.Partition != mine || string(d.Key) != "meanwhile" {
		t.Errorf("it was given %s of partition %d", d.Key, d.Partition)
	}
}

// TestADeletedTopicIsTheCallersToJudge: it ends the consumer, or is put up with.
func TestADeletedTopicIsTheCallersToJudge(t *testing.T) {
	for name, judge := range map[string]error{"an error ends Run": errors.New("enough"), "nil goes on": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, append(registeredTopics(1), kafka.Topic{Name: renamed}, kafka.Topic{Name: renamed + ".dlq"})...)
			var j journal
			problems := make(chan *events.FetchError, 100)
			consumer, err := c.client.NewConsumer(c.ctx, "g", []string{registered, renamed}, events.WithHandler("user-registered", j.handle),
				events.OnProblem(func(e *events.FetchError) error {
					select {
					case problems <- e:
					default:
					}
					return judge
				}))
			c.must(err)
			ctx, stop := context.WithCancel(c.ctx)
			defer stop()
			ended := make(chan error, 1)
			go func() { ended <- consumer.Run(ctx) }()
			c.putMany(c.raw(), 0, "k", 0, 1)
			eventually(c.ctx, t, "it has begun", func() bool { return len(j.all()) == 1 })
			admin, err := c.client.Admin(c.ctx)
			c.must(err)
			_, err = admin.DeleteTopic(c.ctx, renamed)
			c.must(err)
			if e := <-problems; e.Topic != renamed {
				t.Errorf("told of %v", e)
			}
			if judge != nil {
				if err := <-ended; !errors.Is(err, judge) {
					t.Errorf("Run returned %v", err)
				}
				return
			}
			c.putMany(c.raw(), 0, "k", 1, 1)
			eventually(c.ctx, t, "the other topic goes on", func() bool { return len(j.all()) == 2 })
			stop()
			c.must(<-ended)
		})
	}
}

// TestPartitionsThatATopicGains are read from their start.
func TestPartitionsThatATopicGains(t *testing.T) {
	c := newCluster(t, registeredTopics(1)...)
	var j journal
	r := c.consume(j.handle, events.WithNextGeneration())
	client := c.raw()
	c.putMany(client, 0, "a", 0, 1)
	eventually(c.ctx, t, "the first is handled", func() bool { return len(j.all()) == 1 })
	admin, err := c.client.Admin(c.ctx)
	c.must(err)
	_, err = admin.CreatePartitions(c.ctx, 1, registered)
	c.must(err)
	other := c.raw() // it has not seen fewer
	c.putMany(other, 1, "b", 0, 1)
	eventually(c.ctx, t, "that of the new partition is handled", func() bool { return len(j.all()) == 2 })
	r.end()
}

// TestOrderOfKeysWhateverBecomesOfEvents: events of some keys fail, panic, take
// a while and are refused at random, while members come and go. Those of a key
// are handled in order, each ends as it must, and what is committed was done.
func TestOrderOfKeysWhateverBecomesOfEvents(t *testing.T) {
	for name, options := range protocols() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			w := &randomWorld{cluster: newCluster(t, registeredTopics(3)...), random: rand.New(rand.NewPCG(seed, 0)), options: options, done: map[string]bool{}}
			w.run()
		})
	}
}

type randomWorld struct {
	*cluster
	random  *rand.Rand
	options []events.ConsumerOption

	mu      sync.Mutex
	done    map[string]bool // place of an event, as handled or dead-lettered
	refused int
}

const randomEvents = 3000

func place(partition int32, offset int64) string { return fmt.Sprintf("%d/%d", partition, offset) }

func (w *randomWorld) run() {
	client := w.raw()
	var records []*kgo.Record
	for i := range randomEvents {
		p := int32(w.random.IntN(3))
		records = append(records, &kgo.Record{Topic: registered, Partition: p, Key: fmt.Appendf(nil, "%d-%d", p, w.random.IntN(20)), Value: event(fmt.Sprint(i))})
	}
	w.put(client, records...)
	members := []*running{w.member(), w.member()}
	for w.sum() < randomEvents {
		i := w.random.IntN(len(members))
		members[i].end()
		members[i] = w.member()
		w.check()
	}
	w.check()
	letters, _ := w.read(events.ScanOptions{Topic: registered + ".dlq"})
	if len(w.done) != randomEvents || len(letters) < w.refused || w.refused == 0 {
		w.Errorf("%d of %d events are done; %d letters of %d refused ones", len(w.done), randomEvents, len(letters), w.refused)
	}
}

// sum is how many events are committed, once some more are.
func (w *randomWorld) sum() (n int64) {
	for p := range int32(3) {
		n += max(0, w.committed("g", p))
	}
	return n
}

// check holds what is committed against what was done.
func (w *randomWorld) check() {
	for p := range int32(3) {
		at := w.committed("g", p)
		w.mu.Lock()
		for offset := range max(0, at) {
			if !w.done[place(p, offset)] {
				w.Errorf("partition %d is committed to %d, and %d is not done", p, at, offset)
			}
		}
		w.mu.Unlock()
	}
}

// member is a consumer with a view of its own of the order of keys.
func (w *randomWorld) member() *running {
	var mu sync.Mutex
	last := map[string]int64{} // offset of a key's last event that was begun, of a tenure
	busy := map[string]bool{}
	handle := func(ctx context.Context, d events.Delivery) error {
		key := fmt.Sprint(ctx.Done(), string(d.Key))
		mu.Lock()
		if before, ok := last[key]; ok && (d.Offset < before || d.Offset == before && d.Attempt == 1) || busy[key] {
			w.Errorf("key %s: offset %d, try %d, after %d; busy: %t", d.Key, d.Offset, d.Attempt, before, busy[key])
		}
		last[key], busy[key] = d.Offset, true
		mu.Unlock()
		defer func() {
			mu.Lock()
			defer mu.Unlock()
			busy[key] = false
		}()
		return w.fate(d)
	}
	options := append([]events.ConsumerOption{
		events.WithRetries(3), events.WithBackoff(resilience.Backoff{First: time.Millisecond, Jitter: 0.9}),
		events.OnDeadLetter(func(d events.Delivery, _ events.Ack, _ error) { w.note(d) }),
	}, w.options...)
	r := w.consume(handle, options...)
	eventually(w.ctx, w.T, "a member has something to do", func() bool { return r.Stats().Handled > 50 || w.sum() == randomEvents })
	return r
}

func (w *randomWorld) note(d events.Delivery) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done[place(d.Partition, d.Offset)] = true
}

// fate is the same for an event whoever handles it, but for its tries.
func (w *randomWorld) fate(d events.Delivery) error {
	switch n := (d.Offset*7919 + int64(d.Partition)) % 100; {
	case n < 2:
		w.mu.Lock()
		w.refused++
		w.mu.Unlock()
		return resilience.NewPermanent("no", "no", nil)
	case n < 6 && d.Attempt < 3:
		return errors.New("not now")
	case n < 8 && d.Attempt == 1:
		panic("oh")
	case n < 20:
		time.Sleep(time.Millisecond) // a handler that takes a while
	}
	w.note(d)
	return nil
}
