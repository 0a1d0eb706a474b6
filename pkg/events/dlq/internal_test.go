package dlq

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/internal/lab/kafka"
	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/spec"
)

// TestBookIsWhatWasWritten: a ledger read back has the letters whose last record is an entry, and the last claim.
func TestBookIsWhatWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBook()
		want := map[int64]bool{}
		owner := ""
		for range rapid.IntRange(0, 60).Draw(t, "records") {
			offset := rapid.SampledFrom([]int64{0, 1, 63, 64, pageBits - 1, pageBits, 1 << 40}).Draw(t, "offset")
			r := Entry{Letter: offset, Outcome: OutcomeReplayed, Target: "t", Partition: 1, Offset: 2}.record("ledger", 0)
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0:
				r.Value = nil
				want[offset] = false
			case 1:
				owner = rapid.StringMatching(`[a-z ]{1,8}`).Draw(t, "owner")
				r = claim{Owner: owner}.record("ledger", 0)
			default:
				want[offset] = true
			}
			if err := b.take(r, 0); err != nil {
				t.Fatal(err)
			}
		}
		for offset, on := range want {
			if b.done.has(offset) != on {
				t.Fatalf("offset %d: %t, want %t", offset, !on, on)
			}
		}
		if b.done.has(2) || (owner == "") != (b.claim == nil) || b.claim != nil && b.claim.Owner != owner {
			t.Fatalf("claim %+v, want %q", b.claim, owner)
		}
	})
}

func TestClaimDies(t *testing.T) {
	for _, c := range []struct {
		claim *claim
		alive bool
	}{
		{nil, false},
		{&claim{Owner: "a", At: time.Now()}, true},
		{&claim{Owner: "a", At: time.Now().Add(-claimLives - time.Second)}, false},
		{&claim{Owner: "a", At: time.Now(), Released: true}, false},
	} {
		if c.claim.alive() != c.alive {
			t.Errorf("%+v alive is %t", c.claim, !c.alive)
		}
	}
}

// FuzzLedgerRecord: any bytes in a ledger are an error or a fact that is written the same again.
func FuzzLedgerRecord(f *testing.F) {
	f.Add([]byte("42"), []byte(`{"outcome":"replayed","target":"t","partition":0,"offset":7}`))
	f.Add([]byte("claim"), []byte(`{"owner":"x","released":true}`))
	f.Add([]byte("042"), []byte(`{}`))
	f.Add([]byte("-1"), []byte(nil))
	f.Add([]byte("9223372036854775807"), []byte(`{"outcome":"replayed","offset":-1}`))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		b := newBook()
		if b.take(&kgo.Record{Key: key, Value: value}, 10) != nil {
			return
		}
		offset, isClaim, err := parseKey(key)
		if err != nil {
			t.Fatalf("key %q was taken", key)
		}
		if isClaim || value == nil {
			return
		}
		e, err := parseEntry(offset, value)
		if err != nil || !b.done.has(offset) {
			t.Fatalf("value %q was taken, and is not in the bitmap", value)
		}
		again, err := parseEntry(offset, e.record("l", 0).Value)
		if err != nil || again != e {
			t.Fatalf("%+v is written as %+v, %v", e, again, err)
		}
	})
}

// FuzzLetter: any record of a dead-letter topic is a letter, and what it is restored to has none of our headers but the
// attempts.
func FuzzLetter(f *testing.F) {
	f.Add([]byte("k"), []byte(`{"meta":{"id":"1","error":"e","original_topic":"t","dlq_time":"x"},"data":{}}`), spec.HeaderDLQAttempts, []byte("3"))
	f.Add([]byte(nil), []byte(nil), spec.HeaderDLQPlace, []byte("10+20"))
	f.Add([]byte{}, []byte{0, 1, 2}, spec.HeaderDLQOriginalPartition, []byte("99999999999"))
	f.Add([]byte("k"), []byte(`{"meta":{}}`), "x-other", []byte{0xff})
	c := &Client{conv: spec.Default()}
	f.Fuzz(func(t *testing.T, key, value []byte, name string, header []byte) {
		l := c.letterOf(&kgo.Record{Topic: "a.dlq", Key: key, Value: value, Headers: []kgo.RecordHeader{{Key: name, Value: header}}})
		if len(l.Fingerprint) != 12 || l.OriginalPartition < Unknown || l.OriginalOffset < Unknown || l.Attempts < 0 {
			t.Fatalf("letter %+v", l)
		}
		r := c.restore(&l)
		if (r.Value == nil) != (value == nil) || len(r.Value) > len(value) {
			t.Fatalf("value %q is restored to %q", value, r.Value)
		}
		for _, h := range r.Headers {
			if h.Key == spec.HeaderDLQPlace {
				t.Fatalf("headers %v", r.Headers)
			}
		}
	})
}

