package events_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/events/spool"
	"github.com/suokelife/suokectl/pkg/spec"
)

const letters = registered + ".dlq"

// fault is a broker that can be told to fail.
type fault struct {
	*cluster
	broker *kfake.Cluster
	dir    string
}

func newFault(t *testing.T, topics ...string) *fault {
	t.Helper()
	if topics == nil {
		topics = []string{registered, letters}
	}
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topics...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	f := &fault{cluster: &cluster{T: t, ctx: ctx}, broker: broker, dir: filepath.Join(t.TempDir(), "spool")}
	f.client = f.connect(events.Config{Brokers: broker.ListenAddrs()})
	return f
}

// answer makes the broker answer produce requests to a topic with an error and
// store nothing, until the returned function is called.
func (f *fault) answer(topic string, code *kerr.Error) (restore func()) {
	var over atomic.Bool
	f.broker.ControlKey(int16(kmsg.Produce), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		if over.Load() {
			return nil, nil, false
		}
		f.broker.KeepControl()
		req := kreq.(*kmsg.ProduceRequest)
		if !f.isFor(req, topic) {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.ProduceResponse)
		for _, t := range req.Topics {
			rt := kmsg.NewProduceResponseTopic()
			rt.Topic, rt.TopicID = t.Topic, t.TopicID
			for _, p := range t.Partitions {
				rp := kmsg.NewProduceResponseTopicPartition()
				rp.Partition, rp.ErrorCode = p.Partition, code.Code
				rt.Partitions = append(rt.Partitions, rp)
			}
			resp.Topics = append(resp.Topics, rt)
		}
		return resp, nil, true
	})
	return func() { over.Store(true) }
}

func (f *fault) isFor(req *kmsg.ProduceRequest, topic string) bool {
	for _, t := range req.Topics {
		name := t.Topic
		if name == "" {
			if info := f.broker.TopicIDInfo(t.TopicID); info != nil {
				name = info.Topic
			}
		}
		if name == topic {
			return true
		}
	}
	return false
}

// hold lets produce requests wait until the returned function is called; then
// they are stored and acknowledged.
func (f *fault) hold() (release func()) {
	held := make(chan struct{})
	f.broker.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		f.broker.SleepControl(func() { <-held })
		return nil, nil, false
	})
	return sync.OnceFunc(func() { close(held) })
}

func (f *fault) openSpool(o spool.Options) *spool.Spool {
	f.Helper()
	s, err := spool.Open(f.dir, o)
	f.must(err)
	return s
}

func (f *fault) spooling(o events.ProducerOptions) *events.Producer {
	f.Helper()
	if o.Spool == nil {
		o.Spool = f.openSpool(spool.Options{})
	}
	if o.AckTimeout == 0 {
		o.AckTimeout = 300 * time.Millisecond
	}
	return f.producer(o)
}

// ids are the events of the topic, in order.
func (f *fault) ids(topic string) (ids []string) {
	f.Helper()
	records, _ := f.read(events.ScanOptions{Topic: topic})
	for _, r := range records {
		e, _ := f.client.Conventions().ParseEvent(r.Value)
		ids = append(ids, e.Meta.ID)
	}
	return ids
}

func (f *fault) wants(topic string, want ...string) {
	f.Helper()
	if got := fmt.Sprint(f.ids(topic)); got != fmt.Sprint(want) {
		f.Errorf("%s holds %s, want %s", topic, got, want)
	}
}

func keyed(id string) events.Record {
	return events.Record{Topic: registered, Key: []byte("k"), Value: event(id)}
}

func TestALateAcknowledgementEmptiesTheSpool(t *testing.T) {
	f := newFault(t)
	s := f.openSpool(spool.Options{})
	p := f.spooling(events.ProducerOptions{Spool: s})
	release := f.hold()
	defer release()
	_, err := p.Produce(f.ctx, keyed("e-1"))
	var unknown *events.UnknownOutcomeError
	if !errors.As(err, &unknown) || unknown.Spool != f.dir || unknown.NotKept != nil {
		t.Fatalf("slow: got %v, want it to be unknown and in the spool", err)
	}
	if list := s.List(); len(list) != 1 || list[0].State != spool.MaybeStored {
		t.Fatalf("the spool holds %v", list)
	}
	_, err = p.Produce(f.ctx, keyed("e-2"))
	var notSent *events.NotSentError
	if !errors.As(err, &notSent) || !errors.Is(err, events.ErrBehind) || !errors.Is(err, events.ErrNotSent) || notSent.Spool != f.dir {
		t.Fatalf("behind it: got %v, want it to wait in the spool", err)
	}
	if list := s.List(); len(list) != 2 || list[1].State != spool.Waiting {
		t.Fatalf("the spool holds %v", list)
	}
	release()
	drained, err := p.Drain(f.ctx)
	if err != nil || drained.Stored+drained.Left > 2 || drained.Repeated != 0 || drained.Left != 0 {
		t.Errorf("drained %+v %v", drained, err)
	}
	f.must(p.Close(f.ctx))
	f.wants(registered, "e-1", "e-2") // none of them twice
}

