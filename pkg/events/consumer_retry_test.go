package events_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/resilience"
	"github.com/suokelife/suokectl/pkg/spec"
)

// TestTheErrorDecidesHowOftenAnEventIsTried.
func TestTheErrorDecidesHowOftenAnEventIsTried(t *testing.T) {
	soon := func(retry bool, wait time.Duration) error {
		return &resilience.ServiceError{Code: "busy", Message: "busy", Retry: retry, Timeout: wait}
	}
	for name, c := range map[string]struct {
		fails func(attempt int) error
		want  events.Stats
	}{
		"any error":                 {func(int) error { return errors.New("oh") }, events.Stats{Retried: 2, DeadLettered: 1}},
		"a panic":                   {func(int) error { panic("oh") }, events.Stats{Retried: 2, DeadLettered: 1}},
		"temporary, then not":       {func(n int) error { return map[int]error{1: soon(true, time.Millisecond)}[n] }, events.Stats{Retried: 1, Handled: 1}},
		"permanent":                 {func(int) error { return resilience.NewPermanent("bad", "bad", nil) }, events.Stats{DeadLettered: 1}},
		"permanent, wrapped":        {func(int) error { return fmt.Errorf("charge: %w", resilience.NewPermanent("bad", "bad", nil)) }, events.Stats{DeadLettered: 1}},
		"of no kind and no retry":   {func(int) error { return soon(false, 0) }, events.Stats{DeadLettered: 1}},
		"its own deadline":          {func(n int) error { return map[int]error{1: context.DeadlineExceeded}[n] }, events.Stats{Retried: 1, Handled: 1}},
		"a duplicate":               {func(int) error { return fmt.Errorf("seen: %w", events.ErrDuplicate) }, events.Stats{Duplicates: 1}},
		"temporary to the very end": {func(int) error { return soon(true, time.Millisecond) }, events.Stats{Retried: 2, DeadLettered: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cl := newCluster(t, registeredTopics(1)...)
			cl.putMany(cl.raw(), 0, "k", 0, 1)
			r := cl.consume(func(_ context.Context, d events.Delivery) error { return c.fails(d.Attempt) }, events.WithRetries(2))
			eventually(cl.ctx, t, "it is committed", func() bool { return cl.committed("g", 0) == 1 })
			r.end()
			c.want.Rebalances = 1
			if got := r.Stats(); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

// TestTheErrorsOwnDelayWins over the consumer's backoff, which would outlast the
// test.
func TestTheErrorsOwnDelayWins(t *testing.T) {
	c := newCluster(t, registeredTopics(1)...)
	c.putMany(c.raw(), 0, "k", 0, 1)
	c.consume(func(_ context.Context, d events.Delivery) error {
		if d.Attempt == 1 {
			e := resilience.NewTemporary("busy", "busy", nil)
			e.Timeout = time.Millisecond
			return e
		}
		return nil
	}, events.WithBackoff(resilience.Backoff{First: time.Hour}))
	eventually(c.ctx, t, "it is tried again", func() bool { return c.committed("g", 0) == 1 })
}

// TestBadInputIsDeadLettered, with a reason that says what is wrong, and what
// comes behind it is handled.
func TestBadInputIsDeadLettered(t *testing.T) {
	good := string(event("e"))
	deep := strings.Repeat("[", 100_000)
	for name, c := range map[string]struct{ value, want string }{
		"empty":                {"", "empty"},
		"not JSON":             {"hello", "JSON object"},
		"cut short":            {good[:len(good)-5], "JSON object"},
		"framed":               {"\x00\x00\x00\x00\x07" + good, "schema id"},
		"a byte order mark":    {"\xef\xbb\xbf" + good, "JSON object"},
		"not UTF-8":            {strings.Replace(good, "u-1", "u-\xff", 1), "not UTF-8"},
		"NaN":                  {strings.Replace(good, `"u-1"`, "NaN", 1), "JSON object"},
		"nested deeply":        {strings.Replace(good, `"u-1"`, deep, 1), "JSON object"},
		"no meta":              {`{"data":{}}`, "meta is missing"},
		"no data":              {good[:strings.Index(good, `,"data"`)] + "}", "data is missing"},
		"no id":                {strings.Replace(good, `"id":"e",`, "", 1), "meta.id is missing"},
		"a number for an id":   {strings.Replace(good, `"id":"e"`, `"id":7`, 1), "meta.id"},
		"a naive time":         {strings.Replace(good, "12:00:00Z", "12:00:00", 1), "meta.time"},
		"another version":      {strings.Replace(good, `"1.0"`, `"2.0"`, 1), "meta.version"},
		"meta twice":           {strings.Replace(good, `"data"`, `"meta":{},"data"`, 1), "meta is {}: want one only"},
		"data twice":           {strings.Replace(good, `"data"`, `"data":{"user_id":"other"},"data"`, 1), "data is"},
		"an id twice":          {strings.Replace(good, `"id":"e"`, `"id":"e","id":"next"`, 1), `meta.id is "next": want one only`},
		"data that do not fit": {strings.Replace(good, `"u-1"`, "7", 1), "does not fit"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cl := newCluster(t, registeredTopics(1)...)
			cl.put(cl.raw(), &kgo.Record{Topic: registered, Value: []byte(c.value)}, &kgo.Record{Topic: registered, Value: event("next")})
			var reason error
			type user struct {
				ID string `json:"user_id"`
			}
			var handled atomic.Int32
			r := cl.consume(nil,
				events.On("user-registered", func(_ context.Context, u user, d events.Delivery) error {
					if u.ID != "u-1" || d.Meta.ID != "next" {
						return fmt.Errorf("%+v of %s", u, d.Meta.ID)
					}
					handled.Add(1)
					return nil
				}),
				events.OnDeadLetter(func(_ events.Delivery, _ events.Ack, err error) { reason = err }))
			eventually(cl.ctx, t, "both are committed", func() bool { return cl.committed("g", 0) == 2 })
			r.end()
			if handled.Load() != 1 || reason == nil || !strings.Contains(reason.Error(), c.want) {
				t.Errorf("handled %d, dead-lettered for %v, want %q", handled.Load(), reason, c.want)
			}
			letters, _ := cl.read(events.ScanOptions{Topic: registered + ".dlq"})
			if len(letters) != 1 || !strings.Contains(string(letters[0].Value), c.value[:min(len(c.value), 5)]) {
				t.Errorf("letters %v", letters)
			}
		})
	}
}

// TestADecoderMakesTheText: of what it cannot judge for now nothing is lost, and
// what it refuses is dead-lettered.
func TestADecoderMakesTheText(t *testing.T) {
	c := newCluster(t, registeredTopics(1)...)
	framed := func(id string) *kgo.Record {
		return &kgo.Record{Topic: registered, Value: append([]byte{0, 0, 0, 0, 7}, event(id)...)}
	}
	c.put(c.raw(), framed("a"), framed("b"), &kgo.Record{Topic: registered, Value: event("plain")})
	var away atomic.Int32
	var j journal
	r := c.consume(j.handle, events.WithWorkers(1), events.WithRetries(0), events.WithDecoder(func(_ context.Context, topic string, value []byte) ([]byte, error) {
		switch {
		case topic != registered || value[0] != 0:
			return nil, errors.New("not framed")
		case away.Add(1) < 5:
			return nil, fmt.Errorf("%w: the registry is away", events.ErrNotValidated)
		}
		return value[5:], nil
	}))
	eventually(c.ctx, t, "all are committed", func() bool { return c.committed("g", 0) == 3 })
	r.end()
	if got := r.Stats(); got.Handled != 2 || got.DeadLettered != 1 || got.Retried != 4 {
		t.Errorf("got %+v", got)
	}
	letters, _ := c.read(events.ScanOptions{Topic: registered + ".dlq"})
	if len(letters) != 1 || !strings.Contains(headerMap(letters[0])[spec.HeaderDLQError], "not framed") {
		t.Errorf("letters %v", letters)
	}
}

// TestMiddlewareWrapsTheFirstOutermost, around every handler.
func TestMiddlewareWrapsTheFirstOutermost(t *testing.T) {
	c := newCluster(t, registeredTopics(1)...)
	c.putMany(c.raw(), 0, "k", 0, 1)
	var mu sync.Mutex
	var calls []string
	note := func(name string) events.Middleware {
		return func(next events.Handler) events.Handler {
			return func(ctx context.Context, d events.Delivery) error {
				mu.Lock()
				calls = append(calls, name)
				mu.Unlock()
				return next(ctx, d)
			}
		}
	}
	c.consume((&journal{}).handle, events.WithMiddleware(note("outer"), note("inner")))
	eventually(c.ctx, t, "it is handled", func() bool { return c.committed("g", 0) == 1 })
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(calls, []string{"outer", "inner"}) {
		t.Errorf("called %v", calls)
	}
}

// TestIdempotenceByMemory passes what this process has handled, and not what it
// failed on.
func TestIdempotenceByMemory(t *testing.T) {
	c := newCluster(t, registeredTopics(1)...)
	var records []*kgo.Record
	for _, id := range []string{"a", "b", "a", "fails", "fails", "b"} {
		records = append(records, &kgo.Record{Topic: registered, Key: []byte("k"), Value: event(id)})
	}
	c.put(c.raw(), records...)
	r := c.consume(func(_ context.Context, d events.Delivery) error {
		if d.Meta.ID == "fails" {
			return errors.New("oh")
		}
		return nil
	}, events.WithIdempotence(10), events.WithRetries(0))
	eventually(c.ctx, t, "all are committed", func() bool { return c.committed("g", 0) == 6 })
	r.end()
	if got := r.Stats(); got.Handled != 2 || got.Duplicates != 2 || got.DeadLettered != 2 {
		t.Errorf("got %+v", got)
	}
}

// memoryStore is a store whose transaction is a list of what is to be done.
type memoryStore struct {
	mu    sync.Mutex
	marks map[string]bool
	kept  []string
}

func (s *memoryStore) Do(_ context.Context, id string, effect func(tx *[]string) error) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.marks[id] {
		return false, nil
	}
	var tx []string
	if err := effect(&tx); err != nil {
		return false, err
	}
	s.marks[id] = true
	s.kept = append(s.kept, tx...)
	return true, nil
}

// TestOnTxKeepsAnEffectOnce, for each group by itself, however often an event is
// delivered.
func TestOnTxKeepsAnEffectOnce(t *testing.T) {
	c := newCluster(t, registeredTopics(1)...)
	c.putMany(c.raw(), 0, "k", 0, 3)
	c.put(c.raw(), &kgo.Record{Topic: registered, Key: []byte("k"), Value: event("k-1")})
	store := &memoryStore{marks: map[string]bool{}}
	r := c.consume(nil, events.OnTx("user-registered", store, func(_ context.Context, tx *[]string, data json.RawMessage, d events.Delivery) error {
		*tx = append(*tx, d.Meta.ID+string(data))
		if d.Attempt == 1 && d.Meta.ID == "k-0" {
			return errors.New("oh")
		}
		return nil
	}))
	eventually(c.ctx, t, "all are committed", func() bool { return c.committed("g", 0) == 4 })
	r.end()
	want := []string{`k-0{"user_id":"u-1"}`, `k-1{"user_id":"u-1"}`, `k-2{"user_id":"u-1"}`}
	if got := r.Stats(); !slices.Equal(store.kept, want) || got.Handled != 3 || got.Duplicates != 1 || got.Retried != 1 {
		t.Errorf("kept %v, %+v", store.kept, got)
	}
	if !store.marks["g/k-0"] {
		t.Errorf("marks %v do not tell groups apart", store.marks)
	}
}