// TestCompactedTail: nothing is left in front of the end, and reading ends all the same.
func TestCompactedTail(t *testing.T) {
	const topic = "a.dlq"
	server, err := kafka.Start(kafka.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	client, err := events.New(events.Config{Brokers: server.Addrs()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c, err := Open(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.admin.CreateTopic(t.Context(), 1, 1, map[string]*string{
		"cleanup.policy": kadm.StringPtr("compact"), "delete.retention.ms": kadm.StringPtr("0"),
	}, topic); err != nil {
		t.Fatal(err)
	}
	producer, err := client.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	for _, value := range [][]byte{[]byte("1"), []byte("2"), nil} {
		if err := producer.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Key: []byte("k"), Value: value}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	if err := producer.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Key: []byte("last")}).FirstErr(); err != nil {
		t.Fatal(err) // the cleaner spares the last batch
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for left := -1; left != 0; {
		left = 0
		err := c.scan(ctx, topic, map[int32]span{0: {0, 3}}, func(*kgo.Record) error {
			left++
			return nil
		})
		if err != nil {
			t.Fatalf("%v, with %d records left", err, left)
		}
	}
}

// openOn is a client of a broker that has topics.
func openOn(t *testing.T, opts ...kfake.Opt) (*kfake.Cluster, *Client, *kgo.Client) {
	t.Helper()
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	client, err := events.New(events.Config{Brokers: cluster.ListenAddrs()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	c, err := Open(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	producer, err := client.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(producer.Close)
	return cluster, c, producer
}

// TestARecreatedTopicIsNotReplayedIntoTheOldLedger: a run that had looked at a topic before it was made again must not
// replay the letters of the new one, which the new ledger would not know of.
func TestARecreatedTopicIsNotReplayedIntoTheOldLedger(t *testing.T) {
	_, c, producer := openOn(t, kfake.SeedTopics(1, "a", "a.dlq"))
	send := func(value string) {
		t.Helper()
		if err := producer.ProduceSync(t.Context(), &kgo.Record{Topic: "a.dlq", Value: []byte(value)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	send("old")
	run, err := c.prepare(t.Context(), "a.dlq", ReplayOptions{Selection: Selection{All: true}, Owner: "me"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.admin.DeleteTopics(t.Context(), "a.dlq"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.admin.CreateTopic(t.Context(), 1, 1, nil, "a.dlq"); err != nil {
		t.Fatal(err)
	}
	producer.PurgeTopicsFromProducing("a.dlq")
	send("new")
	run.partition(t.Context(), 0)
	if result, err := run.finish(); !errors.Is(err, ErrRecreated) || result.Replayed != 0 {
		t.Fatalf("result %+v, error %v", result, err)
	}
	result, err := c.Replay(t.Context(), "a.dlq", ReplayOptions{Selection: Selection{All: true}})
	if err != nil || result.Replayed != 1 {
		t.Fatalf("result %+v, error %v", result, err)
	}
}

// TestABrokerThatAnswersAPeekLater: over its quota, a client gets an answer without partitions, which does not say that
// nothing is left.
func TestABrokerThatAnswersAPeekLater(t *testing.T) {
	cluster, c, producer := openOn(t, kfake.SeedTopics(1, "a.dlq"))
	if err := producer.ProduceSync(t.Context(), &kgo.Record{Topic: "a.dlq", Value: []byte("x")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	throttled := 0
	cluster.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		if req.(*kmsg.FetchRequest).SessionEpoch != -1 {
			cluster.KeepControl() // a consumer's
			return nil, nil, false
		}
		throttled++
		return req.ResponseKind(), nil, true
	})
	r, err := c.open(t.Context(), "a.dlq", map[int32]span{0: {0, 1}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	details, err := c.admin.ListTopics(t.Context(), "a.dlq")
	if err != nil {
		t.Fatal(err)
	}
	at, err := r.peek(t.Context(), details["a.dlq"].ID, 0, details["a.dlq"].Partitions[0].Leader, span{0, 1})
	if err != nil || at != 0 || throttled != 1 {
		t.Fatalf("at %d, throttled %d times, %v", at, throttled, err)
	}
	if at, err := r.peek(t.Context(), details["a.dlq"].ID, 0, -1, span{0, 1}); err != nil || at != 0 {
		t.Fatalf("without a leader: at %d, %v", at, err)
	}
}
