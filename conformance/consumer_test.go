//go:build unix

package conformance

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/internal/testenv"
	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/events/once"
	"github.com/suokelife/suokectl/pkg/spec"
)

// The size of the ordeal. In full it takes ten minutes: -ordeal-events 1000000 -ordeal-ends 100 -ordeal-restarts 5.
var (
	ordealEvents   = flag.Int("ordeal-events", 25_000, "events that consumers handle while they are killed")
	ordealEnds     = flag.Int("ordeal-ends", 5, "members that are killed, stopped or terminated")
	ordealRestarts = flag.Int("ordeal-restarts", 1, "restarts of the broker")
	ordealSeed     = flag.Uint64("ordeal-seed", 0, "what happens; 0 is anything")
)

const (
	ordealTopic      = "test.ordeal-service.thing-happened.v1"
	ordealGroup      = "ordeal"
	ordealPartitions = 8
	ordealKeys       = 5000
	ordealMembers    = 4
	ordealStep       = 5 * time.Second // from one end of a member to the next
	ordealSession    = 6 * time.Second // the least that a broker takes
)

// TestConsumerOrdeal lets processes consume events that their handlers fail on, panic at and stall over, while these
// processes are ended by SIGKILL, SIGSTOP and SIGTERM and others join, and the broker is restarted. After each end what
// the group has committed is held against what was done; in the end all must be done, each key in its order, and what
// is kept in a database with its mark exactly once.
func TestConsumerOrdeal(t *testing.T) {
	if isOrdealMember() {
		consumeUntilEnded(t)
		return
	}
	t.Parallel()
	for name, next := range map[string]bool{"classic group": false, "next generation": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newOrdeal(t, next).run()
		})
	}
}

// ordeal is a topic whose events are handled under trouble.
type ordeal struct {
	t        *testing.T
	random   *rand.Rand
	seed     uint64
	next     bool // the protocol of KIP-848
	dir      string
	began    time.Time
	kafka    *testenv.KafkaServer
	client   *events.Client
	raw      *kgo.Client
	db       *sql.DB
	url      string // of the database
	produced [ordealKeys]int

	mu     sync.Mutex
	stored [ordealPartitions][]ordealEvent // by offset

	members []*ordealMember // all that ever were
	journal ordealJournal
	checked [ordealPartitions]int64 // how far commits were found right
	commits int                     // looks at them
	ends    map[string]int
}

// ordealEvent names an event: the n-th of a key.
type ordealEvent struct{ key, n int }

// nowhere is what stands at an offset whose record's acknowledgement has not come yet.
var nowhere = ordealEvent{-1, -1}

func newOrdeal(t *testing.T, next bool) *ordeal {
	t.Helper()
	o := &ordeal{t: t, seed: *ordealSeed, next: next, dir: t.TempDir(), began: time.Now(), kafka: testenv.Kafka(t), ends: map[string]int{}}
	if o.seed == 0 {
		o.seed = rand.Uint64()
	}
	t.Logf("again with -ordeal-seed %d", o.seed)
	o.random = rand.New(rand.NewPCG(o.seed, 0))
	o.journal.ordeal = o
	o.journal.done = map[ordealEvent]int{}
	o.journal.letters = map[ordealEvent]int{}
	o.journal.last = map[ordealEvent]handling{}
	o.journal.repeated = map[string]int{}
	var err error
	o.client, err = events.New(events.Config{Brokers: o.kafka.Brokers})
	o.must(err)
	t.Cleanup(func() { _ = o.client.Close() })
	o.raw, err = o.client.Open(t.Context(), kgo.ProducerLinger(5*time.Millisecond))
	o.must(err)
	t.Cleanup(o.raw.Close)
	for _, topic := range []string{ordealTopic, ordealTopic + ".dlq"} {
		_, err := kadm.NewClient(o.raw).CreateTopic(t.Context(), ordealPartitions, 1, nil, topic)
		o.must(err)
	}
	server := sharedPostgres.get(t)
	name := fmt.Sprintf("ordeal_%d", time.Now().UnixNano())
	_, err = opened(t, "postgres", server.URL).Exec("CREATE DATABASE " + name)
	o.must(err)
	o.url = server.Database(name)
	o.db = opened(t, "postgres", o.url)
	_, err = o.db.Exec("CREATE TABLE effects (key INT NOT NULL, n INT NOT NULL)")
	o.must(err)
	store, err := once.NewSQL(o.db, once.PostgreSQL, once.Options{})
	o.must(err)
	o.must(store.CreateTable(t.Context()))
	return o
}

