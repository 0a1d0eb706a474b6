package events_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/pkg/events"
)

func records(n int, base time.Time) []*kgo.Record {
	var all []*kgo.Record
	for i := range n {
		all = append(all, &kgo.Record{Topic: registered, Value: fmt.Append(nil, i), Timestamp: base.Add(time.Duration(i) * time.Second)})
	}
	return all
}

func valuesOf(records []*kgo.Record) []string {
	all := []string{}
	for _, r := range records {
		all = append(all, string(r.Value))
	}
	return all
}

func TestScanBounds(t *testing.T) {
	c := newCluster(t, registeredTopics(1)...)
	base := time.Now().Add(-time.Hour).Truncate(time.Second)
	c.put(c.raw(), records(10, base)...)
	second := func(n int) events.Bound { return events.AtTime(base.Add(time.Duration(n) * time.Second)) }
	for name, b := range map[string]struct {
		from, until events.Bound
		first, n    int
	}{
		"all":                    {events.Start(), events.End(), 0, 10},
		"offsets":                {events.AtOffset(3), events.AtOffset(7), 3, 4},
		"offset beyond the end":  {events.AtOffset(3), events.AtOffset(99), 3, 7},
		"from behind the end":    {events.AtOffset(99), events.End(), 0, 0},
		"from behind until":      {events.AtOffset(7), events.AtOffset(3), 0, 0},
		"times":                  {second(2), second(5), 2, 3},
		"time before the first":  {second(-99), second(1), 0, 1},
		"time behind the last":   {second(99), events.End(), 0, 0},
		"until behind the last":  {second(8), second(99), 8, 2},
		"nothing from the end":   {events.End(), events.End(), 0, 0},
		"the last three":         {events.Tail(3), events.End(), 7, 3},
		"a tail of all and more": {events.Tail(99), events.End(), 0, 10},
		"a tail of nothing":      {events.Tail(0), events.End(), 0, 0},
		"end to an earlier time": {events.End(), second(1), 0, 0},
	} {
		got, result := c.read(events.ScanOptions{Topic: registered, From: b.from, Until: &b.until})
		if len(got) != b.n || b.n > 0 && got[0].Offset != int64(b.first) {
			t.Errorf("%s: got %v, want %d records from %d", name, valuesOf(got), b.n, b.first)
		}
		if result.Records != int64(b.n) {
			t.Errorf("%s: counted %d", name, result.Records)
		}
	}
}

func TestScanStopsWhenToldTo(t *testing.T) {
	c := newCluster(t, registeredTopics(1)...)
	c.put(c.raw(), records(10, time.Now())...)
	n := 0
	result, err := c.client.Scan(c.ctx, events.ScanOptions{Topic: registered}, func(*kgo.Record) error {
		if n++; n == 4 {
			return events.ErrStopScan
		}
		return nil
	})
	if err != nil || result.Partitions[0].Next != 4 {
		t.Errorf("got %+v, %v", result, err)
	}
	broken := errors.New("disk full")
	if _, err := c.client.Scan(c.ctx, events.ScanOptions{Topic: registered}, func(*kgo.Record) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("got %v, want the visitor's error", err)
	}
	var unknown *events.UnknownTopicError
	if _, err := c.client.Scan(c.ctx, events.ScanOptions{Topic: registered + "x"}, nil); !errors.As(err, &unknown) {
		t.Errorf("got %v, want an unknown topic", err)
	}
}

func TestScanReadsThePartitionsAskedFor(t *testing.T) {
	c := newCluster(t, registeredTopics(3)...)
	for id := range int32(3) {
		c.put(c.raw(), &kgo.Record{Topic: registered, Partition: id, Value: fmt.Append(nil, id)})
	}
	until := events.End()
	got, result := c.read(events.ScanOptions{Topic: registered, Until: &until, Partitions: []int32{1}})
	if !slices.Equal(valuesOf(got), []string{"1"}) || len(result.Partitions) != 1 {
		t.Errorf("got %v of %+v, want partition 1 alone", valuesOf(got), result.Partitions)
	}
	var unknown *events.UnknownPartitionError
	_, err := c.client.Scan(c.ctx, events.ScanOptions{Topic: registered, Partitions: []int32{3}}, nil)
	if !errors.As(err, &unknown) || unknown.Partition != 3 || unknown.Count != 3 {
		t.Errorf("got %v, want an unknown partition", err)
	}
}