func TestWhatIsLeftAtCloseIsSentByTheNextOwner(t *testing.T) {
	f := newFault(t)
	release := f.hold()
	defer release()
	p := f.spooling(events.ProducerOptions{AckTimeout: time.Minute})
	var outcomes sync.WaitGroup
	for i := range 3 {
		outcomes.Add(1)
		p.Send(f.ctx, keyed("e-"+strconv.Itoa(i)), func(_ events.Ack, err error) {
			defer outcomes.Done()
			var unknown *events.UnknownOutcomeError
			if !errors.As(err, &unknown) || unknown.Spool == "" {
				t.Errorf("event %d: got %v", i, err)
			}
		})
	}
	short, cancel := context.WithTimeout(f.ctx, 200*time.Millisecond)
	defer cancel()
	err := p.Close(short)
	var unflushed *events.UnflushedError
	if !errors.As(err, &unflushed) || unflushed.Records != 3 || unflushed.Spooled != 3 || unflushed.Spool != f.dir {
		t.Fatalf("close: got %v", err)
	}
	outcomes.Wait()
	if err := p.Close(f.ctx); err != nil {
		t.Errorf("closed again: %v", err)
	}
	p.Send(f.ctx, keyed("e-4"), func(_ events.Ack, err error) {
		if !errors.Is(err, events.ErrNotSent) {
			t.Errorf("after close: got %v", err)
		}
	})
	release()

	next := f.spooling(events.ProducerOptions{AckTimeout: 5 * time.Second})
	drained, err := next.Drain(f.ctx)
	if err != nil || drained.Left != 0 || drained.Stored != 3 || drained.Repeated != 3 {
		t.Errorf("drained %+v %v", drained, err)
	}
	_, err = next.Produce(f.ctx, keyed("e-3"))
	f.must(err)
	f.must(next.Close(f.ctx))
	got := f.ids(registered)
	if tail := fmt.Sprint(got[len(got)-4:]); tail != "[e-0 e-1 e-2 e-3]" {
		t.Errorf("the topic holds %v", got)
	}
}

func TestTheBrokerIsAwayFromTheStart(t *testing.T) {
	f := newFault(t)
	addr := f.broker.ListenAddrs()[0]
	f.broker.Close()
	p := f.spooling(events.ProducerOptions{})
	began := time.Now()
	for _, id := range []string{"e-1", "e-2", "e-3"} {
		if _, err := p.Produce(f.ctx, keyed(id)); err == nil || !strings.Contains(err.Error(), "kept in the spool") {
			t.Fatalf("%s: got %v", id, err)
		}
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("three events took %s", took)
	}
	_, port, _ := strings.Cut(addr, ":")
	number, err := strconv.Atoi(port)
	f.must(err)
	again, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(number), kfake.SeedTopics(1, registered, letters))
	f.must(err)
	defer again.Close()
	eventually(f.ctx, t, "the spool is empty", func() bool {
		drained, err := p.Drain(f.ctx)
		return err == nil && drained.Left == 0
	})
	f.must(p.Close(f.ctx))
	f.wants(registered, "e-1", "e-2", "e-3")
}

func TestRefusedEventsAreDeadLettered(t *testing.T) {
	for _, code := range []*kerr.Error{kerr.MessageTooLarge, kerr.TopicAuthorizationFailed, kerr.InvalidRecord, kerr.PolicyViolation} {
		t.Run(code.Message, func(t *testing.T) {
			f := newFault(t)
			restore := f.answer(registered, code)
			p := f.producer(events.ProducerOptions{DeadLetter: events.DeadLetterRefused})
			_, err := p.Produce(f.ctx, keyed("e-1"))
			var rejected *events.RejectedError
			if !errors.As(err, &rejected) || !errors.Is(err, code) || rejected.DeadLetter == nil || rejected.DeadLetter.Topic != letters {
				t.Fatalf("got %v", err)
			}
			restore()
			if _, err := p.Produce(f.ctx, keyed("e-2")); err != nil {
				t.Errorf("after it: %v", err)
			}
			f.wants(registered, "e-2")
			records, _ := f.read(events.ScanOptions{Topic: letters})
			if len(records) != 1 {
				t.Fatalf("%d letters", len(records))
			}
			f.isLetterOf(records[0], event("e-1"), code.Message)
		})
	}
}

