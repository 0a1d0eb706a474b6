package dlq_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/events/dlq"
	"github.com/suokelife/suokectl/pkg/spec"
)

var all = dlq.ReplayOptions{Selection: dlq.Selection{All: true}}

func (w *world) replay(opts dlq.ReplayOptions) dlq.Result {
	w.t.Helper()
	result, err := w.dlq.Replay(w.t.(*testing.T).Context(), letters, opts)
	if err != nil {
		w.t.Fatal(err)
	}
	return result
}

func TestReplayRestoresTheRecord(t *testing.T) {
	w := newWorld(t)
	value := event(1)
	w.produce(letter(2, 77, "key", value, "boom", header("a", "1"), header("b", ""), header("a", "2")))
	if got := w.replay(all); got.Replayed != 1 || got.Targets[origin] != 1 {
		t.Fatalf("result %+v", got)
	}
	records := w.read(origin)
	if len(records) != 1 {
		t.Fatalf("%d records", len(records))
	}
	r := records[0]
	if r.Partition != 2 || string(r.Key) != "key" || !bytes.Equal(r.Value, value) {
		t.Errorf("partition %d, key %q, value %s, want 2, key, %s", r.Partition, r.Key, r.Value, value)
	}
	var headers []string
	for _, h := range r.Headers {
		headers = append(headers, h.Key+"="+string(h.Value))
	}
	if got, want := strings.Join(headers, " "), "a=1 b= a=2 "+spec.HeaderDLQAttempts+"=3"; got != want {
		t.Errorf("headers %s, want %s", got, want)
	}
	if again := w.replay(all); again.Replayed != 0 || again.Already != 1 {
		t.Errorf("the second run: %+v", again)
	}
	if n := len(w.read(origin)); n != 1 {
		t.Errorf("%d records after the second run", n)
	}
}

// TestReplayOfOddLetters: whatever bytes a letter has, they come back as they were.
func TestReplayOfOddLetters(t *testing.T) {
	sample := `{"meta": {"id": "1", "error": "bad", "original_topic": "` + origin + `", "dlq_time": "2024-01-01T00:00:00Z"}, "data": {}}`
	for name, c := range map[string]struct {
		record     *kgo.Record
		key, value []byte
	}{
		"the specification's sample": {&kgo.Record{Value: []byte(sample)}, nil, []byte(`{"meta": {"id": "1"}, "data": {}}`)},
		"binary":                     {letter(0, 1, "k", []byte{0, 0, 0, 0, 7, 0xff, 'x'}, "cannot decode"), []byte("k"), []byte{0, 0, 0, 0, 7, 0xff, 'x'}},
		"empty value":                {&kgo.Record{Key: []byte{}, Value: []byte{}}, []byte{}, []byte{}},
		"tombstone":                  {letter(0, 1, "k", nil, "no value"), []byte("k"), nil},
		"no headers, no fields":      {&kgo.Record{Value: []byte("plain")}, nil, []byte("plain")},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.record.Topic = letters
			w.produce(c.record)
			if got := w.replay(all); got.Replayed != 1 {
				t.Fatalf("result %+v", got)
			}
			r := w.read(origin)[0]
			if !bytes.Equal(r.Value, c.value) || (r.Value == nil) != (c.value == nil) || !bytes.Equal(r.Key, c.key) || (r.Key == nil) != (c.key == nil) {
				t.Errorf("key %#v value %#v, want %#v %#v", r.Key, r.Value, c.key, c.value)
			}
		})
	}
}

func TestReplayGoesOnlyWhereItMay(t *testing.T) {
	w := newWorld(t)
	to := func(topic string) *kgo.Record {
		r := letter(0, 0, "k", event(1), "boom")
		r.Headers = append(r.Headers, header(spec.HeaderDLQOriginalTopic, topic))
		return r
	}
	w.produce(to(letters), to("gone"), to("x.parked"), to("__consumer_offsets"), to("suokectl.ledger.x"))
	got := w.replay(all)
	want := map[string]int64{dlq.SkipDeadLetter: 2, dlq.SkipNoTarget: 1, dlq.SkipInternal: 2}
	if got.Replayed != 0 || fmt.Sprint(got.Skipped) != fmt.Sprint(want) {
		t.Errorf("result %+v, want skipped %v", got, want)
	}
	plan, err := w.dlq.Plan(t.Context(), letters, dlq.Selection{All: true})
	if err != nil || plan.Replay != 0 || fmt.Sprint(plan.Skipped) != fmt.Sprint(want) {
		t.Errorf("plan %+v, %v", plan, err)
	}
}

