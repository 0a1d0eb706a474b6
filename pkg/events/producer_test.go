package events_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.opentelemetry.io/otel/trace"

	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/spec"
	"github.com/suokelife/suokectl/pkg/telemetry"
)

func TestEmitIsReadBack(t *testing.T) {
	c := newCluster(t, registeredTopics(3)...)
	ctx := telemetry.WithRequestID(c.ctx, "r-1")
	emitted, err := c.producer(events.ProducerOptions{}).Emit(ctx, events.NewEvent{
		Env: "dev", Service: "auth-service", Type: "user-registered", Data: json.RawMessage(`{"n": 1e2}`), Key: "u-1",
	})
	c.must(err)
	records, _ := c.read(events.ScanOptions{Topic: registered})
	if len(records) != 1 {
		t.Fatalf("got %d records", len(records))
	}
	r := records[0]
	e, err := c.client.Conventions().ParseEvent(r.Value)
	c.must(err)
	if r.Partition != emitted.Partition || r.Offset != emitted.Offset || string(r.Key) != "u-1" {
		t.Errorf("stored at %d/%d key %q, acknowledged as %+v", r.Partition, r.Offset, r.Key, emitted)
	}
	if e.Meta.ID != emitted.ID || e.Meta.CorrelationID != "r-1" || string(e.Data) != `{"n": 1e2}` {
		t.Errorf("got %+v", e)
	}
	if len(r.Headers) != 2 || r.Headers[0].Key != events.HeaderContentType || r.Headers[1].Key != spec.HeaderRequestID || string(r.Headers[1].Value) != "r-1" {
		t.Errorf("headers %v", r.Headers)
	}
}

func TestInvalidRecordsAreRejectedAndNotStored(t *testing.T) {
	c := newCluster(t, registeredTopics(1)...)
	p := c.producer(events.ProducerOptions{Validate: func(_ context.Context, _ string, value []byte) error {
		if strings.Contains(string(value), "forbidden") {
			return errors.New("forbidden by the schema")
		}
		return nil
	}})
	good := string(event("e-1"))
	without := func(field string) string {
		var e map[string]map[string]any
		c.must(json.Unmarshal([]byte(good), &e))
		delete(e["meta"], field)
		text, err := json.Marshal(e)
		c.must(err)
		return string(text)
	}
	for name, value := range map[string]string{
		"empty":          "",
		"not JSON":       "hello",
		"binary":         "\x00\x00\x00\x00\x07abc",
		"cut short":      good[:len(good)-3],
		"no meta":        `{"data":{}}`,
		"no data":        `{"meta":` + good[len(`{"meta":`):strings.Index(good, `,"data"`)] + `}`,
		"no id":          without("id"),
		"no type":        without("type"),
		"no version":     without("version"),
		"no source":      without("source"),
		"no time":        without("time"),
		"another type":   strings.Replace(good, "user-registered", "user-deleted", 1),
		"another source": strings.Replace(good, "auth-service", "mail-service", 1),
		"another major":  strings.Replace(good, "1.0", "2.0", 1),
		"naive time":     strings.Replace(good, "12:00:00Z", "12:00:00", 1),
		"its schema":     strings.Replace(good, "u-1", "forbidden", 1),
		"not UTF-8":      strings.Replace(good, "u-1", "u-\xff", 1),
		"NaN":            strings.Replace(good, `"u-1"`, "NaN", 1),
		"a mark":         "\xef\xbb\xbf" + good,
		"nested deeply":  strings.Replace(good, `"u-1"`, strings.Repeat("[", 100_000)+strings.Repeat("]", 100_000), 1),
		"meta twice":     strings.Replace(good, `"data"`, `"meta":{},"data"`, 1),
		"data twice":     strings.Replace(good, `"data"`, `"data":{},"data"`, 1),
		"an id twice":    strings.Replace(good, `"id":`, `"id":"e-2","id":`, 1),
		"id is a number": strings.Replace(good, `"e-1"`, "1", 1),
	} {
		_, err := p.Produce(c.ctx, events.Record{Topic: registered, Value: []byte(value)})
		var rejected *events.RejectedError
		if !errors.As(err, &rejected) {
			t.Errorf("%s: got %v, want a RejectedError", name, err)
		}
		if checked := p.Check(c.ctx, events.Record{Topic: registered, Value: []byte(value)}); fmt.Sprint(checked) != fmt.Sprint(err) {
			t.Errorf("%s: Check says %v, Produce %v", name, checked, err)
		}
	}
	if _, err := p.Produce(c.ctx, events.Record{Topic: registered}); err == nil {
		t.Error("a tombstone was taken")
	}
	enormous := strings.Replace(good, "u-1", strings.Repeat("x", 20<<20), 1)
	var rejected *events.RejectedError
	if _, err := p.Produce(c.ctx, events.Record{Topic: registered, Value: []byte(enormous)}); !errors.As(err, &rejected) {
		t.Errorf("20 MiB: got %v, want a RejectedError", err)
	}
	if records, _ := c.read(events.ScanOptions{Topic: registered}); len(records) != 0 {
		t.Errorf("%d records were stored", len(records))
	}
}

