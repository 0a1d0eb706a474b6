package copier_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/internal/lab/kafka"
	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/events/copier"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	source = "dev.auth-service.user-registered.v1"
	target = "test.auth-service.user-registered.v1"
	narrow = "test.auth-service.narrow.v1"
)

// cluster is a broker with the source and its targets.
type cluster struct {
	t      testing.TB
	client *events.Client
	raw    *kgo.Client
	admin  *kadm.Client
}

func newCluster(t testing.TB) *cluster {
	t.Helper()
	server, err := kafka.Start(kafka.Options{Topics: []kafka.Topic{{Name: source, Partitions: 3}, {Name: target, Partitions: 3}, {Name: narrow, Partitions: 2}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return connect(t, server.Addrs())
}

func connect(t testing.TB, brokers []string) *cluster {
	t.Helper()
	client, err := events.New(events.Config{Brokers: brokers})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	raw, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(raw.Close)
	return &cluster{t: t, client: client, raw: raw, admin: kadm.NewClient(raw)}
}

func (c *cluster) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) put(records ...*kgo.Record) {
	c.t.Helper()
	c.must(c.raw.ProduceSync(context.Background(), records...).FirstErr())
}

func (c *cluster) read(topic string) []*kgo.Record {
	c.t.Helper()
	var got []*kgo.Record
	end := events.End()
	_, err := c.client.Scan(context.Background(), events.ScanOptions{Topic: topic, Until: &end}, func(r *kgo.Record) error {
		got = append(got, r)
		return nil
	})
	c.must(err)
	return got
}

func record(partition int32, key, value string) *kgo.Record {
	return &kgo.Record{Topic: source, Partition: partition, Key: []byte(key), Value: []byte(value)}
}

func options() copier.Options {
	end := events.End()
	return copier.Options{Source: source, Target: target, Until: &end}
}

func (c *cluster) copy(o copier.Options) copier.Result {
	c.t.Helper()
	result, err := copier.New(c.client, c.client).Run(context.Background(), o)
	c.must(err)
	return result
}

// spell tells all of a record that a copy keeps, in a partition's order.
func spell(records []*kgo.Record) []string {
	var list []string
	for _, r := range records {
		text := fmt.Sprintf("%d %d key %t %q value %t %q", r.Partition, r.Timestamp.UnixMilli(), r.Key == nil, r.Key, r.Value == nil, r.Value)
		for _, h := range r.Headers {
			text += fmt.Sprintf(" %q=%t %q", h.Key, h.Value == nil, h.Value)
		}
		list = append(list, text)
	}
	slices.SortStableFunc(list, func(a, b string) int { return int(a[0]) - int(b[0]) })
	return list
}

func TestACopyKeepsTheRecord(t *testing.T) {
	c := newCluster(t)
	recent := time.Now().Add(-time.Hour).UnixMilli() // brokers delete what is older than a week
	rapid.Check(t, func(rt *rapid.T) {
		c := &cluster{t: t, client: c.client, raw: c.raw, admin: c.admin}
		bytes := rapid.SliceOfN(rapid.Byte(), 0, 40)
		maybe := func(label string) []byte {
			if rapid.Bool().Draw(rt, label+" is null") {
				return nil
			}
			return append([]byte{}, bytes.Draw(rt, label)...)
		}
		var records []*kgo.Record
		for range rapid.IntRange(1, 20).Draw(rt, "records") {
			r := &kgo.Record{Topic: source, Partition: rapid.Int32Range(0, 2).Draw(rt, "partition"), Key: maybe("key"), Value: maybe("value"),
				Timestamp: time.UnixMilli(recent + rapid.Int64Range(0, 3.6e6).Draw(rt, "timestamp"))}
			for range rapid.IntRange(0, 3).Draw(rt, "headers") {
				r.Headers = append(r.Headers, kgo.RecordHeader{Key: rapid.SampledFrom([]string{"a", "b", ""}).Draw(rt, "name"), Value: maybe("header")})
			}
			records = append(records, r)
		}
		c.put(records...)
		c.copy(options()) // goes on behind what the checks before have copied
		if got, want := spell(c.read(target)), spell(c.read(source)); !slices.Equal(got, want) {
			rt.Fatalf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

func TestACopyGoesOnWhereItEnded(t *testing.T) {
	c := newCluster(t)
	for i := range 30 {
		c.put(record(int32(i%3), "k", fmt.Sprint(i)))
	}
	first := options()
	first.Count = 10
	if got := c.copy(first); got.Copied != 10 || got.Before != 0 {
		t.Fatalf("the first: %+v", got)
	}
	if got := c.copy(options()); got.Copied != 20 || got.Before != 10 {
		t.Fatalf("the second: %+v", got)
	}
	if got := c.copy(options()); got.Copied != 0 || got.Before != 30 {
		t.Fatalf("the third: %+v", got)
	}
	c.put(record(1, "k", "new"))
	if got := c.copy(options()); got.Copied != 1 {
		t.Fatalf("with a new record: %+v", got)
	}
	if got := c.read(target); len(got) != 31 {
		t.Fatalf("%d records", len(got))
	}
	again := options()
	again.Restart = true
	if got := c.copy(again); got.Copied != 31 {
		t.Fatalf("restarted: %+v", got)
	}
}

func TestWhatIsNotChosenIsPassed(t *testing.T) {
	c := newCluster(t)
	for i := range 30 {
		c.put(record(int32(i%3), "k", fmt.Sprint(i%2)))
	}
	o := options()
	o.Selection = "odd"
	o.Match = func(r *kgo.Record) bool { return string(r.Value) == "1" }
	if got := c.copy(o); got.Copied != 15 || got.Left != 15 {
		t.Fatalf("%+v", got)
	}
	if got := c.copy(o); got.Copied != 0 || got.Left != 0 {
		t.Fatalf("again: %+v", got)
	}
	if got := c.copy(options()); got.Copied != 30 {
		t.Fatalf("all, which is another copy: %+v", got)
	}
}

func TestTheKeyDecidesWherePartitionsDiffer(t *testing.T) {
	c := newCluster(t)
	for i := range 60 {
		c.put(record(int32(i%3), fmt.Sprint("key-", i%7), fmt.Sprint(i)))
	}
	o := options()
	o.Target = narrow
	if got := c.copy(o); got.Copied != 60 {
		t.Fatalf("%+v", got)
	}
	murmur2 := kgo.StickyKeyPartitioner(nil).ForTopic(narrow)
	for _, r := range c.read(narrow) {
		if want := murmur2.Partition(r, 2); int(r.Partition) != want {
			t.Errorf("key %s is on %d, want %d", r.Key, r.Partition, want)
		}
	}
}

func TestAcrossClusters(t *testing.T) {
	from, to := newCluster(t), newCluster(t)
	for i := range 30 {
		from.put(record(int32(i%3), "k", fmt.Sprint(i)))
	}
	o := options()
	o.Target = source // its namesake
	for _, want := range []int64{30, 0} {
		got, err := copier.New(from.client, to.client).Run(t.Context(), o)
		if err != nil || got.Copied != want {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	if got, want := spell(to.read(source)), spell(from.read(source)); !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func TestRefusals(t *testing.T) {
	c := newCluster(t)
	itself, internal, missing, partition := options(), options(), options(), options()
	itself.Target = source
	internal.Target = copier.ProgressTopic
	missing.Target = "test.auth-service.missing.v1"
	partition.Partitions = []int32{3}
	run := func(o copier.Options) error {
		_, err := copier.New(c.client, c.client).Run(t.Context(), o)
		_, planned := copier.New(c.client, c.client).Plan(t.Context(), o)
		if (err == nil) != (planned == nil) {
			t.Errorf("%s to %s: the run says %v, the plan %v", o.Source, o.Target, err, planned)
		}
		return err
	}
	if err := run(itself); !errors.Is(err, copier.ErrOntoItself) {
		t.Errorf("onto itself: %v", err)
	}
	if err := run(internal); !errors.Is(err, copier.ErrInternal) {
		t.Errorf("internal: %v", err)
	}
	var unknown *events.UnknownTopicError
	if err := run(missing); !errors.As(err, &unknown) || unknown.Topic != missing.Target {
		t.Errorf("missing: %v", err)
	}
	var noPartition *events.UnknownPartitionError
	if err := run(partition); !errors.As(err, &noPartition) {
		t.Errorf("partition: %v", err)
	}
}

func TestThePlanWarns(t *testing.T) {
	c := newCluster(t)
	day := 24 * time.Hour
	for i := range 6 {
		r := record(int32(i%3), "k", fmt.Sprint(i))
		r.Timestamp = time.Now().Add(-time.Duration(10*(i%2)) * day)
		c.put(r)
	}
	set := func(topic, name, value string) {
		_, err := c.admin.AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: name, Value: &value}}, topic)
		c.must(err)
	}
	set(narrow, "retention.ms", fmt.Sprint(day.Milliseconds()))
	set(narrow, "cleanup.policy", "compact")
	set(narrow, "max.message.bytes", "1000")
	o := options()
	o.Target = narrow
	plan, err := copier.New(c.client, c.client).Plan(t.Context(), o)
	c.must(err)
	if plan.Records != 6 || !plan.ByKey || len(plan.Partitions) != 3 {
		t.Errorf("%+v", plan)
	}
	for _, want := range []string{"has 3 partitions", "older than", "is compacted", "would end the copy"} {
		if !strings.Contains(strings.Join(plan.Warnings, "\n"), want) {
			t.Errorf("no warning says %q: %q", want, plan.Warnings)
		}
	}
	if again, _ := copier.New(c.client, c.client).Plan(t.Context(), o); again.Copied != 0 {
		t.Errorf("a plan changed something: %+v", again)
	}
}

func TestThePlanOfANewTarget(t *testing.T) {
	c := newCluster(t)
	c.put(record(0, "k", "1"), record(1, "k", "2"))
	o := options()
	o.Target = "test.auth-service.new.v1"
	plan, err := copier.New(c.client, c.client).PlanNew(t.Context(), o, events.NewTopic{Name: o.Target, Partitions: 2, Configs: map[string]string{"cleanup.policy": "compact"}})
	c.must(err)
	if !plan.Create || plan.Records != 2 || !plan.ByKey || plan.Target != o.Target || !strings.Contains(strings.Join(plan.Warnings, "\n"), "is compacted") {
		t.Errorf("%+v", plan)
	}
	if _, err := c.client.Topics(t.Context(), o.Target); err == nil {
		t.Error("a plan made its target")
	}
	o.Partitions = []int32{3}
	var noPartition *events.UnknownPartitionError
	if _, err := copier.New(c.client, c.client).PlanNew(t.Context(), o, events.NewTopic{Name: o.Target, Partitions: 3}); !errors.As(err, &noPartition) {
		t.Errorf("a partition that the source has not: %v", err)
	}
}

// TestTheSecondRunFencesTheFirst: the first follows the source when the second
// begins; nothing is copied twice.
func TestTheSecondRunFencesTheFirst(t *testing.T) {
	c := newCluster(t)
	following := options()
	following.Until = nil
	copied := make(chan struct{}, 1000)
	following.OnProgress = func(p copier.Progress) {
		if p.Copied > 0 {
			copied <- struct{}{}
		}
	}
	first := make(chan error, 1)
	go func() {
		_, err := copier.New(c.client, c.client).Run(t.Context(), following)
		first <- err
	}()
	c.put(record(0, "k", "1"))
	<-copied
	second := options()
	second.Until = nil
	taken := make(chan struct{}, 1000)
	second.OnProgress = func(copier.Progress) { taken <- struct{}{} }
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := copier.New(c.client, c.client).Run(ctx, second)
		done <- err
	}()
	<-taken // it has left its mark
	for i := range 20 {
		c.put(record(int32(i%3), "k", fmt.Sprint("more ", i)))
	}
	var fenced *copier.FencedError
	if err := <-first; !errors.As(err, &fenced) {
		t.Fatalf("the first ended with %v", err)
	}
	c.eventually(func() bool { return len(c.read(target)) >= 21 })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatalf("the second ended with %v", err)
	}
	if got, want := spell(c.read(target)), spell(c.read(source)); !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func (c *cluster) eventually(ask func() bool) {
	c.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for !ask() {
		select {
		case <-deadline:
			c.t.Fatal("it never came true")
		case <-tick.C:
		}
	}
}