func (f *fault) isLetterOf(r *kgo.Record, value []byte, reason string) {
	f.Helper()
	headers := make(map[string]string)
	for _, h := range r.Headers {
		headers[h.Key] = string(h.Value)
	}
	e, _ := f.client.Conventions().ParseEvent(r.Value)
	if string(r.Key) != "k" || e.DeadLetter.OriginalTopic != registered || headers[spec.HeaderDLQOriginalTopic] != registered ||
		!strings.Contains(e.DeadLetter.Error, reason) || !strings.Contains(headers[spec.HeaderDLQError], reason) {
		f.Errorf("the letter %+v %v", e, headers)
	}
	if back := f.client.Conventions().StripDeadLetter(r.Value, headers[spec.HeaderDLQPlace]); string(back) != string(value) {
		f.Errorf("stripped: %s", back)
	}
}

func TestInvalidEventsAreDeadLetteredByOption(t *testing.T) {
	f := newFault(t)
	bad := events.Record{Topic: registered, Key: []byte("k"), Value: []byte("hello")}
	p := f.producer(events.ProducerOptions{DeadLetter: events.DeadLetterRefused})
	var rejected *events.RejectedError
	if _, err := p.Produce(f.ctx, bad); !errors.As(err, &rejected) || rejected.DeadLetter != nil {
		t.Errorf("got %v, want it handed back", err)
	}
	f.wants(letters)
	all := f.producer(events.ProducerOptions{DeadLetter: events.DeadLetterRejected})
	if _, err := all.Produce(f.ctx, bad); !errors.As(err, &rejected) || rejected.DeadLetter == nil {
		t.Errorf("got %v, want it dead-lettered", err)
	}
	if _, err := all.Produce(f.ctx, events.Record{Topic: "Users", Value: event("e")}); !errors.As(err, &rejected) || rejected.DeadLetter != nil {
		t.Errorf("got %v: the topic has no dead-letter topic", err)
	}
	records, _ := f.read(events.ScanOptions{Topic: letters})
	if len(records) != 1 || string(records[0].Value) != "hello" {
		t.Errorf("the letters are %v", records)
	}
}

func TestALetterThatIsRefusedWaitsInTheSpool(t *testing.T) {
	f := newFault(t, registered) // without a dead-letter topic
	restore := f.answer(registered, kerr.TopicAuthorizationFailed)
	defer restore()
	p := f.spooling(events.ProducerOptions{DeadLetter: events.DeadLetterRefused, AckTimeout: 10 * time.Second})
	_, err := p.Produce(f.ctx, keyed("e-1"))
	var rejected *events.RejectedError
	if !errors.As(err, &rejected) || rejected.Spool != f.dir || rejected.DeadLetter != nil {
		t.Fatalf("got %v", err)
	}
	drained, err := p.Drain(f.ctx)
	if err != nil || drained.Left != 1 || !errors.Is(drained.Err, kerr.UnknownTopicOrPartition) {
		t.Errorf("drained %+v %v", drained, err)
	}
	f.must(f.client.CreateTopic(f.ctx, events.NewTopic{Name: letters, Partitions: 1}, false))
	if drained, err = p.Drain(f.ctx); err != nil || drained.Left != 0 || drained.Stored != 1 {
		t.Errorf("drained %+v %v", drained, err)
	}
	f.wants(letters, "e-1")

	none := f.producer(events.ProducerOptions{DeadLetter: events.DeadLetterRefused})
	f.answer(letters, kerr.TopicAuthorizationFailed)
	if _, err := none.Produce(f.ctx, keyed("e-2")); !errors.As(err, &rejected) || rejected.NotKept == nil || !strings.Contains(err.Error(), "nothing is stored") {
		t.Errorf("without a spool: got %v", err)
	}
}

