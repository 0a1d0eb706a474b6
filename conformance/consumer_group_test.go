//go:build unix

package conformance

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/spec"
)

// consumerWorld is a topic of the shared Kafka, and consumers of it.
type consumerWorld struct {
	*testing.T
	ctx          context.Context
	topic, group string
	client       *events.Client
	raw          *kgo.Client
	admin        *kadm.Client
}

func newConsumerWorld(t *testing.T) *consumerWorld {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	group := spec.NewID()
	w := &consumerWorld{T: t, ctx: ctx, group: group, topic: "test.g" + group[:8] + ".thing-happened.v1"}
	var err error
	w.client, err = events.New(events.Config{Brokers: sharedKafka.get(t).Brokers})
	w.must(err)
	t.Cleanup(func() { _ = w.client.Close() })
	w.raw, err = w.client.Open(ctx, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	w.must(err)
	t.Cleanup(w.raw.Close)
	w.admin = kadm.NewClient(w.raw)
	w.create(w.topic, w.topic+".dlq")
	return w
}

func (w *consumerWorld) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *consumerWorld) create(topics ...string) {
	w.Helper()
	for _, topic := range topics {
		_, err := w.admin.CreateTopic(w.ctx, 2, 1, nil, topic)
		w.must(err)
	}
}

// put writes events to a partition.
func (w *consumerWorld) put(client *kgo.Client, partition int32, n int) {
	w.Helper()
	for range n {
		value := fmt.Appendf(nil, `{"meta":{"id":%q,"type":"thing-happened","version":"v1","source":"g","time":"2026-01-31T12:00:00Z","correlation_id":"none"},"data":{}}`, spec.NewID())
		w.must(client.ProduceSync(w.ctx, &kgo.Record{Topic: w.topic, Partition: partition, Value: value}).FirstErr())
	}
}

// groupMember is a consumer that runs.
type groupMember struct {
	*events.Consumer
	w       *consumerWorld
	stop    context.CancelFunc
	ended   chan error
	handled [2]atomic.Int64 // by partition
}

func (w *consumerWorld) member(options ...events.ConsumerOption) *groupMember {
	w.Helper()
	m := &groupMember{w: w, ended: make(chan error, 1)}
	options = append(options, events.WithHandler("thing-happened", func(_ context.Context, d events.Delivery) error {
		m.handled[d.Partition].Add(1)
		return nil
	}))
	w.eventually("the topics are there", func() (ok bool) { // a broker learns of them a little after they were made
		var err error
		m.Consumer, err = w.client.NewConsumer(w.ctx, w.group, []string{w.topic}, options...)
		return err == nil
	})
	var ctx context.Context
	ctx, m.stop = context.WithCancel(w.ctx)
	w.Cleanup(m.stop)
	go func() { m.ended <- m.Run(ctx) }()
	return m
}

func (m *groupMember) end() {
	m.w.Helper()
	m.stop()
	m.w.must(<-m.ended)
}

func (w *consumerWorld) eventually(what string, ask func() bool) {
	w.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ask() {
		select {
		case <-tick.C:
		case <-w.ctx.Done():
			w.Fatalf("never came true: %s", what)
		}
	}
}

// TestAStaticMemberRestartsWithoutARebalance: the other member is left in peace, and what came meanwhile waited.
func TestAStaticMemberRestartsWithoutARebalance(t *testing.T) {
	t.Parallel()
	w := newConsumerWorld(t)
	other := w.member(events.WithStaticMembership("pod-1"))
	w.eventually("the first has joined", func() bool { return other.Stats().Rebalances > 0 })
	restarts := w.member(events.WithStaticMembership("pod-0"))
	w.eventually("both have a partition", func() bool {
		w.put(w.raw, 0, 1)
		w.put(w.raw, 1, 1)
		return restarts.Stats().Handled > 0 && other.Stats().Handled > 0 && other.Stats().Rebalances >= 3 // a cooperative one has two rounds
	})
	mine := int32(0)
	if restarts.handled[1].Load() > 0 {
		mine = 1
	}
	restarts.end()
	rebalances, theirs := other.Stats().Rebalances, other.handled[mine].Load()
	w.put(w.raw, mine, 3)
	again := w.member(events.WithStaticMembership("pod-0"))
	w.eventually("what came meanwhile is handled", func() bool { return again.handled[mine].Load() >= 3 })
	if after := other.Stats().Rebalances; after != rebalances || other.handled[mine].Load() != theirs {
		t.Errorf("the other was rebalanced %d times, and given %d events", after-rebalances, other.handled[mine].Load()-theirs)
	}
	again.end()
	other.end()
}

// TestATopicMadeAnewIsReadFromItsStart, by a consumer that is started again: that of the old topic ends and says so.
func TestATopicMadeAnewIsReadFromItsStart(t *testing.T) {
	t.Parallel()
	w := newConsumerWorld(t)
	w.put(w.raw, 0, 5)
	old := w.member()
	w.eventually("the old ones are handled", func() bool { return old.handled[0].Load() == 5 })
	_, err := w.admin.DeleteTopic(w.ctx, w.topic)
	w.must(err)
	w.eventually("it is gone", func() bool {
		_, err := w.admin.CreateTopic(w.ctx, 2, 1, nil, w.topic)
		return err == nil
	})
	err = <-old.ended
	var problem *events.FetchError
	if !errors.As(err, &problem) || !errors.Is(err, kerr.UnknownTopicID) && !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Fatalf("got %v", err)
	}
	fresh, err := w.client.Open(w.ctx, kgo.RecordPartitioner(kgo.ManualPartitioner())) // the other remembers the old topic
	w.must(err)
	defer fresh.Close()
	w.put(fresh, 0, 7)
	again := w.member()
	w.eventually("the new ones are handled", func() bool { return again.handled[0].Load() == 7 })
	again.end()
}

// TestAProducerFindsTheTopicMadeAnew: what it says of events that are sent meanwhile is true, and later ones are stored.
func TestAProducerFindsTheTopicMadeAnew(t *testing.T) {
	t.Parallel()
	w := newConsumerWorld(t)
	p, err := w.client.NewProducer(w.ctx, events.ProducerOptions{})
	w.must(err)
	defer func() { _ = p.Close(context.Background()) }()
	acked := map[int64]bool{}
	produce := func() error {
		e, err := p.Emit(w.ctx, events.NewEvent{Env: "test", Service: "g" + w.group[:8], Type: "thing-happened", Version: "v1", Key: "k", Data: []byte("{}")})
		if err == nil {
			acked[e.Offset] = true
		}
		return err
	}
	w.eventually("the topic is there", func() bool {
		_, err := w.client.Topics(w.ctx, w.topic)
		return err == nil
	})
	w.must(produce())
	_, err = w.admin.DeleteTopic(w.ctx, w.topic)
	w.must(err)
	w.eventually("it is gone", func() bool {
		_, err := w.admin.CreateTopic(w.ctx, 2, 1, nil, w.topic)
		return err == nil
	})
	clear(acked)
	w.eventually("the new one is met", func() bool {
		err := produce()
		var rejected *events.RejectedError
		if err != nil && !errors.As(err, &rejected) {
			t.Errorf("meanwhile: %v", err)
		}
		return err == nil
	})
	for range 20 {
		w.must(produce())
	}
	ends, err := w.admin.ListEndOffsets(w.ctx, w.topic)
	w.must(err)
	stored := int64(0)
	ends.Each(func(o kadm.ListedOffset) { stored += o.Offset })
	if stored != int64(len(acked)) {
		t.Errorf("%d are stored, and %d were acknowledged", stored, len(acked))
	}
}