func TestReplayBySelection(t *testing.T) {
	w := newWorld(t)
	for i := range 12 {
		reason := "timeout after 30ms"
		if i%3 == 0 {
			reason = fmt.Sprintf("user %d unknown", i)
		}
		w.produce(letter(int32(i%2), int64(i), "k", event(i), reason))
	}
	groups, err := w.dlq.Groups(t.Context(), letters)
	if err != nil || len(groups) != 2 || groups[0].Pending != 8 || groups[1].Pending != 4 || groups[1].Class != "user # unknown" {
		t.Fatalf("groups %+v, %v", groups, err)
	}
	chosen := dlq.Selection{Fingerprints: []string{groups[1].Fingerprint[:6]}}
	plan, err := w.dlq.Plan(t.Context(), letters, chosen)
	if err != nil || plan.Replay != 4 || plan.Unselected != 8 || len(plan.Classes) != 1 || plan.Targets[origin] != 4 {
		t.Fatalf("plan %+v, %v", plan, err)
	}
	if got := w.replay(dlq.ReplayOptions{Selection: chosen}); got.Replayed != 4 || got.Unselected != 8 {
		t.Fatalf("result %+v", got)
	}
	chosen = dlq.Selection{Offsets: []dlq.OffsetRange{{Partition: 1, First: 1, Last: 3}, {Partition: 0, First: 1, Last: 1}}}
	if got := w.replay(dlq.ReplayOptions{Selection: chosen}); got.Replayed+got.Already != 4 {
		t.Fatalf("result %+v", got)
	}
	if got := w.replay(all); got.Replayed+got.Already != 12 || len(w.read(origin)) != 12 {
		t.Fatalf("result %+v, %d records", got, len(w.read(origin)))
	}
	list, err := w.dlq.List(t.Context())
	if err != nil || len(list) != 1 || list[0].Pending != 0 || list[0].Replayed != 12 || list[0].Oldest == nil {
		t.Fatalf("list %+v, %v", list, err)
	}
}

func TestReplayKeepsPartitionsOnlyWhereCountsMatch(t *testing.T) {
	w := newWorld(t)
	w.produce(letter(2, 0, "same-key", event(1), "boom"))
	w.replay(all)
	if _, err := w.admin.UpdatePartitions(t.Context(), 7, origin); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		w.produce(letter(int32(i), 0, "same-key", event(2+i), "boom"))
	}
	w.replay(all)
	seen := map[int32]int{}
	for _, r := range w.read(origin) {
		seen[r.Partition]++
	}
	keyed := int32(kgo.StickyKeyPartitioner(nil).ForTopic(origin).Partition(&kgo.Record{Key: []byte("same-key")}, 7))
	if seen[keyed] < 3 {
		t.Errorf("partitions %v, want the three of one key in %d", seen, keyed)
	}
}

func TestReplayRefusesWhileAnotherIsAtWork(t *testing.T) {
	w := newWorld(t)
	w.produce(letter(0, 0, "k", event(1), "boom"))
	w.replay(dlq.ReplayOptions{Owner: "first"})
	topics, err := w.admin.ListTopics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ledger := ""
	for _, name := range topics.Names() {
		if strings.HasPrefix(name, "suokectl.ledger.") {
			ledger = name
		}
	}
	w.produce(&kgo.Record{Topic: ledger, Partition: 0, Key: []byte("claim"), Value: []byte(`{"owner":"somebody"}`)})
	_, err = w.dlq.Replay(t.Context(), letters, all)
	var claimed *dlq.ClaimedError
	if !errors.As(err, &claimed) || claimed.Owner != "somebody" || len(w.read(origin)) != 0 {
		t.Fatalf("error %v", err)
	}
	taking := all
	taking.TakeOver = true
	if got := w.replay(taking); got.Replayed != 1 {
		t.Fatalf("result %+v", got)
	}
	if got := w.replay(all); got.Already != 1 {
		t.Fatalf("after a claim was released: %+v", got)
	}
}

