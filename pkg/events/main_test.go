package events_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/suokelife/suokectl/internal/lab/kafka"
	"github.com/suokelife/suokectl/pkg/events"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cluster is a lab broker with a client.
type cluster struct {
	*testing.T
	ctx    context.Context
	addrs  []string
	client *events.Client
}

const patience = 30 * time.Second

func newCluster(t *testing.T, topics ...kafka.Topic) *cluster {
	t.Helper()
	server, err := kafka.Start(kafka.Options{Topics: topics})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	c := &cluster{T: t, ctx: ctx, addrs: server.Addrs()}
	c.client = c.connect(events.Config{Brokers: server.Addrs()})
	return c
}

func (c *cluster) connect(cfg events.Config) *events.Client {
	c.Helper()
	client, err := events.New(cfg)
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { _ = client.Close() })
	return client
}

func (c *cluster) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

func (c *cluster) producer(o events.ProducerOptions) *events.Producer {
	c.Helper()
	p, err := c.client.NewProducer(c.ctx, o)
	c.must(err)
	c.Cleanup(func() { _ = p.Close(context.Background()) })
	return p
}

// raw returns a Kafka client that writes anything anywhere.
func (c *cluster) raw(opts ...kgo.Opt) *kgo.Client {
	c.Helper()
	client, err := c.client.Open(c.ctx, append([]kgo.Opt{kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0)}, opts...)...)
	c.must(err)
	c.Cleanup(client.Close)
	return client
}

func (c *cluster) put(client *kgo.Client, records ...*kgo.Record) {
	c.Helper()
	c.must(client.ProduceSync(c.ctx, records...).FirstErr())
}

// read scans a topic to its end as it is now.
func (c *cluster) read(o events.ScanOptions) ([]*kgo.Record, events.ScanResult) {
	c.Helper()
	if o.Until == nil {
		end := events.End()
		o.Until = &end
	}
	var got []*kgo.Record
	result, err := c.client.Scan(c.ctx, o, func(r *kgo.Record) error {
		got = append(got, r)
		return nil
	})
	c.must(err)
	return got, result
}

const registered = "dev.auth-service.user-registered.v1"

func registeredTopics(partitions int32) []kafka.Topic {
	return []kafka.Topic{{Name: registered, Partitions: partitions}, {Name: registered + ".dlq", Partitions: partitions}}
}

// event is the text of a valid event.
func event(id string) []byte {
	return fmt.Appendf(nil, `{"meta":{"id":%q,"type":"user-registered","version":"1.0","source":"auth-service","time":"2026-01-31T12:00:00Z","correlation_id":"none"},"data":{"user_id":"u-1"}}`, id)
}

func eventually(ctx context.Context, t *testing.T, what string, ask func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ask() {
		select {
		case <-ctx.Done():
			t.Fatalf("never came true: %s", what)
		case <-tick.C:
		}
	}
}

func unique(prefix string) string { return fmt.Sprintf("%s-%08x", prefix, rand.Uint32()) }
