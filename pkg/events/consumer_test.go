package events_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/internal/lab/kafka"
	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/resilience"
	"github.com/suokelife/suokectl/pkg/spec"
)

// running is a consumer in its goroutine.
type running struct {
	*events.Consumer
	t     *testing.T
	stop  context.CancelFunc
	ended chan error
}

// consume runs a consumer of the registered users, as group g, with one handler
// unless that is nil.
func (c *cluster) consume(h events.Handler, options ...events.ConsumerOption) *running {
	c.Helper()
	options = append([]events.ConsumerOption{
		events.WithBackoff(resilience.Backoff{First: time.Millisecond}), events.WithCommitInterval(20 * time.Millisecond),
	}, options...)
	if h != nil {
		options = append(options, events.WithHandler("user-registered", h))
	}
	consumer, err := c.client.NewConsumer(c.ctx, "g", []string{registered}, options...)
	c.must(err)
	ctx, stop := context.WithCancel(c.ctx)
	r := &running{Consumer: consumer, t: c.T, stop: stop, ended: make(chan error, 1)}
	go func() { r.ended <- consumer.Run(ctx) }()
	c.Cleanup(r.end)
	return r
}

// end stops the consumer and waits for it. It may be called twice.
func (r *running) end() {
	if r.stop == nil {
		return
	}
	r.stop()
	r.stop = nil
	if err := <-r.ended; err != nil {
		r.t.Errorf("the consumer ended with %v", err)
	}

}

// journal remembers what handlers saw.
type journal struct {
	mu   sync.Mutex
	seen []events.Delivery
}

func (j *journal) add(d events.Delivery) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.seen = append(j.seen, d)
}

func (j *journal) all() []events.Delivery {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]events.Delivery(nil), j.seen...)
}

// handle remembers an event and is content with it.
func (j *journal) handle(_ context.Context, d events.Delivery) error { j.add(d); return nil }

func (c *cluster) committed(group string, partition int32) int64 {
	c.Helper()
	admin, err := c.client.Admin(c.ctx)
	c.must(err)
	offsets, err := admin.FetchOffsets(c.ctx, group)
	if errors.Is(err, kerr.GroupIDNotFound) {
		return -1 // nobody has joined yet
	}
	c.must(err)
	o, ok := offsets.Lookup(registered, partition)
	if !ok {
		return -1
	}
	return o.At
}

func TestConsumerHandlesInOrderAndResumes(t *testing.T) {
	c := newCluster(t, registeredTopics(3)...)
	client := c.raw()
	for i := range 30 {
		c.put(client, &kgo.Record{Topic: registered, Partition: int32(i % 3), Key: []byte{byte(i % 3)}, Value: event(fmt.Sprintf("%02d", i))})
	}
	var j journal
	first := c.consume(j.handle)
	eventually(c.ctx, t, "30 events are committed", func() bool {
		return c.committed("g", 0)+c.committed("g", 1)+c.committed("g", 2) == 30
	})
	first.end()
	last := map[int32]int64{0: -1, 1: -1, 2: -1}
	for _, d := range j.all() {
		if d.Offset != last[d.Partition]+1 || d.Attempt != 1 {
			t.Fatalf("partition %d: offset %d after %d", d.Partition, d.Offset, last[d.Partition])
		}
		last[d.Partition] = d.Offset
	}
	c.put(client, &kgo.Record{Topic: registered, Value: event("30")})
	c.consume(j.handle)
	eventually(c.ctx, t, "the next event is handled", func() bool { return len(j.all()) == 31 })
	if d := j.all()[30]; d.Meta.ID != "30" {
		t.Fatalf("resumed at %+v", d)
	}
}