func TestRefusedByTheBroker(t *testing.T) {
	c := newCluster(t, registeredTopics(1)...)
	p := c.producer(events.ProducerOptions{})
	huge := strings.Replace(string(event("e-1")), "u-1", strings.Repeat("x", 2<<20), 1)
	for name, r := range map[string]events.Record{
		"a huge record":   {Topic: registered, Value: []byte(huge)},
		"unknown topic":   {Topic: "dev.auth-service.user-registred.v1", Value: event("e-1")},
		"a bad topicname": {Topic: "Users", Value: event("e-1")},
	} {
		_, err := p.Produce(c.ctx, r)
		var rejected *events.RejectedError
		if !errors.As(err, &rejected) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	ack, err := p.Produce(c.ctx, events.Record{Topic: registered, Value: event("e-2")})
	if err != nil || ack.Offset != 0 {
		t.Errorf("after the refusals: %+v %v", ack, err)
	}
}

func TestAValidatorThatCannotTellRejectsNothing(t *testing.T) {
	c := newCluster(t, registeredTopics(1)...)
	p := c.producer(events.ProducerOptions{Validate: func(context.Context, string, []byte) error {
		return fmt.Errorf("%w: registry away", events.ErrNotValidated)
	}})
	_, err := p.Produce(c.ctx, events.Record{Topic: registered, Value: event("e-1")})
	var rejected *events.RejectedError
	if !errors.Is(err, events.ErrNotValidated) || errors.As(err, &rejected) {
		t.Fatalf("got %v", err)
	}
}

func TestSendKeepsTheOrderOfAKey(t *testing.T) {
	c := newCluster(t, registeredTopics(3)...)
	p := c.producer(events.ProducerOptions{Linger: time.Millisecond})
	const n = 2000
	var wg sync.WaitGroup
	wg.Add(n)
	for i := range n {
		p.Send(c.ctx, events.Record{Topic: registered, Key: []byte{byte(i % 7)}, Value: event(fmt.Sprintf("%06d", i))}, func(_ events.Ack, err error) {
			defer wg.Done()
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	last := make(map[string]string)
	records, _ := c.read(events.ScanOptions{Topic: registered})
	for _, r := range records {
		if id := string(r.Value[15:21]); id <= last[string(r.Key)] {
			t.Fatalf("key %x: %s after %s", r.Key, id, last[string(r.Key)])
		} else {
			last[string(r.Key)] = id
		}
	}
	if len(records) != n {
		t.Fatalf("got %d records", len(records))
	}
}

// TestSendAllIsSendForEach mixes keys, and events that are rejected, and has a
// buffer with room for a part of them only.
func TestSendAllIsSendForEach(t *testing.T) {
	c := newCluster(t, registeredTopics(3)...)
	p := c.producer(events.ProducerOptions{Linger: time.Millisecond, BufferRecords: 100})
	const n = 2000
	var records []events.Record
	for i := range n {
		r := events.Record{Topic: registered, Key: []byte{byte(i % 7)}, Value: event(fmt.Sprintf("%06d", i))}
		if i%10 == 3 {
			r.Value = []byte("{}")
		}
		records = append(records, r)
	}
	outcomes := make([]int, n)
	var wg sync.WaitGroup
	wg.Add(n)
	p.SendAll(c.ctx, records, func(i int, ack events.Ack, err error) {
		defer wg.Done()
		outcomes[i]++ // each is one goroutine's
		var rejected *events.RejectedError
		if wrong := i%10 == 3; errors.As(err, &rejected) != wrong || !wrong && (err != nil || ack.Topic != registered) {
			t.Errorf("record %d: %+v, %v", i, ack, err)
		}
	})
	wg.Wait()
	if slices.ContainsFunc(outcomes, func(n int) bool { return n != 1 }) {
		t.Fatal("not each record had one outcome")
	}
	stored, _ := c.read(events.ScanOptions{Topic: registered})
	if len(stored) != n*9/10 {
		t.Fatalf("%d records are stored", len(stored))
	}
	last := make(map[string]string)
	for _, r := range stored {
		if id := string(r.Value[15:21]); id <= last[string(r.Key)] {
			t.Fatalf("key %x: %s after %s", r.Key, id, last[string(r.Key)])
		} else {
			last[string(r.Key)] = id
		}
	}
}

// TestSendAllEndsWithItsContext: with a broker that says nothing and a buffer
// that is full, each record has an outcome all the same.
func TestSendAllEndsWithItsContext(t *testing.T) {
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, registered))
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	c := &cluster{T: t, ctx: t.Context(), addrs: broker.ListenAddrs()}
	c.client = c.connect(events.Config{Brokers: c.addrs})
	p := c.producer(events.ProducerOptions{BufferRecords: 4, AckTimeout: time.Second})
	_, err = p.Produce(c.ctx, events.Record{Topic: registered, Value: event("e-0")})
	c.must(err)
	swallow(broker)
	ctx, cancel := context.WithTimeout(c.ctx, 100*time.Millisecond)
	defer cancel()
	const n = 20
	outcomes := make(chan error, n)
	p.SendAll(ctx, slices.Repeat([]events.Record{{Topic: registered, Value: event("e-1")}}, n), func(_ int, _ events.Ack, err error) { outcomes <- err })
	var unknown, notSent int
	for range n {
		err := <-outcomes
		var u *events.UnknownOutcomeError
		var s *events.NotSentError
		switch {
		case errors.As(err, &u):
			unknown++
		case errors.As(err, &s):
			notSent++
		default:
			t.Errorf("got %v", err)
		}
	}
	if unknown+notSent != n || unknown > 4 {
		t.Errorf("%d unknown, %d not sent", unknown, notSent)
	}
}

// swallow lets a broker take produce requests and answer none.
func swallow(broker *kfake.Cluster) {
	broker.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		broker.KeepControl()
		return nil, nil, true
	})
}

