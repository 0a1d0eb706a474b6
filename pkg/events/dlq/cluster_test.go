package dlq_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/suokelife/suokectl/internal/lab/kafka"
	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/events/dlq"
	"github.com/suokelife/suokectl/pkg/spec"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	origin  = "dev.auth-service.user-registered.v1"
	letters = origin + ".dlq"
)

// world is a broker with the origin and its dead-letter topic, three partitions each.
type world struct {
	t     testing.TB
	addrs []string
	raw   *kgo.Client // produces and administers without the package under test
	admin *kadm.Client
	dlq   *dlq.Client
}

func newWorld(t testing.TB) *world {
	t.Helper()
	server, err := kafka.Start(kafka.Options{Topics: []kafka.Topic{{Name: origin, Partitions: 3}, {Name: letters, Partitions: 3}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return connect(t, server.Addrs())
}

func connect(t testing.TB, addrs []string) *world {
	t.Helper()
	w := &world{t: t, addrs: addrs}
	var err error
	w.raw, err = kgo.NewClient(kgo.SeedBrokers(w.addrs...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.raw.Close)
	w.admin = kadm.NewClient(w.raw)
	w.dlq = w.open()
	return w
}

// open is one more run's client.
func (w *world) open() *dlq.Client {
	w.t.Helper()
	client, err := events.New(events.Config{Brokers: w.addrs})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = client.Close() })
	c, err := dlq.Open(context.Background(), client)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) produce(records ...*kgo.Record) {
	w.t.Helper()
	if err := w.raw.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
		w.t.Fatal(err)
	}
}

// event is a valid event with its number in it.
func event(n int) []byte {
	value, err := spec.Default().BuildEvent(spec.Meta{ID: fmt.Sprintf("id-%d", n), Type: "user-registered", Source: "auth-service"},
		fmt.Appendf(nil, `{"n": %d, "note":  "spaces stay"}`, n))
	if err != nil {
		panic(err)
	}
	return value
}

// letter is what our consumer writes for an event that failed.
func letter(partition int32, offset int64, key string, value []byte, reason string, more ...kgo.RecordHeader) *kgo.Record {
	out, place := spec.Default().AddDeadLetter(value, spec.DeadLetter{Error: reason, OriginalTopic: origin, Time: time.Now()})
	headers := append(more[:len(more):len(more)],
		header(spec.HeaderDLQError, reason), header(spec.HeaderDLQOriginalTopic, origin),
		header(spec.HeaderDLQOriginalPartition, strconv.Itoa(int(partition))),
		header(spec.HeaderDLQOriginalOffset, strconv.FormatInt(offset, 10)),
		header(spec.HeaderDLQAttempts, "3"), header(spec.HeaderDLQPlace, place))
	return &kgo.Record{Topic: letters, Partition: partition, Key: []byte(key), Value: out, Headers: headers}
}

func header(key, value string) kgo.RecordHeader {
	return kgo.RecordHeader{Key: key, Value: []byte(value)}
}

// read returns what read_committed readers see of a topic.
func (w *world) read(topic string) []*kgo.Record {
	w.t.Helper()
	client, err := events.New(events.Config{Brokers: w.addrs})
	if err != nil {
		w.t.Fatal(err)
	}
	defer client.Close()
	var out []*kgo.Record
	now := events.End()
	_, err = client.Scan(context.Background(), events.ScanOptions{Topic: topic, Until: &now}, func(r *kgo.Record) error {
		out = append(out, r)
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func kadmOffset(topic string, partition int32, at int64) kadm.Offsets {
	o := kadm.Offsets{}
	o.AddOffset(topic, partition, at, -1)
	return o
}