func TestConsumerRetriesThenDeadLetters(t *testing.T) {
	c := newCluster(t, registeredTopics(1)...)
	at := time.UnixMilli(1_700_000_000_123)
	good, bad, panics := event("good"), event("bad"), event("panics")
	noJSON := []byte("\x00\x01 not json")
	c.put(c.raw(),
		&kgo.Record{Topic: registered, Value: event("flaky")},
		&kgo.Record{Topic: registered, Value: bad, Key: []byte("k"), Timestamp: at, Headers: []events.Header{{Key: "x-request-id", Value: []byte("r")}}},
		&kgo.Record{Topic: registered, Value: noJSON},
		&kgo.Record{Topic: registered, Value: []byte(strings.Replace(string(good), "user-registered", "user-renamed", 1))},
		&kgo.Record{Topic: registered, Value: panics},
		&kgo.Record{Topic: registered, Value: good},
	)
	var letters atomic.Int32
	r := c.consume(func(_ context.Context, d events.Delivery) error {
		switch {
		case d.Meta.ID == "flaky" && d.Attempt < 3, d.Meta.ID == "bad":
			return errors.New("no such \"user\"")
		case d.Meta.ID == "panics":
			panic("oh")
		}
		return nil
	}, events.WithRetries(2), events.OnDeadLetter(func(events.Delivery, events.Ack, error) { letters.Add(1) }))
	eventually(c.ctx, t, "all are committed", func() bool { return c.committed("g", 0) == 6 })
	r.end()
	if got, want := r.Stats(), (events.Stats{Handled: 2, Retried: 6, Skipped: 1, DeadLettered: 3, Rebalances: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	got, _ := c.read(events.ScanOptions{Topic: registered + ".dlq"})
	if len(got) != 3 || letters.Load() != 3 {
		t.Fatalf("got %d letters, told of %d", len(got), letters.Load())
	}
	slices.SortFunc(got, func(a, b *kgo.Record) int { // retries hold up their own keys alone
		return strings.Compare(headerMap(a)[spec.HeaderDLQOriginalOffset], headerMap(b)[spec.HeaderDLQOriginalOffset])
	})
	conventions := c.client.Conventions()
	h := headerMap(got[0])
	for name, want := range map[string]string{
		spec.HeaderDLQError: "no such \"user\"", spec.HeaderDLQOriginalTopic: registered, spec.HeaderDLQOriginalPartition: "0",
		spec.HeaderDLQOriginalOffset: "1", spec.HeaderDLQOriginalTimestamp: "2023-11-14T22:13:20.123Z", spec.HeaderDLQAttempts: "3",
		spec.HeaderDLQGroup: "g", "x-request-id": "r",
	} {
		if h[name] != want {
			t.Errorf("header %s is %q, want %q", name, h[name], want)
		}
	}
	letter, err := conventions.ParseEvent(got[0].Value)
	c.must(err)
	if letter.DeadLetter.Error != `no such "user"` || letter.DeadLetter.OriginalTopic != registered || string(got[0].Key) != "k" {
		t.Errorf("letter %+v", letter.DeadLetter)
	}
	if back := conventions.StripDeadLetter(got[0].Value, h[spec.HeaderDLQPlace]); string(back) != string(bad) {
		t.Errorf("stripped to %s", back)
	}
	if string(got[1].Value) != string(noJSON) || headerMap(got[1])[spec.HeaderDLQPlace] != spec.PlaceNone {
		t.Errorf("what is no JSON became %q", got[1].Value)
	}
	if !strings.Contains(headerMap(got[2])[spec.HeaderDLQError], "panicked: oh") {
		t.Errorf("the panic became %q", headerMap(got[2])[spec.HeaderDLQError])
	}
}

func headerMap(r *kgo.Record) map[string]string {
	m := make(map[string]string)
	for _, h := range r.Headers {
		m[h.Key] = string(h.Value)
	}
	return m
}

// TestASecondHopKeepsTheFirstErrorInTheEnvelope: a replayed letter whose
// envelope was not stripped fails again.
func TestASecondHopKeepsTheFirstErrorInTheEnvelope(t *testing.T) {
	c := newCluster(t, registeredTopics(1)...)
	original := event("e-1")
	value, place := c.client.Conventions().AddDeadLetter(original, spec.DeadLetter{Error: "first", OriginalTopic: registered, Time: time.Now()})
	c.put(c.raw(), &kgo.Record{Topic: registered, Value: value, Headers: []events.Header{
		{Key: spec.HeaderDLQError, Value: []byte("first")}, {Key: spec.HeaderDLQAttempts, Value: []byte("4")}, {Key: spec.HeaderDLQPlace, Value: []byte(place)}}})
	c.consume(func(context.Context, events.Delivery) error { return errors.New("second") }, events.WithRetries(0))
	eventually(c.ctx, t, "it is dead-lettered", func() bool { return c.committed("g", 0) == 1 })
	got, _ := c.read(events.ScanOptions{Topic: registered + ".dlq"})
	h := headerMap(got[0])
	if h[spec.HeaderDLQError] != "second" || h[spec.HeaderDLQAttempts] != "5" || len(got[0].Headers) != 9 {
		t.Errorf("headers %v", got[0].Headers)
	}
	letter, _ := c.client.Conventions().ParseEvent(got[0].Value)
	if letter.DeadLetter.Error != "first" {
		t.Errorf("the envelope says %q", letter.DeadLetter.Error)
	}
	if back := c.client.Conventions().StripDeadLetter(got[0].Value, h[spec.HeaderDLQPlace]); string(back) != string(original) {
		t.Errorf("stripped to %s", back)
	}
}

func TestAnUnwrittenDeadLetterStopsTheConsumerBeforeTheEvent(t *testing.T) {
	c := newCluster(t, registeredTopics(1)...)
	admin, err := c.client.Admin(c.ctx)
	c.must(err)
	tooSmall := "10"
	_, err = admin.DeleteTopic(c.ctx, registered+".dlq")
	c.must(err)
	_, err = admin.CreateTopic(c.ctx, 1, 1, map[string]*string{"max.message.bytes": &tooSmall}, registered+".dlq")
	c.must(err)
	c.put(c.raw(), &kgo.Record{Topic: registered, Value: event("good")}, &kgo.Record{Topic: registered, Value: event("bad")})
	r := c.consume(func(_ context.Context, d events.Delivery) error {
		if d.Meta.ID == "bad" {
			return errors.New("bad")
		}
		return nil
	}, events.WithRetries(0), events.WithWorkers(1))
	err = <-r.ended
	r.ended <- nil // as expected
	if err == nil || !strings.Contains(err.Error(), "offset 1") {
		t.Fatalf("got %v", err)
	}
	if at := c.committed("g", 0); at != 1 {
		t.Fatalf("committed %d, want 1: only what was done", at)
	}
}

func TestConsumerNeedsItsTopicsAndTheirDeadLetterTopics(t *testing.T) {
	c := newCluster(t, kafka.Topic{Name: registered})
	nothing := events.WithHandler("user-registered", func(context.Context, events.Delivery) error { return nil })
	_, err := c.client.NewConsumer(c.ctx, "g", []string{registered}, nothing)
	var unknown *events.UnknownTopicError
	if !errors.As(err, &unknown) || unknown.Topic != registered+".dlq" {
		t.Fatalf("got %v", err)
	}
	for name, options := range map[string][]events.ConsumerOption{
		"no handler": nil, "no worker": {nothing, events.WithWorkers(0)}, "less than no retries": {nothing, events.WithRetries(-1)},
		"no time between commits": {nothing, events.WithCommitInterval(0)}, "a drain beyond the session": {nothing, events.WithDrainTimeout(time.Minute)},
	} {
		if _, err := c.client.NewConsumer(c.ctx, "g", []string{registered}, options...); err == nil || errors.As(err, &unknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := c.client.NewConsumer(c.ctx, "", nil, nothing); err == nil {
		t.Error("a consumer of nothing was made")
	}
}

func TestStoppingCommitsWhatIsDoneAndAbandonsARetry(t *testing.T) {
	c := newCluster(t, registeredTopics(1)...)
	c.put(c.raw(), &kgo.Record{Topic: registered, Value: event("done")}, &kgo.Record{Topic: registered, Value: event("stuck")})
	stuck := make(chan struct{})
	var once sync.Once
	r := c.consume(func(_ context.Context, d events.Delivery) error {
		if d.Meta.ID == "stuck" {
			once.Do(func() { close(stuck) })
			return errors.New("again")
		}
		return nil
	}, events.WithRetries(1000), events.WithBackoff(resilience.Backoff{First: time.Hour}))
	<-stuck
	r.end()
	if at := c.committed("g", 0); at != 1 {
		t.Fatalf("committed %d, want 1", at)
	}
	if got, _ := c.read(events.ScanOptions{Topic: registered + ".dlq"}); len(got) != 0 {
		t.Fatal("a stop dead-lettered an event")
	}
}