func TestNoAcknowledgementInTimeIsUnknown(t *testing.T) {
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, registered))
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	c := &cluster{T: t, ctx: t.Context()}
	c.client = c.connect(events.Config{Brokers: broker.ListenAddrs()})
	p := c.producer(events.ProducerOptions{AckTimeout: 1500 * time.Millisecond})
	_, err = p.Produce(c.ctx, events.Record{Topic: registered, Value: event("e-1")})
	c.must(err)
	swallow(broker)

	_, err = p.Produce(c.ctx, events.Record{Topic: registered, Value: event("e-2")})
	var unknown *events.UnknownOutcomeError
	if !errors.As(err, &unknown) || unknown.Waited != 1500*time.Millisecond {
		t.Fatalf("got %v, want an unknown outcome", err)
	}

	reason := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(c.ctx)
	time.AfterFunc(50*time.Millisecond, func() { cancel(reason) })
	_, err = p.Produce(ctx, events.Record{Topic: registered, Value: event("e-3")})
	if !errors.As(err, &unknown) || !errors.Is(err, reason) {
		t.Fatalf("interrupted: got %v", err)
	}

	left := make(chan error, 1)
	p.Send(c.ctx, events.Record{Topic: registered, Value: event("e-4")}, func(_ events.Ack, err error) { left <- err })
	short, cancelShort := context.WithTimeout(c.ctx, 50*time.Millisecond)
	defer cancelShort()
	var unflushed *events.UnflushedError
	if err := p.Close(short); !errors.As(err, &unflushed) || unflushed.Records != 1 {
		t.Fatalf("close: got %v, want one record left behind", err)
	}
	if err := <-left; !errors.As(err, &unknown) {
		t.Fatalf("the record left behind: got %v", err)
	}
}

