//go:build unix

package conformance

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/suokelife/suokectl/pkg/events"
)

// consumesThroughMoves: every event is handled, and none before an earlier one of its key; the group goes on at another
// coordinator, and its description says at which.
func (w *brokersWorld) consumesThroughMoves() {
	const topic, group, keys, members = "test.consumed-service.thing-happened.v1", "brokers", 12, 2
	w.create(topic)
	w.create(topic + ".dlq")
	book := &keyBook{next: map[string]int{}}
	ctx, leave := context.WithCancel(w.ctx)
	ended := make(chan error, members)
	for range members {
		var consumer *events.Consumer
		w.eventually("the topics are there", func() (ok bool) { // a broker learns of them a little after they were made
			var err error
			consumer, err = w.client.NewConsumer(w.ctx, group, []string{topic}, events.WithHandler("thing-happened", book.handle), events.WithCommitInterval(500*time.Millisecond))
			return err == nil
		})
		go func() { ended <- consumer.Run(ctx) }()
	}
	producer, err := w.client.NewProducer(w.ctx, events.ProducerOptions{AckTimeout: 30 * time.Second})
	w.must(err)
	work, stop := context.WithCancel(w.ctx)
	sent := 0
	var lost atomic.Pointer[error]
	var producing sync.WaitGroup
	producing.Go(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for ; work.Err() == nil; sent++ {
			<-tick.C
			key := fmt.Sprint("key-", sent%keys)
			producer.Send(w.ctx, events.Record{Topic: topic, Key: []byte(key), Value: numbered(topic, key, sent/keys)}, func(_ events.Ack, err error) {
				if err != nil {
					lost.Store(&err)
				}
			})
		}
	})
	defer producing.Wait()
	defer stop()
	w.eventually("all of the members handle events", func() bool { return w.described(group).stable(members) })
	w.move(topic)
	coordinator := w.described(group).Coordinator
	leads := 0
	for _, p := range w.partitions(topic) {
		if p.Leader == coordinator {
			leads++
		}
	}
	if leads == 0 {
		w.t.Error("the coordinator leads no partition: its end is half an end")
	}
	w.kill(coordinator, topic)
	w.eventually("the group is at another coordinator", func() bool {
		now := w.described(group)
		return now.Coordinator != coordinator && now.stable(members)
	})
	handled := book.count()
	w.eventually("it goes on", func() bool { return book.count() > handled })
	w.restore(topic, coordinator)
	stop()
	producing.Wait()
	w.must(producer.Close(w.ctx))
	if err := lost.Load(); err != nil {
		w.t.Fatalf("not all is produced: %v", *err)
	}
	w.eventually("all is handled and committed", func() bool { return book.count() == sent && w.described(group).Lag == 0 })
	leave()
	for range members {
		w.must(<-ended)
	}
	if book.unordered > 0 {
		w.t.Errorf("%d events were handled before an earlier one of their key", book.unordered)
	}
	w.t.Logf("%d events handled, %d of them again; coordinator %d, then %d", sent, book.again, coordinator, w.described(group).Coordinator)
}

// keyBook notes how far each key has come.
type keyBook struct {
	mu               sync.Mutex
	next             map[string]int
	unordered, again int
}

func (b *keyBook) handle(_ context.Context, d events.Delivery) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	key, n := numberOf(d.Meta.ID)
	switch {
	case n > b.next[key]:
		b.unordered++
	case n < b.next[key]:
		b.again++
		return nil
	}
	b.next[key] = n + 1
	return nil
}

// count is how many events were handled at least once.
func (b *keyBook) count() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, next := range b.next {
		n += next
	}
	return n
}

// groupShown is what the program says of a group.
type groupShown struct {
	events.Group
	described bool
}

// stable reports that the group has its members, and lag is known of all that they read.
func (g groupShown) stable(members int) bool {
	if !g.described || g.State != "Stable" || len(g.Members) != members || len(g.Partitions) != brokersPartitions {
		return false
	}
	for _, p := range g.Partitions {
		if p.Lag < 0 || p.Member == "" {
			return false
		}
	}
	return true
}

// described runs groups describe, which fails while a broker is dead and still listed.
func (w *brokersWorld) described(group string) groupShown {
	w.t.Helper()
	groups, ok := printed[[]events.Group](w, "events", "groups", "describe", group, "--window", "0")
	if !ok || len(groups) != 1 {
		return groupShown{}
	}
	return groupShown{groups[0], true}
}