// endings are logs on whose last offsets a reader that waits for records
// would hang, each made by the function, with the values that can be read.
var endings = map[string]struct {
	make func(c *cluster)
	want []string
}{
	"empty": {func(*cluster) {}, nil},
	"idle beside a busy partition": {func(c *cluster) {
		c.put(c.raw(), &kgo.Record{Topic: registered, Partition: 1, Value: []byte("x")})
	}, []string{"x"}},
	"committed transaction": {func(c *cluster) {
		c.transaction(kgo.TryCommit, "a", "b")
	}, []string{"a", "b"}},
	"aborted transaction": {func(c *cluster) {
		c.transaction(kgo.TryCommit, "a")
		c.transaction(kgo.TryAbort, "x", "y")
	}, []string{"a"}},
	"only aborted transactions": {func(c *cluster) {
		c.transaction(kgo.TryAbort, "x")
		c.transaction(kgo.TryAbort, "y")
	}, nil},
	"open transaction": {func(c *cluster) {
		c.put(c.raw(), &kgo.Record{Topic: registered, Value: []byte("a")})
		open := c.transactor()
		c.must(open.BeginTransaction())
		c.put(open, &kgo.Record{Topic: registered, Value: []byte("x")})
	}, []string{"a"}},
	"all deleted": {func(c *cluster) {
		c.put(c.raw(), records(3, time.Now())...)
		c.deleteRecords(3)
	}, nil},
	"start deleted": {func(c *cluster) {
		c.put(c.raw(), records(3, time.Now())...)
		c.deleteRecords(2)
	}, []string{"2"}},
}

func (c *cluster) transactor() *kgo.Client { return c.raw(kgo.TransactionalID(unique("tx"))) }

func (c *cluster) transaction(end kgo.TransactionEndTry, values ...string) {
	var records []*kgo.Record
	for _, v := range values {
		records = append(records, &kgo.Record{Topic: registered, Value: []byte(v)})
	}
	c.transact(c.transactor(), end, records...)
}

// transact writes records in a transaction. Before it ends that, it waits as
// internal/lab/kafka explains; a commit could be an abort otherwise.
func (c *cluster) transact(client *kgo.Client, end kgo.TransactionEndTry, records ...*kgo.Record) {
	c.must(client.BeginTransaction())
	c.put(client, records...)
	c.must(client.AbortBufferedRecords(c.ctx))
	c.must(client.EndTransaction(c.ctx, end))
}

func (c *cluster) deleteRecords(until int64) {
	c.Helper()
	admin, err := c.client.Admin(c.ctx)
	c.must(err)
	_, err = admin.DeleteRecords(c.ctx, kadm.Offsets{registered: {0: {Topic: registered, At: until}}})
	c.must(err)
}

func TestScanEnds(t *testing.T) {
	for name, ending := range endings {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, registeredTopics(2)...)
			ending.make(c)
			began := time.Now()
			got, result := c.read(events.ScanOptions{Topic: registered})
			if !slices.Equal(valuesOf(got), append([]string{}, ending.want...)) {
				t.Errorf("got %q, want %q", valuesOf(got), ending.want)
			}
			if name == "open transaction" && result.HeldBack != 1 {
				t.Errorf("held back %d offsets, want 1", result.HeldBack)
			}
			t.Logf("ended after %s at %+v", time.Since(began), result.Partitions)
		})
	}
}

func TestScanReadsUncommittedOnRequest(t *testing.T) {
	c := newCluster(t, registeredTopics(1)...)
	c.transaction(kgo.TryAbort, "x")
	got, _ := c.read(events.ScanOptions{Topic: registered, Uncommitted: true})
	if !slices.Equal(valuesOf(got), []string{"x"}) {
		t.Fatalf("got %q", valuesOf(got))
	}
}

