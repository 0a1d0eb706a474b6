//go:build unix

package conformance

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/events/once"
	"github.com/suokelife/suokectl/pkg/resilience"
)

// ordealEnv makes the test's binary be a member: broker, journal, database, protocol, seed.
const ordealEnv = "CONFORMANCE_ORDEAL"

func isOrdealMember() bool { return os.Getenv(ordealEnv) != "" }

// fate is what a handler does with an event.
type fate int

const (
	fine     fate = iota
	slow          // takes 5 ms
	flaky         // fails twice
	panics        // the first time
	stalls        // for up to 3 s the first time, half of them whatever their context says
	refused       // fails for good
	hopeless      // fails whenever it is tried
	poisoned      // is no event
)

func (f fate) lettered() bool { return f == refused || f == hopeless || f == poisoned }

// fateOf is the same for an event whoever handles it.
func fateOf(seed uint64, e ordealEvent) fate {
	switch n := mix(seed, e) % 10_000; {
	case n < 5:
		return poisoned
	case n < 10:
		return hopeless
	case n < 20:
		return refused
	case n < 22:
		return stalls
	case n < 50:
		return panics
	case n < 150:
		return flaky
	case n < 1500:
		return slow
	}
	return fine
}

func mix(seed uint64, e ordealEvent) uint64 {
	x := seed ^ uint64(e.key)<<32 ^ uint64(e.n)
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// ordealMember is a process that consumes.
type ordealMember struct {
	t       *testing.T
	cmd     *exec.Cmd
	out     strings.Builder
	stdin   io.Closer // its end ends the process too
	gone    chan struct{}
	ended   bool   // on purpose
	fate    string // what was done to it
	journal string
}

func startOrdealMember(o *ordeal, journal string) *ordealMember {
	o.t.Helper()
	m := &ordealMember{t: o.t, journal: journal, gone: make(chan struct{}), fate: "let live"}
	m.cmd = exec.CommandContext(o.t.Context(), os.Args[0], "-test.run", "^TestConsumerOrdeal$")
	m.cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s|%s|%s|%t|%d", ordealEnv, o.kafka.Brokers[0], journal, o.url, o.next, o.seed))
	m.cmd.Stdout, m.cmd.Stderr = &m.out, &m.out
	var err error
	m.stdin, err = m.cmd.StdinPipe()
	o.must(err)
	o.must(m.cmd.Start())
	go func() {
		defer close(m.gone)
		_ = m.cmd.Wait()
	}()
	o.t.Cleanup(func() {
		_ = m.cmd.Process.Kill()
		<-m.gone
	})
	return m
}

func (m *ordealMember) signal(s syscall.Signal) {
	m.t.Helper()
	select {
	case <-m.gone:
		m.t.Fatalf("a member ended by itself: %s", m.out.String())
	default:
	}
	if err := m.cmd.Process.Signal(s); err != nil {
		m.t.Fatal(err)
	}
}

func (m *ordealMember) kill() {
	m.t.Helper()
	m.signal(syscall.SIGKILL)
	<-m.gone
	m.ended, m.fate = true, "killed"
}

// terminate asks a member to end in good order, which takes as long as the drain and what follows it at most.
func (m *ordealMember) terminate() {
	m.t.Helper()
	m.signal(syscall.SIGTERM)
	select {
	case <-m.gone:
	case <-time.After(time.Minute):
		m.t.Fatalf("a member did not end: %s", m.out.String())
	}
	if m.cmd.ProcessState.ExitCode() != 0 {
		m.t.Fatalf("a member that was to end failed: %s", m.out.String())
	}
	m.ended, m.fate = true, "terminated"
}

// consumeUntilEnded is the member. What it does is in its journal before the consumer is told of it.
func consumeUntilEnded(t *testing.T) {
	t.Helper()
	args := strings.Split(os.Getenv(ordealEnv), "|")
	seed, err := strconv.ParseUint(args[4], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(3) // the test is gone
	}()
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGTERM)
	defer stop()
	file, err := os.OpenFile(args[1], os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	db := opened(t, "postgres", args[2])
	store, err := once.NewSQL(db, once.PostgreSQL, once.Options{})
	if err != nil {
		t.Fatal(err)
	}
	client, err := events.New(events.Config{Brokers: args[:1]})
	if err != nil {
		t.Fatal(err)
	}
	h := ordealHandler{seed: seed, journal: file}
	options := []events.ConsumerOption{
		events.WithMiddleware(h.journaled), events.WithRetries(2), events.WithBackoff(resilience.Backoff{First: 20 * time.Millisecond, Factor: 2}),
		events.WithSessionTimeout(ordealSession), events.WithDrainTimeout(2 * time.Second),
		events.On("thing-happened", func(ctx context.Context, e ordealData, d events.Delivery) error {
			return h.act(ctx, e.event(), d.Attempt)
		}),
		events.OnTx("thing-kept", store, func(ctx context.Context, tx *sql.Tx, e ordealData, d events.Delivery) error {
			if _, err := tx.ExecContext(ctx, "INSERT INTO effects (key, n) VALUES ($1, $2)", e.Key, e.N); err != nil {
				return err
			}
			return h.act(ctx, e.event(), d.Attempt)
		}),
	}
	if args[3] == "true" {
		options = append(options, events.WithNextGeneration())
	}
	consumer, err := joinedLate(ctx, client, options)
	if err != nil {
		t.Fatal(err)
	}
	if err := consumer.Run(ctx); err != nil {
		t.Fatal(err)
	}
}

// joinedLate makes the consumer when there is a broker: a process may begin while that restarts.
func joinedLate(ctx context.Context, client *events.Client, options []events.ConsumerOption) (consumer *events.Consumer, err error) {
	for ctx.Err() == nil {
		if consumer, err = client.NewConsumer(ctx, ordealGroup, []string{ordealTopic}, options...); err == nil {
			return consumer, nil
		}
		time.Sleep(200 * time.Millisecond) // before the broker is asked again
	}
	os.Exit(0) // it was told to end before it began
	return nil, nil
}

type ordealData struct{ Key, N int }

func (d ordealData) event() ordealEvent { return ordealEvent{d.Key, d.N} }

// ordealHandler does with events what is their fate, and keeps a journal.
type ordealHandler struct {
	seed    uint64
	journal *os.File
	tenures sync.Map // of a partition, by the channel that ends the contexts of its handlers
	last    atomic.Int64
}

func (h *ordealHandler) act(ctx context.Context, e ordealEvent, attempt int) error {
	switch f := fateOf(h.seed, e); {
	case f == slow:
		time.Sleep(5 * time.Millisecond)
	case f == flaky && attempt < 3, f == hopeless:
		return errors.New("not now")
	case f == panics && attempt == 1:
		panic("oh")
	case f == refused:
		return resilience.NewPermanent("refused", "never", nil)
	case f == stalls && attempt == 1:
		most := time.NewTimer(time.Duration(mix(h.seed+1, e) % uint64(3*time.Second)))
		defer most.Stop()
		ends := ctx.Done()
		if e.n%2 == 0 {
			ends = nil
		}
		select {
		case <-most.C:
		case <-ends:
			return context.Cause(ctx)
		}
	}
	return nil
}

// journaled writes down when a try begins and how it ends. A line is one write, which is whole or not there whatever
// happens to the process.
func (h *ordealHandler) journaled(next events.Handler) events.Handler {
	return func(ctx context.Context, d events.Delivery) (err error) {
		tenure, known := h.tenures.Load(ctx.Done())
		if !known {
			tenure, _ = h.tenures.LoadOrStore(ctx.Done(), h.last.Add(1))
		}
		line := func(kind byte) {
			if _, err := fmt.Fprintf(h.journal, "%c %d %d %s\n", kind, tenure, time.Now().UnixMicro(), d.Meta.ID); err != nil {
				panic(err)
			}
		}
		line('b')
		ended := byte('p')
		defer func() { line(ended) }()
		err = next(ctx, d)
		switch {
		case err == nil:
			ended = 'k'
		case errors.Is(err, events.ErrDuplicate):
			ended = 'd'
		default:
			ended = 'f'
		}
		return err
	}
}
