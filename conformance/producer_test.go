//go:build unix

package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/internal/testenv"
	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/events/spool"
	"github.com/suokelife/suokectl/pkg/spec"
)

const (
	tortureTopic   = "test.torture-service.thing-happened.v1"
	tortureLetters = tortureTopic + ".dlq"
	tortureRounds  = 6
	tortureKeys    = 24
	// tortureAck is short, so that many outcomes are unknown.
	tortureAck = 1500 * time.Millisecond
	// tortureEnv makes the test's binary be the producer: broker, spool, log of outcomes, round.
	tortureEnv = "CONFORMANCE_PRODUCER"
)

// TestProducerTorture lets a process produce while its broker is refused, slow, stopped and restarted, kills it with
// SIGKILL at a random moment, starts the next on the same spool, and in the end compares what it was told of each event
// with what Kafka has.
func TestProducerTorture(t *testing.T) {
	if args := os.Getenv(tortureEnv); args != "" {
		produceUntilKilled(t, strings.Split(args, "|"))
		return
	}
	t.Parallel()
	w := newTortureWorld(t)
	faults := []struct {
		name string
		do   func(ctx context.Context)
	}{
		{"none", func(context.Context) {}},
		{"slow", func(ctx context.Context) { w.during(ctx, func() { w.proxy.delay(300 * time.Millisecond) }) }},
		{"held", func(ctx context.Context) { w.during(ctx, w.proxy.pause) }},
		{"refused", func(ctx context.Context) { w.during(ctx, w.proxy.refuse) }},
		{"restarted", func(context.Context) { w.must(w.kafka.Restart()) }},
		{"killed", func(context.Context) { w.kafka.Kill(); w.must(w.kafka.Restart()) }},
	}
	for round := range tortureRounds {
		f := faults[round%len(faults)]
		w.round(round, f.name, f.do)
	}
	w.drain()
	w.verify()
}

// tortureWorld is a broker behind a proxy, and a spool.
type tortureWorld struct {
	t        *testing.T
	proxy    *spoiler
	kafka    *testenv.KafkaServer
	client   *events.Client
	dir, log string
	table    []string
	inSpool  map[string]bool // ids that were seen there after some kill
	maybe    map[string]bool // of them, as maybe stored
}

func newTortureWorld(t *testing.T) *tortureWorld {
	t.Helper()
	dir := t.TempDir()
	w := &tortureWorld{
		t: t, proxy: newSpoiler(t, ""), dir: filepath.Join(dir, "spool"), log: filepath.Join(dir, "outcomes"),
		inSpool: map[string]bool{}, maybe: map[string]bool{},
		table: []string{"round  broker     lived    told of  in the spool  maybe stored  torn"},
	}
	w.kafka = testenv.KafkaBehind(t, w.proxy.Addr())
	w.proxy.set(func() { w.proxy.target = w.kafka.Inner })
	var err error
	w.client, err = events.New(events.Config{Brokers: w.kafka.Brokers})
	w.must(err)
	t.Cleanup(func() { _ = w.client.Close() })
	raw, err := w.client.Open(t.Context())
	w.must(err)
	defer raw.Close()
	for _, topic := range []string{tortureTopic, tortureLetters} {
		_, err := kadm.NewClient(raw).CreateTopic(t.Context(), 3, 1, nil, topic)
		w.must(err)
	}
	return w
}

func (w *tortureWorld) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// during lets a fault of the proxy last up to 3 s.
func (w *tortureWorld) during(ctx context.Context, fault func()) {
	fault()
	select {
	case <-ctx.Done():
	case <-time.After(time.Second + rand.N(2*time.Second)):
	}
	w.proxy.delay(0)
	w.proxy.resume()
	w.proxy.accept()
}