func (o *ordeal) must(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

// run ends members while events are produced, for so long that each end has its share of these.
func (o *ordeal) run() {
	for range ordealMembers {
		o.add()
	}
	steps := max(*ordealEnds, 1)
	var producer sync.WaitGroup
	producer.Go(func() { o.produce(float64(*ordealEvents) / (float64(steps) * ordealStep.Seconds())) })
	for step := range steps {
		o.pause(ordealStep/4, ordealStep)
		o.end(step)
		if *ordealRestarts > 0 && (step+1)%max(1, steps / *ordealRestarts) == 0 {
			o.restart()
		}
		o.look()
		for len(o.living()) < ordealMembers {
			o.add()
		}
	}
	producer.Wait()
	o.finish()
	o.verify()
}

func (o *ordeal) pause(least, most time.Duration) {
	time.Sleep(least + time.Duration(o.random.Int64N(int64(most-least)))) // the moment is random, and nothing is waited for
}

// produce sends all events at a rate; their keys are skewed: a few have most of them.
func (o *ordeal) produce(perSecond float64) {
	random := rand.New(rand.NewPCG(o.seed, 1))
	zipf := rand.NewZipf(random, 1.1, 8, ordealKeys-1)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	began := time.Now()
	for sent := 0; sent < *ordealEvents; <-tick.C {
		for due := min(*ordealEvents, int(time.Since(began).Seconds()*perSecond)); sent < due; sent++ {
			e := ordealEvent{key: int(zipf.Uint64())}
			e.n = o.produced[e.key]
			o.produced[e.key]++
			o.raw.Produce(o.t.Context(), &kgo.Record{Topic: ordealTopic, Key: []byte(strconv.Itoa(e.key)), Value: o.value(e)}, func(r *kgo.Record, err error) {
				o.store(e, r, err)
			})
		}
	}
	if err := o.raw.Flush(o.t.Context()); err != nil {
		o.t.Error(err)
	}
}

// store notes where an event is.
func (o *ordeal) store(e ordealEvent, r *kgo.Record, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil {
		o.t.Errorf("%v was not produced: %v", e, err)
		return
	}
	of := &o.stored[r.Partition]
	for int64(len(*of)) <= r.Offset {
		*of = append(*of, nowhere)
	}
	(*of)[r.Offset] = e
}

func (o *ordeal) value(e ordealEvent) []byte {
	if fateOf(o.seed, e) == poisoned {
		return []byte(`{"meta":`)
	}
	eventType := "thing-happened"
	if e.kept() {
		eventType = "thing-kept"
	}
	return fmt.Appendf(nil, `{"meta":{"id":"%d-%d","type":%q,"version":"v1","source":"ordeal-service","time":"2026-01-31T12:00:00Z","correlation_id":"none"},"data":{"key":%d,"n":%d}}`,
		e.key, e.n, eventType, e.key, e.n)
}

// kept is whether an event's effect goes into the database.
func (e ordealEvent) kept() bool { return (e.key+e.n)%10 == 0 }

func (o *ordeal) living() []*ordealMember {
	return slices.DeleteFunc(slices.Clone(o.members), func(m *ordealMember) bool { return m.ended })
}

func (o *ordeal) add() {
	m := startOrdealMember(o, filepath.Join(o.dir, fmt.Sprintf("journal-%03d", len(o.members))))
	o.members = append(o.members, m)
	o.journal.add(m)
}

// end ends a member, and makes an end of those that were stopped long ago.
func (o *ordeal) end(step int) {
	living := o.living()
	m := living[o.random.IntN(len(living))]
	kind := []string{"SIGKILL", "SIGTERM", "SIGSTOP for long", "SIGKILL", "SIGSTOP"}[step%5]
	o.ends[kind]++
	switch kind {
	case "SIGKILL":
		m.kill()
	case "SIGTERM":
		m.terminate()
	case "SIGSTOP":
		m.signal(syscall.SIGSTOP)
		o.pause(time.Second, 2*time.Second)
		m.signal(syscall.SIGCONT)
		m.fate = "stopped shortly"
	default: // the others get its partitions, and it does not know
		m.signal(syscall.SIGSTOP)
		o.pause(ordealSession, ordealSession+2*time.Second)
		m.signal(syscall.SIGCONT)
		m.fate = "stopped for long"
	}
}

// restart stops the broker, gently or not.
func (o *ordeal) restart() {
	o.t.Helper()
	if o.ends["broker restarted"]%2 == 1 {
		o.kafka.Kill()
	}
	o.ends["broker restarted"]++
	o.must(o.kafka.Restart())
}

// look holds what is committed now against what was done until then.
func (o *ordeal) look() {
	o.t.Helper()
	committed := o.committed()
	o.awaitStored(committed)
	o.journal.read()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.commits++
	for partition, at := range committed {
		for ; o.checked[partition] < at; o.checked[partition]++ {
			e := o.stored[partition][o.checked[partition]]
			if o.journal.done[e]+o.journal.letters[e] == 0 {
				o.t.Errorf("partition %d is committed to %d, and %v at %d is not done", partition, at, e, o.checked[partition])
			}
		}
	}
}

// awaitStored waits for the acknowledgements of what consumers have read already.
func (o *ordeal) awaitStored(until [ordealPartitions]int64) {
	for partition, at := range until {
		for !o.isStored(partition, at) {
			time.Sleep(10 * time.Millisecond) // before it is looked at again
		}
	}
}

func (o *ordeal) isStored(partition int, until int64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	of := o.stored[partition]
	return int64(len(of)) >= until && !slices.Contains(of[min(o.checked[partition], until):until], nowhere)
}

func (o *ordeal) committed() (at [ordealPartitions]int64) {
	o.t.Helper()
	admin, err := o.client.Admin(o.t.Context())
	o.must(err)
	ctx, cancel := context.WithTimeout(o.t.Context(), time.Minute)
	defer cancel()
	for {
		offsets, err := admin.FetchOffsets(ctx, ordealGroup)
		if err == nil {
			err = offsets.Error()
		}
		if err == nil || strings.Contains(err.Error(), "GROUP_ID_NOT_FOUND") {
			offsets.Each(func(r kadm.OffsetResponse) { at[r.Partition] = r.At })
			return at
		}
		if ctx.Err() != nil {
			o.t.Fatalf("the committed offsets are not told: %v", err)
		}
		time.Sleep(100 * time.Millisecond) // before the broker is asked again
	}
}

// finish waits until all is committed, and ends all members in good order.
func (o *ordeal) finish() {
	o.t.Helper()
	deadline := time.Now().Add(4 * time.Minute)
	for done := false; !done; {
		if done = true; time.Now().After(deadline) {
			o.t.Fatalf("committed to %v of %v", o.committed(), o.lengths())
		}
		for partition, at := range o.committed() {
			done = done && at == o.lengths()[partition]
		}
		time.Sleep(200 * time.Millisecond) // before the broker is asked again
	}
	for _, m := range o.living() {
		m.terminate()
	}
	o.look()
}

func (o *ordeal) lengths() (of [ordealPartitions]int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range of {
		of[i] = int64(len(o.stored[i]))
	}
	return of
}

// verify holds what is promised, and tells the numbers.
func (o *ordeal) verify() {
	o.t.Helper()
	total, kept, lettered, wrongLetters := 0, 0, 0, 0
	for _, partition := range o.stored {
		for _, e := range partition {
			total++
			fate := fateOf(o.seed, e)
			if o.journal.letters[e] > 0 {
				lettered++
			}
			if (o.journal.letters[e] > 0) != fate.lettered() {
				wrongLetters++
			}
			if e.kept() && !fate.lettered() {
				kept++
			}
		}
	}
	var effects, distinct int
	o.must(o.db.QueryRow("SELECT count(*), count(DISTINCT (key, n)) FROM effects").Scan(&effects, &distinct))
	o.t.Logf("\n%s", o.table(total, lettered, kept, effects))
	if effects != kept || distinct != kept {
		o.t.Errorf("%d effects of %d events in the database, want %d", effects, distinct, kept)
	}
	if wrongLetters > 0 || total != *ordealEvents {
		o.t.Errorf("%d events are dead-lettered that should not be, or the reverse; %d events in all", wrongLetters, total)
	}
	if o.journal.unordered > 0 || o.journal.again > 0 {
		o.t.Errorf("%d times an owner broke the order of a key, %d times it handled again what was done", o.journal.unordered, o.journal.again)
	}
	if o.journal.failures == 0 || o.journal.panics == 0 || lettered == 0 || len(o.members) <= ordealMembers {
		o.t.Error("some trouble was never met: the ordeal was none")
	}
}

func (o *ordeal) table(total, lettered, kept, effects int) string {
	var out strings.Builder
	_, _ = fmt.Fprintf(&out, "%s; %d members were there; ends: %v\n", time.Since(o.began).Round(time.Second), len(o.members), o.ends)
	handled, repeated, letters := 0, 0, 0
	for _, n := range o.journal.done {
		handled++
		repeated += n - 1
	}
	for _, n := range o.journal.letters {
		letters += n
	}
	_, _ = fmt.Fprintf(&out, "%d events in %d keys, the hottest has %d: %d handled, %d dead-lettered, not done 0\n", total, ordealKeys, slices.Max(o.produced[:]), handled, lettered)
	_, _ = fmt.Fprintf(&out, "%d looks at the committed offsets found none that passed what was not done\n", o.commits)
	_, _ = fmt.Fprintf(&out, "%d tries, of which %d failed and %d panicked; the order of a key broken by an owner: %d\n", o.journal.tries, o.journal.failures, o.journal.panics, o.journal.unordered)
	_, _ = fmt.Fprintf(&out, "%d handled again, and %d letters twice; the owner before:\n", repeated, letters-lettered)
	for _, why := range slices.Sorted(maps.Keys(o.journal.repeated)) {
		_, _ = fmt.Fprintf(&out, "  %7d  %s\n", o.journal.repeated[why], why)
	}
	_, _ = fmt.Fprintf(&out, "%d events with the transactional store: %d effects in its database, %d deliveries found their mark\n", kept, effects, o.journal.marked)
	return out.String()
}

// readLetters reads the dead letters that came since it last did.
func (o *ordeal) readLetters(from *[ordealPartitions]int64, found func(ordealEvent)) {
	o.t.Helper()
	now := events.End()
	for partition := range int32(ordealPartitions) {
		since := events.AtOffset(from[partition])
		_, err := o.client.Scan(o.t.Context(), events.ScanOptions{Topic: ordealTopic + ".dlq", Partitions: []int32{partition}, From: since, Until: &now}, func(r *kgo.Record) error {
			from[partition] = r.Offset + 1
			e, err := o.origin(r)
			if err == nil {
				found(e)
			}
			return err
		})
		o.must(err)
	}
}

// origin is the event that a letter is of, by the place that its headers tell.
func (o *ordeal) origin(r *kgo.Record) (ordealEvent, error) {
	headers := map[string]string{}
	for _, h := range r.Headers {
		headers[h.Key] = string(h.Value)
	}
	partition, err1 := strconv.Atoi(headers[spec.HeaderDLQOriginalPartition])
	offset, err2 := strconv.Atoi(headers[spec.HeaderDLQOriginalOffset])
	if err := errors.Join(err1, err2); err != nil {
		return ordealEvent{}, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if offset >= len(o.stored[partition]) {
		return nowhere, nil
	}
	return o.stored[partition][offset], nil
}