func TestReplayStopsAtAHangingTransaction(t *testing.T) {
	w := newWorld(t)
	w.produce(letter(0, 0, "k", event(1), "boom"))
	ledger := w.replay(dlq.ReplayOptions{Owner: "first"}).Ledger
	hanging, err := kgo.NewClient(kgo.SeedBrokers(w.addrs...), kgo.TransactionalID("other"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer hanging.Close()
	if err := hanging.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := hanging.ProduceSync(t.Context(), &kgo.Record{Topic: ledger, Key: []byte("0"), Value: []byte(`{}`)}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	result, err := w.dlq.Replay(t.Context(), letters, all)
	var hang *dlq.HangingTransactionError
	if !errors.As(err, &hang) || hang.Partition != 0 || hang.LastStable >= hang.High || result.Replayed != 0 {
		t.Fatalf("%+v, error %v", result, err)
	}
	if err := hanging.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	if got := w.replay(all); got.Replayed != 1 {
		t.Fatalf("result %+v", got)
	}
}

func TestReplayOfARecreatedTopicStartsAnew(t *testing.T) {
	w := newWorld(t)
	w.produce(letter(0, 0, "k", event(1), "boom"))
	first := w.replay(all)
	if _, err := w.admin.DeleteTopics(t.Context(), letters); err != nil {
		t.Fatal(err)
	}
	if _, err := w.admin.CreateTopic(t.Context(), 3, 1, nil, letters); err != nil {
		t.Fatal(err)
	}
	w.raw.PurgeTopicsFromProducing(letters)
	w.produce(letter(0, 0, "k", event(2), "boom"))
	second := w.replay(all)
	if second.Replayed != 1 || second.Ledger == first.Ledger || len(w.read(origin)) != 2 {
		t.Errorf("first %+v, second %+v", first, second)
	}
}

func TestReplayOfATruncatedTopic(t *testing.T) {
	w := newWorld(t)
	for i := range 10 {
		w.produce(letter(0, int64(i), "k", event(i), "boom"))
	}
	w.replay(dlq.ReplayOptions{Selection: dlq.Selection{Offsets: []dlq.OffsetRange{{Last: 4}}}})
	before := kadmOffset(letters, 0, 3)
	if _, err := w.admin.DeleteRecords(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	if got := w.replay(all); got.Already != 2 || got.Replayed != 5 {
		t.Errorf("result %+v, want 2 already and 5 replayed", got)
	}
	entries, err := w.dlq.Entries(t.Context(), letters)
	if err != nil || len(entries[0]) != 7 {
		t.Errorf("%d entries, %v: those of expired letters should be gone", len(entries[0]), err)
	}
	list, err := w.dlq.List(t.Context())
	if err != nil || list[0].Replayed != 7 || list[0].Pending != 0 {
		t.Errorf("list %+v, %v", list, err)
	}
}

func TestUnknownTopics(t *testing.T) {
	w := newWorld(t)
	_, err := w.dlq.Replay(t.Context(), strings.Replace(letters, "user", "usr", 1), all)
	var unknown *events.UnknownTopicError
	if !errors.As(err, &unknown) || unknown.Nearest != letters {
		t.Errorf("error %v, want one that knows %s", err, letters)
	}
	if _, err := w.dlq.Groups(t.Context(), origin); !errors.Is(err, dlq.ErrNotDeadLetter) {
		t.Errorf("error %v, want %v", err, dlq.ErrNotDeadLetter)
	}
}

func TestEmptyTopic(t *testing.T) {
	w := newWorld(t)
	if got := w.replay(all); got.Replayed != 0 || len(got.Partitions) != 0 {
		t.Errorf("result %+v", got)
	}
	if list, err := w.dlq.List(t.Context()); err != nil || len(list) != 1 || list[0].Oldest != nil {
		t.Errorf("list %+v, %v", list, err)
	}
}

// TestReplayIsExactlyOnce replays with runs that are interrupted at random moments and others that take over at the
// same time, until all is done; then it counts.
func TestReplayIsExactlyOnce(t *testing.T) {
	const count = 3000
	w := newWorld(t)
	var records []*kgo.Record
	for i := range count {
		reason := "chosen"
		if i%5 >= 3 {
			reason = "left"
		}
		records = append(records, letter(int32(i%3), int64(i), fmt.Sprint(i%50), event(i), reason))
	}
	w.produce(records...)
	groups, err := w.dlq.Groups(t.Context(), letters)
	if err != nil {
		t.Fatal(err)
	}
	var selection dlq.Selection
	for _, g := range groups {
		if g.Class == "chosen" {
			selection.Fingerprints = []string{g.Fingerprint}
		}
	}
	opts := dlq.ReplayOptions{Selection: selection, TakeOver: true}
	fenced := 0
	for range 8 {
		var runs sync.WaitGroup
		errs := make([]error, 2)
		for i := range errs {
			runs.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(200))*time.Millisecond)
				defer cancel()
				_, errs[i] = w.open().Replay(ctx, letters, opts)
			})
		}
		runs.Wait()
		for _, err := range errs {
			var f *dlq.FencedError
			if errors.As(err, &f) {
				fenced++
			}
		}
	}
	last := w.replay(opts)
	t.Logf("fenced %d times; the last run replayed %d and found %d", fenced, last.Replayed, last.Already)
	if last.Replayed+last.Already != count*3/5 {
		t.Errorf("the last run replayed %d and found %d, want %d together", last.Replayed, last.Already, count*3/5)
	}
	w.exactlyOnce(records, func(i int) bool { return i%5 < 3 })
}