// round lets a producer live for some seconds, with a fault at a random moment of them, and kills it.
func (w *tortureWorld) round(number int, fault string, do func(context.Context)) {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), os.Args[0], "-test.run", "^TestProducerTorture$")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s|%s|%s|%d", tortureEnv, w.proxy.Addr(), w.dir, w.log, number))
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	w.must(cmd.Start())
	began := time.Now()
	ctx, cancel := context.WithCancel(w.t.Context())
	var faults sync.WaitGroup
	faults.Go(func() {
		sleep(time.Second)
		do(ctx)
	})
	time.Sleep(2*time.Second + rand.N(5*time.Second/2)) // the moment of the kill is random
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if cmd.ProcessState.Exited() {
		w.t.Fatalf("the producer ended by itself: %s", out.String())
	}
	lived := time.Since(began)
	cancel()
	faults.Wait()
	w.look(number, fault, lived)
}

// look notes what the killed producer left in its spool.
func (w *tortureWorld) look(number int, fault string, lived time.Duration) {
	w.t.Helper()
	s, err := spool.Open(w.dir, spool.Options{})
	w.must(err)
	defer s.Close()
	for _, info := range s.List() {
		entry, err := s.Get(info.ID)
		w.must(err)
		id := idOf(w.t, entry.Value)
		w.inSpool[id] = true
		if entry.State == spool.MaybeStored {
			w.maybe[id] = true
		}
	}
	torn := 0
	for _, d := range s.Damage() {
		if torn++; !d.Torn {
			w.t.Errorf("round %d: %v", number, d)
		}
	}
	stats := s.Stats()
	w.table = append(w.table, fmt.Sprintf("%5d  %-9s  %4.1f s  %7d  %12d  %12d  %4d", number, fault, lived.Seconds(), len(w.told()), stats.Entries, stats.MaybeStored, torn))
}

func idOf(t *testing.T, value []byte) string {
	t.Helper()
	event, _ := spec.Default().ParseEvent(value)
	if event.Meta.ID == "" {
		t.Fatalf("an event without id: %s", value)
	}
	return event.Meta.ID
}

// drain sends what is left in the spool.
func (w *tortureWorld) drain() {
	w.t.Helper()
	s, err := spool.Open(w.dir, spool.Options{})
	w.must(err)
	p, err := w.client.NewProducer(w.t.Context(), events.ProducerOptions{Spool: s})
	w.must(err)
	drained, err := p.Drain(w.t.Context())
	w.must(err)
	w.must(p.Close(w.t.Context()))
	w.table = append(w.table, fmt.Sprintf("the last drain stored %d, of which %d were sent before; left %d", drained.Stored, drained.Repeated, drained.Left))
}

// outcome is what a producer was told of an event.
type outcome struct{ id, what string }

// told reads the log of outcomes; its last line may be cut short by a kill.
func (w *tortureWorld) told() (list []outcome) {
	w.t.Helper()
	text, err := os.ReadFile(w.log)
	w.must(err)
	for line := range strings.Lines(string(text)) {
		id, what, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if ok && strings.HasSuffix(line, "\n") {
			list = append(list, outcome{id, what})
		}
	}
	return list
}

// stored counts the ids in a topic, and lists those of each key as they came first.
func (w *tortureWorld) stored(topic string) (count map[string]int, firsts map[string][]string) {
	w.t.Helper()
	count, firsts = map[string]int{}, map[string][]string{}
	now := events.End()
	_, err := w.client.Scan(w.t.Context(), events.ScanOptions{Topic: topic, Until: &now}, func(r *kgo.Record) error {
		id := idOf(w.t, r.Value)
		if count[id]++; count[id] == 1 {
			firsts[string(r.Key)] = append(firsts[string(r.Key)], id)
		}
		return nil
	})
	w.must(err)
	return count, firsts
}

