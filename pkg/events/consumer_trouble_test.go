package events_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/resilience"
)

const renamed = "dev.auth-service.user-renamed.v1"

func newTroubledConsumers(t *testing.T) *troubled {
	t.Helper()
	return newTroubled(t, kfake.SeedTopics(2, registered+".dlq", renamed, renamed+".dlq"))
}

// TestConsumerOutlivesTrouble: what brokers refuse for a while neither ends the
// consumer nor loses an event, a dead letter or a commit.
func TestConsumerOutlivesTrouble(t *testing.T) {
	for name, fault := range map[string]kfake.Fault{
		"fetch: a leader that moves":       {Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.NotLeaderForPartition},
		"fetch: a topic not known yet":     {Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.UnknownTopicOrPartition},
		"fetch: a disk":                    {Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.KafkaStorageError},
		"commit: amid a rebalance":         {Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.RebalanceInProgress},
		"commit: a coordinator that left":  {Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.NotCoordinator},
		"commit: a coordinator that loads": {Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.CoordinatorLoadInProgress},
		"heartbeat: a rebalance":           {Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.RebalanceInProgress, TopLevel: true},
		"heartbeat: not a member any more": {Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.UnknownMemberID, TopLevel: true},
		"letter: too few replicas":         {Keys: []kmsg.Key{kmsg.Produce}, Topic: registered + ".dlq", Err: kerr.NotEnoughReplicas},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newTroubledConsumers(t)
			client := c.raw()
			c.putMany(client, 0, "a", 0, 100)
			c.putMany(client, 1, "b", 0, 100)
			fault.Count = 1
			met := c.kafka.Fault(fault)
			var handled atomic.Int64
			r := c.consume(func(_ context.Context, d events.Delivery) error {
				if d.Meta.ID == "a-50" {
					return resilience.NewPermanent("no", "no", nil)
				}
				handled.Add(1)
				return nil
			})
			eventually(c.ctx, t, "the trouble is met", func() bool { return met.Hits() == 1 })
			c.putMany(client, 0, "a", 100, 10)
			eventually(c.ctx, t, "all is committed", func() bool { return c.committed("g", 0) == 110 && c.committed("g", 1) == 100 })
			r.end()
			letters, _ := c.read(events.ScanOptions{Topic: registered + ".dlq"})
			if handled.Load() < 209 || len(letters) == 0 {
				t.Errorf("%d handled, %d letters", handled.Load(), len(letters))
			}
		})
	}
}

// TestConsumerSaysWhatIsRefused for good.
func TestConsumerSaysWhatIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		fault kfake.Fault
		want  []string // in the error
	}{
		"a topic": {kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: registered, Err: kerr.TopicAuthorizationFailed}, []string{"fetch " + registered, "TOPIC_AUTHORIZATION_FAILED"}},
		"a group": {kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, TopLevel: true, Err: kerr.GroupAuthorizationFailed}, []string{"group g", "GROUP_AUTHORIZATION_FAILED"}},
		"commits": {kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.GroupAuthorizationFailed}, []string{"commit", "GROUP_AUTHORIZATION_FAILED"}},
		"letters": {kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: registered + ".dlq", Err: kerr.TopicAuthorizationFailed}, []string{"dead-letter " + registered, "offset 0", "no such user", "TOPIC_AUTHORIZATION_FAILED"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cl := newTroubledConsumers(t)
			cl.putMany(cl.raw(), 0, "a", 0, 1)
			c.fault.Count = -1
			cl.kafka.Fault(c.fault)
			r := cl.consume(func(context.Context, events.Delivery) error {
				if name == "letters" {
					return resilience.NewPermanent("gone", "no such user", nil)
				}
				return nil
			})
			err := <-r.ended
			r.ended <- nil
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("no %q in %v", want, err)
				}
			}
		})
	}
}

// TestOneDeniedTopicOfManyNeedNotStopTheOthers.
func TestOneDeniedTopicOfManyNeedNotStopTheOthers(t *testing.T) {
	c := newTroubledConsumers(t)
	c.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: renamed, Err: kerr.TopicAuthorizationFailed, Count: -1})
	var j journal
	problems := make(chan *events.FetchError, 1)
	consumer, err := c.client.NewConsumer(c.ctx, "g", []string{registered, renamed}, events.WithHandler("user-registered", j.handle),
		events.OnProblem(func(e *events.FetchError) error {
			select {
			case problems <- e:
			default:
			}
			return nil
		}))
	c.must(err)
	ctx, stop := context.WithCancel(c.ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- consumer.Run(ctx) }()
	if e := <-problems; e.Topic != renamed || !errors.Is(e, kerr.TopicAuthorizationFailed) {
		t.Errorf("told of %v", e)
	}
	c.putMany(c.raw(), 1, "a", 0, 1)
	eventually(c.ctx, t, "the other topic is handled", func() bool { return len(j.all()) == 1 })
	stop()
	c.must(<-ended)
}