// exactlyOnce compares what readers see with what was selected, and both with the ledger.
func (w *world) exactlyOnce(records []*kgo.Record, selected func(int) bool) {
	w.t.Helper()
	want := map[string]bool{}
	for i := range records {
		if selected(i) {
			want[event0(i)] = true
		}
	}
	seen := map[string]int{}
	at := map[string]bool{}
	for _, r := range w.read(origin) {
		id := idOf(r.Value)
		seen[id]++
		at[fmt.Sprintf("%s/%d/%d", r.Topic, r.Partition, r.Offset)] = true
		if !want[id] {
			w.t.Errorf("%s was not selected", id)
		}
	}
	for id := range want {
		if seen[id] != 1 {
			w.t.Errorf("%s is there %d times", id, seen[id])
		}
	}
	entries, err := w.dlq.Entries(context.Background(), letters)
	if err != nil {
		w.t.Fatal(err)
	}
	n := 0
	for _, list := range entries {
		for _, e := range list {
			n++
			if !at[fmt.Sprintf("%s/%d/%d", e.Target, e.Partition, e.Offset)] {
				w.t.Errorf("the ledger's %+v is not in its target", e)
			}
		}
	}
	if n != len(want) {
		w.t.Errorf("%d entries in the ledger, want %d", n, len(want))
	}
}

func event0(i int) string { return fmt.Sprintf("id-%d", i) }

func idOf(value []byte) string {
	e, _ := spec.Default().ParseEvent(value)
	return e.Meta.ID
}

func TestLedgerGrowsWithItsTopic(t *testing.T) {
	w := newWorld(t)
	w.produce(letter(0, 0, "k", event(1), "boom"))
	w.replay(all)
	if _, err := w.admin.UpdatePartitions(t.Context(), 5, letters); err != nil {
		t.Fatal(err)
	}
	w.raw.PurgeTopicsFromProducing(letters)
	w.produce(letter(4, 0, "k", event(2), "boom"))
	if got := w.replay(all); got.Replayed != 1 || got.Already != 1 {
		t.Errorf("result %+v", got)
	}
}

func TestALetterThatIsTooLargeHoldsUpNoOther(t *testing.T) {
	w := newWorld(t)
	limit := "4000000"
	if _, err := w.admin.AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Name: "max.message.bytes", Value: &limit}}, letters); err != nil {
		t.Fatal(err)
	}
	large, err := kgo.NewClient(kgo.SeedBrokers(w.addrs...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(3<<20))
	if err != nil {
		t.Fatal(err)
	}
	defer large.Close()
	for i := range 5 {
		value := event(i)
		if i%2 == 1 {
			value = bytes.Repeat([]byte("x"), 2<<20)
		}
		if err := large.ProduceSync(t.Context(), letter(0, int64(i), "k", value, "boom")).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	if plan, err := w.dlq.Plan(t.Context(), letters, dlq.Selection{All: true}); err != nil || plan.Replay != 3 || plan.Skipped[dlq.SkipTooLarge] != 2 {
		t.Errorf("plan %+v, %v", plan, err)
	}
	for range 2 {
		if got := w.replay(all); got.Replayed+got.Already != 3 || got.Skipped[dlq.SkipTooLarge] != 2 {
			t.Errorf("result %+v", got)
		}
	}
	if n := len(w.read(origin)); n != 3 {
		t.Errorf("%d records", n)
	}
}

// TestAFailedTransactionIsBegunAnew: a broker's refusal costs a transaction, and no letter.
func TestAFailedTransactionIsBegunAnew(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, origin, letters))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	w := connect(t, cluster.ListenAddrs())
	for i := range 30 {
		w.produce(letter(int32(i%3), int64(i), "k", event(i), "boom"))
	}
	cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: origin, Err: kerr.InvalidRecord})
	got := w.replay(all)
	if got.Replayed != 30 || got.Already != 0 || len(w.read(origin)) != 30 {
		t.Errorf("result %+v, %d records", got, len(w.read(origin)))
	}
	for _, p := range got.Partitions {
		if p.State != dlq.StateDone || p.Replayed != 10 {
			t.Errorf("partition %+v", p)
		}
	}
}
