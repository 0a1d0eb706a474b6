//go:build unix

package conformance

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/pkg/events"
)

// producesThroughMoves: what is acknowledged is stored, nothing is stored twice, each key is in order.
func (w *brokersWorld) producesThroughMoves() {
	const topic, keys = "test.produced-service.thing-happened.v1", 12
	w.create(topic)
	producer, err := w.client.NewProducer(w.ctx, events.ProducerOptions{Linger: 2 * time.Millisecond, AckTimeout: 30 * time.Second})
	w.must(err)
	ctx, stop := context.WithCancel(w.ctx)
	var told sync.Mutex
	outcomes := map[string]error{}
	var writers sync.WaitGroup
	for k := range keys {
		writers.Go(func() {
			tick := time.NewTicker(3 * time.Millisecond)
			defer tick.Stop()
			key := fmt.Sprint("key-", k)
			for n := 0; ctx.Err() == nil; n++ {
				<-tick.C
				producer.Send(w.ctx, events.Record{Topic: topic, Key: []byte(key), Value: numbered(topic, key, n)}, func(_ events.Ack, err error) {
					told.Lock()
					defer told.Unlock()
					outcomes[fmt.Sprintf("%s/%d", key, n)] = err
				})
			}
		})
	}
	defer writers.Wait()
	defer stop()
	w.move(topic)
	w.move(topic)
	leader := w.partitions(topic)[0].Leader
	w.kill(leader, topic)
	w.restore(topic, leader)
	stop()
	writers.Wait()
	w.must(producer.Close(w.ctx))

	w.holdAgainst(w.ids(topic), outcomes)
}

// holdAgainst compares what is stored with what was told of each event.
func (w *brokersWorld) holdAgainst(ids []string, outcomes map[string]error) {
	w.t.Helper()
	next := map[string]int{}
	for _, id := range ids {
		key, n := numberOf(id)
		if n < next[key] {
			w.t.Errorf("%s is stored behind %d, or again", id, next[key]-1)
		}
		next[key] = n + 1
	}
	stores, tally := map[string]bool{}, map[string]int{}
	for _, id := range ids {
		stores[id] = true
	}
	for id, err := range outcomes {
		var unknown *events.UnknownOutcomeError
		switch {
		case err == nil && !stores[id]:
			tally["ACKNOWLEDGED AND NOT STORED"]++
		case err == nil:
			tally["acknowledged"]++
		case errors.As(err, &unknown):
			tally["UNKNOWN, although two brokers were always there"]++
		case stores[id]:
			tally["STORED, but said not to be"]++
		default:
			tally["NOT STORED, although two brokers were always there"]++
		}
	}
	w.t.Logf("%d sent, %d stored: %v", len(outcomes), len(ids), tally)
	if tally["acknowledged"] == 0 || len(tally) > 1 {
		w.t.Errorf("told: %v", tally)
	}
}

// ids are those of the events of a topic, each partition in its order.
func (w *brokersWorld) ids(topic string) (ids []string) {
	w.t.Helper()
	now := events.End()
	_, err := w.client.Scan(w.ctx, events.ScanOptions{Topic: topic, Until: &now}, func(r *kgo.Record) error {
		ids = append(ids, idOf(w.t, r.Value))
		return nil
	})
	w.must(err)
	return ids
}