// TestATopicThatIsMadeAnewEndsTheConsumer, so that no position of the old one is
// taken for one of the new; started again it reads that from its start.
func TestATopicThatIsMadeAnewEndsTheConsumer(t *testing.T) {
	c := newTroubledConsumers(t)
	c.putMany(c.raw(), 0, "old", 0, 5)
	var j journal
	r := c.consume(j.handle)
	eventually(c.ctx, t, "the old ones are committed", func() bool { return c.committed("g", 0) == 5 })
	admin, err := c.client.Admin(c.ctx)
	c.must(err)
	_, err = admin.DeleteTopic(c.ctx, registered)
	c.must(err)
	_, err = admin.CreateTopic(c.ctx, 2, 1, nil, registered)
	c.must(err)
	err = <-r.ended
	r.ended <- nil
	var problem *events.FetchError
	if !errors.As(err, &problem) || problem.Topic != registered || !errors.Is(err, kerr.UnknownTopicID) {
		t.Fatalf("got %v", err)
	}
	c.putMany(c.raw(), 0, "new", 0, 7)
	var again journal
	c.consume(again.handle)
	eventually(c.ctx, t, "the new ones are handled", func() bool { return len(again.all()) == 7 })
}

// TestRetentionMovesTheStart beyond what a group has committed: it goes on with
// what is there.
func TestRetentionMovesTheStart(t *testing.T) {
	c := newTroubledConsumers(t)
	client := c.raw()
	c.putMany(client, 0, "a", 0, 5)
	var before, after journal
	r := c.consume(before.handle)
	eventually(c.ctx, t, "five are committed", func() bool { return c.committed("g", 0) == 5 })
	r.end()
	c.putMany(client, 0, "a", 5, 15)
	c.deleteRecords(12)
	var told []string
	r = c.consume(after.handle, events.OnProblem(func(e *events.FetchError) error {
		told = append(told, e.Error())
		return nil
	}))
	eventually(c.ctx, t, "the rest is committed", func() bool { return c.committed("g", 0) == 20 })
	r.end()
	want := "fetch " + registered + " partition 0: the events at offsets 5 to 11 were deleted before they were read"
	if !slices.Equal(told, []string{want}) || r.Stats().Lost != 7 {
		t.Errorf("told of %q, lost %d", told, r.Stats().Lost)
	}
	var got []int64
	for _, d := range after.all() {
		got = append(got, d.Offset)
	}
	if !slices.Equal(got, []int64{12, 13, 14, 15, 16, 17, 18, 19}) {
		t.Errorf("handled %v", got)
	}
	c.putMany(client, 0, "a", 20, 15)
	c.deleteRecords(30)
	r = c.consume(after.handle) // without a hook it counts them, and goes on
	eventually(c.ctx, t, "the last are committed", func() bool { return c.committed("g", 0) == 35 })
	r.end()
	if s := r.Stats(); s.Lost != 10 || s.Handled != 5 {
		t.Errorf("got %+v", s)
	}
}

// TestRetentionOvertakesAConsumer that is slow: it is told what it lost, once.
func TestRetentionOvertakesAConsumer(t *testing.T) {
	c := newTroubledConsumers(t)
	client := c.raw()
	c.putMany(client, 0, "a", 0, 5)
	var j journal
	lost := make(chan *events.LostError, 10)
	r := c.consume(j.handle, events.OnProblem(func(e *events.FetchError) error {
		if l, ok := errors.AsType[*events.LostError](e); ok {
			lost <- l
		}
		return nil
	}))
	eventually(c.ctx, t, "five are committed", func() bool { return c.committed("g", 0) == 5 })
	r.Pause()
	// What is fetched ahead is held back until the consumer goes on.
	c.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.KafkaStorageError, Count: 3})
	c.putMany(client, 0, "a", 5, 15)
	c.deleteRecords(12)
	r.Resume()
	eventually(c.ctx, t, "the rest is committed", func() bool { return c.committed("g", 0) == 20 })
	r.end()
	seen := len(j.all())
	close(lost)
	gone := int64(0)
	for l := range lost {
		gone += l.Until - l.From
	}
	if gone != r.Stats().Lost || int64(seen)+gone != 20 {
		t.Errorf("handled %d, told of %d, lost %d: want 20 in all", seen, gone, r.Stats().Lost)
	}
}