func TestWhatIsRefusedFromTheSpoolIsDeadLettered(t *testing.T) {
	f := newFault(t)
	s := f.openSpool(spool.Options{})
	f.must(s.Append(
		spool.Entry{ID: 7, State: spool.Waiting, Topic: registered, Key: []byte("k"), Value: event("e-1")},
		spool.Entry{ID: 9, State: spool.MaybeStored, Topic: registered, Value: event("e-2")},
	))
	f.answer(registered, kerr.MessageTooLarge)
	var mu sync.Mutex
	told := make(map[string]int)
	p := f.spooling(events.ProducerOptions{Spool: s, AckTimeout: 5 * time.Second, OnSpool: func(c events.SpoolChange) {
		mu.Lock()
		defer mu.Unlock()
		told[c.Change]++
	}})
	drained, err := p.Drain(f.ctx)
	if err != nil || drained.Left != 0 {
		t.Errorf("drained %+v %v", drained, err)
	}
	f.must(p.Close(f.ctx))
	if told[events.SpoolDeadLettered] != 2 {
		t.Errorf("told %v", told)
	}
	records, _ := f.read(events.ScanOptions{Topic: letters})
	if len(records) != 2 {
		t.Errorf("%d letters", len(records))
	}
}

func TestALeaderThatMovedIsFollowed(t *testing.T) {
	f := newFault(t)
	var refusals atomic.Int32
	restore := f.answer(registered, kerr.NotLeaderForPartition)
	f.broker.ControlKey(int16(kmsg.Metadata), func(kmsg.Request) (kmsg.Response, error, bool) {
		f.broker.KeepControl()
		if refusals.Add(1) == 4 {
			restore()
		}
		return nil, nil, false
	})
	p := f.spooling(events.ProducerOptions{AckTimeout: 10 * time.Second})
	_, err := p.Produce(f.ctx, keyed("e-1"))
	f.must(err)
	f.must(p.Close(f.ctx))
	f.wants(registered, "e-1")
}

func TestAFullSpoolIsSaid(t *testing.T) {
	f := newFault(t)
	release := f.hold()
	defer release()
	p := f.spooling(events.ProducerOptions{Spool: f.openSpool(spool.Options{MaxBytes: 700})})
	kept, full := 0, 0
	for i := range 6 {
		_, err := p.Produce(f.ctx, keyed("e-"+strconv.Itoa(i)))
		switch {
		case errors.Is(err, spool.ErrFull) && strings.Contains(err.Error(), "kept nowhere"):
			full++
		case err != nil && strings.Contains(err.Error(), "kept in the spool"):
			kept++
		default:
			t.Errorf("event %d: %v", i, err)
		}
	}
	if kept == 0 || full == 0 || kept+full != 6 {
		t.Errorf("%d kept, %d handed back", kept, full)
	}
	release()
	drained, err := p.Drain(f.ctx)
	if err != nil || drained.Left != 0 {
		t.Errorf("drained %+v %v", drained, err)
	}
	f.must(p.Close(f.ctx))
	if got := f.ids(registered); len(got) < kept {
		t.Errorf("the topic holds %v", got)
	}
}

func TestTheBufferIsBounded(t *testing.T) {
	f := newFault(t)
	release := f.hold()
	defer release()
	p := f.producer(events.ProducerOptions{BufferRecords: 2})
	var outcomes sync.WaitGroup
	outcomes.Add(2)
	for i := range 2 {
		p.Send(f.ctx, keyed("e-"+strconv.Itoa(i)), func(_ events.Ack, err error) {
			defer outcomes.Done()
			if err != nil {
				t.Error(err)
			}
		})
	}
	reason := errors.New("no patience")
	short, cancel := context.WithTimeoutCause(f.ctx, 50*time.Millisecond, reason)
	defer cancel()
	p.Send(short, keyed("e-2"), func(_ events.Ack, err error) {
		if !errors.Is(err, events.ErrNotSent) || !errors.Is(err, reason) {
			t.Errorf("got %v", err)
		}
	})
	release()
	outcomes.Wait()
	f.wants(registered, "e-0", "e-1")
}

func TestOneOwnerOfASpool(t *testing.T) {
	f := newFault(t)
	p := f.spooling(events.ProducerOptions{})
	if _, err := spool.Open(f.dir, spool.Options{}); !errors.Is(err, spool.ErrInUse) {
		t.Errorf("got %v", err)
	}
	f.must(p.Close(f.ctx))
	f.must(f.openSpool(spool.Options{}).Close())
	if info, err := os.Stat(f.dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v %v", info.Mode(), err)
	}
}