// TestScanEndsOnACompactedTail: the last record is a tombstone that the
// cleaner takes away, so that no record is left before the end.
func TestScanEndsOnACompactedTail(t *testing.T) {
	c := newCluster(t)
	admin, err := c.client.Admin(c.ctx)
	c.must(err)
	zero, compact := "0", "compact"
	_, err = admin.CreateTopic(c.ctx, 1, 1, map[string]*string{"cleanup.policy": &compact, "delete.retention.ms": &zero}, registered)
	c.must(err)
	client := c.raw()
	for i := range 6 {
		c.put(client, &kgo.Record{Topic: registered, Key: []byte("k"), Value: fmt.Append(nil, i)})
	}
	c.put(client, &kgo.Record{Topic: registered, Key: []byte("k")})
	c.put(client, &kgo.Record{Topic: registered, Key: []byte("last"), Value: []byte("kept, the cleaner spares the last batch")})
	until := events.AtOffset(7)
	eventually(c.ctx, t, "the cleaner has run", func() bool {
		got, result := c.read(events.ScanOptions{Topic: registered, Until: &until})
		if result.Partitions[0].Next != 7 {
			t.Fatalf("ended at %+v", result.Partitions)
		}
		return len(got) == 0
	})
}

func TestScanFollows(t *testing.T) {
	c := newCluster(t, registeredTopics(1)...)
	ctx, cancel := context.WithCancelCause(c.ctx)
	reason := errors.New("interrupted")
	client := c.raw()
	c.put(client, &kgo.Record{Topic: registered, Value: []byte("0")})
	seen := make(chan string, 10)
	ended := make(chan error, 1)
	go func() {
		_, err := c.client.Scan(ctx, events.ScanOptions{Topic: registered}, func(r *kgo.Record) error {
			seen <- string(r.Value)
			return nil
		})
		ended <- err
	}()
	want := func(value string) {
		t.Helper()
		select {
		case got := <-seen:
			if got != value {
				t.Fatalf("got %q, want %q", got, value)
			}
		case <-c.ctx.Done():
			t.Fatalf("%q never came", value)
		}
	}
	want("0")
	c.put(client, &kgo.Record{Topic: registered, Value: []byte("1")})
	want("1")
	admin, err := c.client.Admin(c.ctx)
	c.must(err)
	_, err = admin.UpdatePartitions(c.ctx, 2, registered)
	c.must(err)
	c.put(c.raw(), &kgo.Record{Topic: registered, Partition: 1, Value: []byte("in a new partition")})
	want("in a new partition")
	cancel(reason)
	if err := <-ended; !errors.Is(err, reason) {
		t.Fatalf("got %v, want the context's cause", err)
	}
}

// TestScanProperty: whatever transactions of whatever clients did to a log, a
// scan between any two offsets ends and gives just the committed records.
func TestScanProperty(t *testing.T) {
	c := newCluster(t)
	admin, err := c.client.Admin(c.ctx)
	c.must(err)
	client, transactor := c.raw(), c.transactor()
	rapid.Check(t, func(rt *rapid.T) {
		topic := fmt.Sprintf("t-%d", rand.Uint64())
		_, err := admin.CreateTopic(c.ctx, 1, 1, nil, topic)
		c.must(err)
		committed := map[int64]string{}
		for i := range rapid.IntRange(0, 6).Draw(rt, "steps") {
			r := &kgo.Record{Topic: topic, Value: fmt.Append(nil, i)}
			switch rapid.SampledFrom([]string{"plain", "commit", "abort"}).Draw(rt, "step") {
			case "plain":
				c.put(client, r)
				committed[r.Offset] = string(r.Value)
			case "commit":
				c.transact(transactor, kgo.TryCommit, r)
				committed[r.Offset] = string(r.Value)
			case "abort":
				c.transact(transactor, kgo.TryAbort, r)
			}
		}
		from := rapid.Int64Range(0, 13).Draw(rt, "from")
		until := rapid.Int64Range(0, 13).Draw(rt, "until")
		bound := events.AtOffset(until)
		got, _ := c.read(events.ScanOptions{Topic: topic, From: events.AtOffset(from), Until: &bound})
		want := 0
		for offset := range committed {
			if offset >= from && offset < until {
				want++
			}
		}
		if len(got) != want {
			rt.Fatalf("between %d and %d got %q, of %v", from, until, valuesOf(got), committed)
		}
		for _, r := range got {
			if committed[r.Offset] != string(r.Value) {
				rt.Fatalf("offset %d: got %q, want %q", r.Offset, r.Value, committed[r.Offset])
			}
		}
	})
}
