// Package kafka is the contract between suokectl and a Kafka broker: what
// pkg/events counts on, as subtests. The lab passes it in the hermetic tests
// and Apache Kafka in the conformance tests, so that what is shown on the lab
// is true of the real engine.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// patience bounds one case; a real broker under load may need seconds.
const patience = time.Minute

// Run runs every case against the brokers. Each case makes its own topics,
// groups and transactional ids, so that a long-lived cluster can be used.
func Run(t *testing.T, brokers []string) {
	t.Helper()
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			b := &bench{T: t, ctx: ctx, brokers: brokers}
			b.client = b.connect()
			b.admin = kadm.NewClient(b.client)
			c.run(b)
		})
	}
}

// contractCase is one promise of a broker.
type contractCase struct {
	name string
	run  func(b *bench)
}

func cases() []contractCase {
	var all []contractCase
	for _, part := range [][]contractCase{topicCases(), recordCases(), boundCases(), fetchCases(), groupCases(), transactionCases(), adminCases()} {
		all = append(all, part...)
	}
	return all
}

// bench is what one case works with.
type bench struct {
	*testing.T
	ctx     context.Context
	brokers []string
	access  []kgo.Opt // TLS and SASL, if any
	client  *kgo.Client
	admin   *kadm.Client
}

// connect opens a client that is closed when the case ends.
func (b *bench) connect(opts ...kgo.Opt) *kgo.Client {
	b.Helper()
	client, err := kgo.NewClient(append(append([]kgo.Opt{
		kgo.SeedBrokers(b.brokers...),
		kgo.ProducerLinger(0),
		kgo.MetadataMinAge(50 * time.Millisecond),
		kgo.FetchMaxWait(100 * time.Millisecond),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
	}, b.access...), opts...)...)
	b.must(err)
	b.Cleanup(client.Close)
	return client
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// refused asserts that err is the broker's error want.
func (b *bench) refused(err, want error) {
	b.Helper()
	if !errors.Is(err, want) {
		b.Fatalf("got error %v, want %v", err, want)
	}
}

func equal[T comparable](b *bench, what string, got, want T) {
	b.Helper()
	if got != want {
		b.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// name makes a name that no other run uses.
func (b *bench) name(prefix string) string {
	return fmt.Sprintf("contract-%s-%08x", prefix, rand.Uint32())
}

// topic creates a topic, to be deleted when the case ends, and waits until it
// can be used; configs are alternating names and values.
func (b *bench) topic(partitions int32, configs ...string) string {
	b.Helper()
	name := b.name("topic")
	values := make(map[string]*string)
	for i := 0; i < len(configs); i += 2 {
		values[configs[i]] = &configs[i+1]
	}
	_, err := b.admin.CreateTopic(b.ctx, partitions, 1, values, name)
	b.must(err)
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_, _ = kadm.NewClient(b.connect()).DeleteTopic(ctx, name) // some cases delete it themselves
	})
	b.eventually("topic "+name+" has leaders", func() bool {
		offsets, err := b.admin.ListEndOffsets(b.ctx, name)
		return err == nil && offsets.Error() == nil && len(offsets[name]) == int(partitions)
	})
	return name
}

// eventually asks until the answer is yes or the case's time is over.
func (b *bench) eventually(what string, ask func() bool) {
	b.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ask() {
		select {
		case <-b.ctx.Done():
			b.Fatalf("never came true: %s", what)
		case <-tick.C:
		}
	}
}

// produce writes records with the plain client and returns what was stored.
func (b *bench) produce(records ...*kgo.Record) []*kgo.Record {
	b.Helper()
	results := b.client.ProduceSync(b.ctx, records...)
	b.must(results.FirstErr())
	for i, r := range results {
		records[i] = r.Record
	}
	return records
}

// values makes one record a value for partition 0.
func values(topic string, texts ...string) []*kgo.Record {
	var records []*kgo.Record
	for _, text := range texts {
		records = append(records, &kgo.Record{Topic: topic, Value: []byte(text)})
	}
	return records
}

// read returns n records of partition 0, from an offset on, with control
// records among them when the options ask for it.
func (b *bench) read(topic string, from kgo.Offset, n int, opts ...kgo.Opt) []*kgo.Record {
	b.Helper()
	client := b.connect(append(opts,
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: from}}))...)
	var got []*kgo.Record
	for len(got) < n {
		fetches := client.PollFetches(b.ctx)
		b.must(fetches.Err())
		got = append(got, fetches.Records()...)
	}
	return got
}

// texts returns the values of records.
func texts(records []*kgo.Record) string {
	var all []string
	for _, r := range records {
		all = append(all, string(r.Value))
	}
	return fmt.Sprint(all)
}

func start() kgo.Offset { return kgo.NewOffset().AtStart() }

func at(offset int64) kgo.Offset { return kgo.NewOffset().At(offset) }