// TestEnormousEvents of 20 MiB are handled and dead-lettered as others are. While
// none of them ends, only a few are in memory, and other partitions go on.
func TestEnormousEvents(t *testing.T) {
	const enormous, many = 20 << 20, 6
	c := newTroubled(t, kfake.SeedTopics(2, registered+".dlq"), kfake.BrokerConfigs(map[string]string{"message.max.bytes": fmt.Sprint(enormous + 1<<20)}))
	client := c.raw(kgo.ProducerBatchMaxBytes(enormous + 1<<20))
	for i := range many {
		value := bytes.Replace(event(fmt.Sprint("e-", i)), []byte("u-1"), bytes.Repeat([]byte("x"), enormous), 1)
		c.put(client, &kgo.Record{Topic: registered, Value: value})
	}
	c.putMany(client, 1, "small", 0, 10_000)
	release := make(chan struct{})
	var small, large atomic.Int64
	r := c.consume(func(ctx context.Context, d events.Delivery) error {
		if d.Partition == 1 {
			small.Add(1)
			return nil
		}
		select {
		case <-release:
		case <-ctx.Done():
			return ctx.Err()
		}
		if d.Meta.ID == "e-0" {
			return resilience.NewPermanent("no", "no", nil)
		}
		large.Add(int64(len(d.Data) / enormous))
		return nil
	}, events.WithWorkers(many+1))
	eventually(c.ctx, t, "the small ones are done, and large ones held", func() bool {
		return c.committed("g", 1) == 10_000 && r.Stats().InFlight > 0
	})
	if n := r.Stats().InFlight; n >= many {
		t.Errorf("%d enormous events are in memory at once", n)
	}
	close(release)
	eventually(c.ctx, t, "all is committed", func() bool { return c.committed("g", 0) == many })
	r.end()
	letters, _ := c.read(events.ScanOptions{Topic: registered + ".dlq"})
	if len(letters) != 1 || len(letters[0].Value) < enormous || large.Load() != many-1 || small.Load() != 10_000 {
		t.Errorf("%d letters, %d large, %d small", len(letters), large.Load(), small.Load())
	}
}

// TestAnAnswerThatIsTooLargeEndsTheConsumer: what the client may not read at all
// is said, and not asked for again and again.
func TestAnAnswerThatIsTooLargeEndsTheConsumer(t *testing.T) {
	const beyond = 101 << 20 // of the 100 MiB that a client reads at once
	c := newTroubled(t, kfake.SeedTopics(2, registered+".dlq"), kfake.BrokerConfigs(map[string]string{"message.max.bytes": fmt.Sprint(beyond + 1<<20)}))
	client := c.raw(kgo.ProducerBatchMaxBytes(beyond+1<<20), kgo.BrokerMaxWriteBytes(beyond+2<<20))
	c.put(client, &kgo.Record{Topic: registered, Value: make([]byte, beyond)})
	r := c.consume((&journal{}).handle)
	err := <-r.ended
	r.ended <- nil
	if err == nil || !strings.Contains(err.Error(), "fetch the topics: ") || !strings.Contains(err.Error(), "BrokerMaxReadBytes") {
		t.Fatalf("got %v", err)
	}
	if at := c.committed("g", 0); at > 0 {
		t.Errorf("committed %d", at)
	}
}

// TestUnknownTypes are counted and skipped, or dead-lettered by option.
func TestUnknownTypes(t *testing.T) {
	for _, kind := range []events.UnknownTypes{events.SkipUnknown, events.DeadLetterUnknown} {
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			c := newCluster(t, registeredTopics(1)...)
			c.putMany(c.raw(), 0, "a", 0, 3)
			r := c.consume(nil, events.WithHandler("user-deleted", (&journal{}).handle), events.WithUnknownTypes(kind))
			eventually(c.ctx, t, "all is committed", func() bool { return c.committed("g", 0) == 3 })
			r.end()
			if s := r.Stats(); s.Skipped != 3*int64(1-kind) || s.DeadLettered != 3*int64(kind) {
				t.Errorf("got %+v", s)
			}
		})
	}
}

// TestStatsTellLagAndWhatIsInFlight, and the last ones that all is done.
func TestStatsTellLagAndWhatIsInFlight(t *testing.T) {
	c := newCluster(t, registeredTopics(1)...)
	c.putMany(c.raw(), 0, "a", 0, 10)
	release := make(chan struct{})
	told := make(chan events.Stats, 100)
	r := c.consume(func(context.Context, events.Delivery) error { <-release; return nil },
		events.OnStats(func(s events.Stats) { told <- s }))
	eventually(c.ctx, t, "ten are in flight", func() bool { s := <-told; return s.Lag == 10 && s.InFlight == 10 })
	close(release)
	eventually(c.ctx, t, "none is", func() bool { s := <-told; return s.Lag == 0 && s.InFlight == 0 && s.Handled == 10 })
	r.end()
	if s := r.Stats(); s.Handled != 10 {
		t.Errorf("in the end %+v", s)
	}
}