func (w *tortureWorld) verify() {
	w.t.Helper()
	count, firsts := w.stored(tortureTopic)
	letters, _ := w.stored(tortureLetters)
	accepted, tally := map[string]bool{}, map[string]int{}
	for _, o := range w.told() {
		accepted[o.id] = true
		tally[o.what]++
		switch {
		case o.what == "handed-back":
			w.t.Errorf("%s was kept nowhere", o.id)
		case strings.HasPrefix(o.what, "letter") && letters[o.id] == 0:
			tally["LETTER MISSING"]++
		case !strings.HasPrefix(o.what, "letter") && count[o.id] == 0:
			tally["MISSING "+o.what]++
		}
	}
	for id := range w.inSpool {
		if accepted[id] = true; count[id]+letters[id] == 0 {
			tally["MISSING from the spool"]++
		}
	}
	duplicates := 0
	for id, n := range count {
		if n > 1 {
			if duplicates++; !w.maybe[id] {
				tally["TWICE, but never maybe stored"]++
			}
		}
	}
	for key, ids := range firsts {
		last := ""
		for _, id := range ids {
			if !accepted[id] {
				continue // nobody was told of it
			}
			if id < last {
				tally["OUT OF ORDER"]++
				w.t.Logf("key %s: %s after %s", key, id, last)
			}
			last = max(last, id)
		}
	}
	w.t.Logf("%s\n%d events in the topic, %d of them twice or more, %d letters; %d accepted, told: %v",
		strings.Join(w.table, "\n"), len(count), duplicates, len(letters), len(accepted), tally)
	for what, n := range tally {
		if strings.ToUpper(what[:3]) == what[:3] {
			w.t.Errorf("%s: %d", what, n)
		}
	}
	if tally["acked"] == 0 || tally["unknown"] == 0 || tally["waiting"] == 0 || tally["letter"] == 0 {
		w.t.Error("some outcome was never met: the torture was none")
	}
}

// produceUntilKilled is the producer: each of its goroutines has keys of its own, and logs each outcome.
func produceUntilKilled(t *testing.T, args []string) {
	t.Helper()
	broker, dir, path, round := args[0], args[1], args[2], args[3]
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := spool.Open(dir, spool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	client, err := events.New(events.Config{Brokers: []string{broker}})
	if err != nil {
		t.Fatal(err)
	}
	producer, err := client.NewProducer(t.Context(), events.ProducerOptions{
		Spool: kept, DeadLetter: events.DeadLetterRejected, AckTimeout: tortureAck, BufferRecords: 2000,
		Validate: func(_ context.Context, _ string, value []byte) error {
			if strings.Contains(string(value), "invalid") {
				return errors.New("invalid by its schema")
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	const writers = 4
	var all sync.WaitGroup
	for writer := range writers {
		all.Go(func() {
			tick := time.NewTicker(2 * time.Millisecond)
			for n := 0; ; n++ {
				<-tick.C
				data := `{"n":1}`
				if n%40 == 39 {
					data = `"invalid"`
				}
				key := writer + writers*rand.IntN(tortureKeys/writers)
				id := fmt.Sprintf("%s-%02d-%08d", round, key, n)
				value, err := spec.Default().BuildEvent(spec.Meta{ID: id, Type: "thing-happened", Source: "torture-service"}, json.RawMessage(data))
				if err != nil {
					panic(err)
				}
				record := events.Record{Topic: tortureTopic, Key: fmt.Appendf(nil, "key-%d", key), Value: value}
				producer.Send(context.Background(), record, func(_ events.Ack, err error) {
					_, _ = fmt.Fprintf(log, "%s %s\n", id, whatOf(err))
				})
			}
		})
	}
	all.Wait()
}

// whatOf names an outcome.
func whatOf(err error) string {
	var rejected *events.RejectedError
	var unknown *events.UnknownOutcomeError
	var notSent *events.NotSentError
	switch {
	case err == nil:
		return "acked"
	case errors.As(err, &rejected) && rejected.DeadLetter != nil:
		return "letter"
	case errors.As(err, &rejected) && rejected.Spool != "":
		return "letter-spooled"
	case errors.As(err, &unknown) && unknown.Spool != "":
		return "unknown"
	case errors.As(err, &notSent) && notSent.Spool != "":
		return "waiting"
	}
	return "handed-back"
}