// A batch above the topic's limit would be refused with all that is in it.
func TestRecordsAreHeldToTheTopicsOwnLimit(t *testing.T) {
	c := newCluster(t)
	for topic, limit := range map[string]string{registered: "2000", "dev.auth-service.user-painted.v1": "4000000"} {
		c.must(c.client.CreateTopic(c.ctx, events.NewTopic{Name: topic, Partitions: 1, Configs: map[string]string{"max.message.bytes": limit}}, false))
	}
	p := c.producer(events.ProducerOptions{Linger: 20 * time.Millisecond})
	large := strings.Replace(string(event("large")), "u-1", strings.Repeat("x", 3000), 1)
	var wg sync.WaitGroup
	for i := range 100 {
		value := event(fmt.Sprintf("e-%d", i))
		if i == 50 {
			value = []byte(large)
		}
		wg.Add(1)
		p.Send(c.ctx, events.Record{Topic: registered, Value: value}, func(_ events.Ack, err error) {
			defer wg.Done()
			var rejected *events.RejectedError
			if i == 50 && !errors.As(err, &rejected) || i != 50 && err != nil {
				t.Errorf("event %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	huge := strings.NewReplacer("u-1", strings.Repeat("x", 2<<20), "user-registered", "user-painted").Replace(string(event("huge")))
	_, err := p.Produce(c.ctx, events.Record{Topic: "dev.auth-service.user-painted.v1", Value: []byte(huge)})
	c.must(err)
}

func TestEmitAsyncHandsTheTraceOn(t *testing.T) {
	c := newCluster(t, registeredTopics(1)...)
	p := c.producer(events.ProducerOptions{})
	span := telemetry.NextSpan(trace.SpanContext{})
	ctx := trace.ContextWithSpanContext(c.ctx, span)
	type outcome struct {
		emitted events.Emitted
		err     error
	}
	outcomes := make(chan outcome, 2)
	done := func(e events.Emitted, err error) { outcomes <- outcome{e, err} }
	e := events.NewEvent{Env: "dev", Service: "auth-service", Type: "user-registered", Data: json.RawMessage(`{}`)}
	p.EmitAsync(ctx, e, done)
	o := <-outcomes
	c.must(o.err)
	e.Data = json.RawMessage(`{`)
	p.EmitAsync(ctx, e, done)
	var envelope *spec.EnvelopeError
	if bad := <-outcomes; !errors.As(bad.err, &envelope) {
		t.Errorf("data that is not JSON: %v", bad.err)
	}
	records, _ := c.read(events.ScanOptions{Topic: registered})
	if len(records) != 1 || records[0].Offset != o.emitted.Offset {
		t.Fatalf("%d records, acknowledged as %+v", len(records), o.emitted)
	}
	got := telemetry.ParseTrace(func(name string) string {
		for _, h := range records[0].Headers {
			if h.Key == name {
				return string(h.Value)
			}
		}
		return ""
	})
	if got.TraceID() != span.TraceID() || got.SpanID() == span.SpanID() {
		t.Errorf("the event belongs to %v, want a span below %v", got, span)
	}
}
