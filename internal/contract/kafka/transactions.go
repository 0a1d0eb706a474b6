package kafka

import (
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func transactionCases() []contractCase {
	return []contractCase{
		{"transaction/commit is seen by read_committed", commitIsSeen},
		{"transaction/abort is hidden from read_committed only", abortIsHidden},
		{"transaction/open one holds back the stable end", openHoldsBack},
		{"transaction/the log ends in a control record", endsInControl},
		{"transaction/an aborted tail ends in a control record", abortedTail},
		{"transaction/a new run fences the old one", newRunFences},
		{"transaction/fencing aborts what was left open", fencingAborts},
		{"transaction/a timeout aborts", timeoutAborts},
		{"transaction/consumed offsets are committed with it", offsetsInTransaction},
		{"transaction/an idempotent retry is stored once", retryIsStoredOnce},
	}
}

func (b *bench) transactor(id string, opts ...kgo.Opt) *kgo.Client {
	b.Helper()
	return b.connect(append([]kgo.Opt{kgo.TransactionalID(id), kgo.TransactionTimeout(30 * time.Second)}, opts...)...)
}

// begin opens a transaction and writes values to partition 0 in it.
func (b *bench) begin(client *kgo.Client, topic string, values_ ...string) {
	b.Helper()
	b.must(client.BeginTransaction())
	b.must(client.ProduceSync(b.ctx, values(topic, values_...)...).FirstErr())
}

// end waits before it ends the transaction, as internal/lab/kafka explains: a
// commit could be an abort otherwise.
func (b *bench) end(client *kgo.Client, how kgo.TransactionEndTry) {
	b.Helper()
	b.must(client.AbortBufferedRecords(b.ctx))
	b.must(client.EndTransaction(b.ctx, how))
}

func committed() kgo.Opt { return kgo.FetchIsolationLevel(kgo.ReadCommitted()) }

func commitIsSeen(b *bench) {
	topic, client := b.topic(1), b.transactor(b.name("tx"))
	b.begin(client, topic, "a", "b")
	b.end(client, kgo.TryCommit)
	equal(b, "committed", texts(b.read(topic, start(), 2, committed())), "[a b]")
}

func abortIsHidden(b *bench) {
	topic, client := b.topic(1), b.transactor(b.name("tx"))
	b.begin(client, topic, "aborted")
	b.end(client, kgo.TryAbort)
	b.begin(client, topic, "kept")
	b.end(client, kgo.TryCommit)
	equal(b, "read committed", texts(b.read(topic, start(), 1, committed())), "[kept]")
	equal(b, "read uncommitted", texts(b.read(topic, start(), 2)), "[aborted kept]")
}

func openHoldsBack(b *bench) {
	topic, client := b.topic(1), b.transactor(b.name("tx"))
	b.produce(values(topic, "before")...)
	b.begin(client, topic, "open")
	b.produce(values(topic, "after")...)
	b.wantEnds(topic, 0, 1, 3)
	b.end(client, kgo.TryCommit)
	b.wantEnds(topic, 0, 4, 4)
}

func endsInControl(b *bench) {
	topic, client := b.topic(1), b.transactor(b.name("tx"))
	b.begin(client, topic, "a")
	b.end(client, kgo.TryCommit)
	b.wantEnds(topic, 0, 2, 2)
	got := b.read(topic, start(), 2, committed(), kgo.KeepControlRecords())
	equal(b, "first is control", got[0].Attrs.IsControl(), false)
	equal(b, "last is control", got[1].Attrs.IsControl(), true)
}

func abortedTail(b *bench) {
	topic, client := b.topic(1), b.transactor(b.name("tx"))
	b.produce(values(topic, "kept")...)
	b.begin(client, topic, "x", "y")
	b.end(client, kgo.TryAbort)
	b.wantEnds(topic, 0, 4, 4)
	got := b.read(topic, start(), 2, committed(), kgo.KeepControlRecords())
	equal(b, "last offset", got[len(got)-1].Offset, 3)
	equal(b, "last is control", got[len(got)-1].Attrs.IsControl(), true)
}

func isFenced(err error) bool {
	return errors.Is(err, kerr.InvalidProducerEpoch) || errors.Is(err, kerr.ProducerFenced)
}

func newRunFences(b *bench) {
	topic, id := b.topic(1), b.name("tx")
	old := b.transactor(id)
	b.begin(old, topic, "a")
	_, _, err := b.transactor(id).ProducerID(b.ctx)
	b.must(err)
	err = old.ProduceSync(b.ctx, values(topic, "b")...).FirstErr()
	if !isFenced(err) {
		b.Fatalf("the old run's produce: got %v, want INVALID_PRODUCER_EPOCH or PRODUCER_FENCED", err)
	}
}

func fencingAborts(b *bench) {
	topic, id := b.topic(1), b.name("tx")
	b.begin(b.transactor(id), topic, "left open")
	b.wantEnds(topic, 0, 0, 1)
	fresh := b.transactor(id)
	_, _, err := fresh.ProducerID(b.ctx)
	b.must(err)
	b.wantEnds(topic, 0, 2, 2)
	b.begin(fresh, topic, "new run")
	b.end(fresh, kgo.TryCommit)
	equal(b, "read committed", texts(b.read(topic, start(), 1, committed())), "[new run]")
}

func timeoutAborts(b *bench) {
	topic := b.topic(1)
	b.begin(b.transactor(b.name("tx"), kgo.TransactionTimeout(time.Second)), topic, "slow")
	b.wantEnds(topic, 0, 2, 2) // a record and the broker's abort marker
}

func offsetsInTransaction(b *bench) {
	source, target, group, id := b.topic(1), b.topic(1), b.name("group"), b.name("tx")
	b.produce(values(source, "a", "b")...)
	session, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(b.brokers...), kgo.TransactionalID(id),
		kgo.ConsumerGroup(group), kgo.ConsumeTopics(source), kgo.ConsumeResetOffset(start()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	b.must(err)
	defer session.Close()
	fetches := session.PollRecords(b.ctx, 2)
	b.must(fetches.Err())
	b.must(session.Begin())
	for _, r := range fetches.Records() {
		session.Produce(b.ctx, &kgo.Record{Topic: target, Value: r.Value}, nil)
	}
	done, err := session.End(b.ctx, kgo.TryCommit)
	b.must(err)
	equal(b, "committed", done, true)
	b.eventually("the group's offset is committed", func() bool {
		offsets, err := b.admin.FetchOffsets(b.ctx, group)
		b.must(err)
		return offsets[source][0].At == int64(fetches.NumRecords())
	})
	b.read(target, start(), fetches.NumRecords(), committed())
}
