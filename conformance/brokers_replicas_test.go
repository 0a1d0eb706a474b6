//go:build unix

package conformance

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/events/spool"
)

// producesWithoutReplicas has one of three brokers down where three copies are wanted: an event is refused, and that is
// said. With two down where two are wanted the last one may have it: nobody may be told that it is stored, nor that it is
// not. Once they are back, the spool sends the same event.
func (w *brokersWorld) producesWithoutReplicas() {
	const topic, strict, sent = "test.replicated-service.thing-happened.v1", "test.strict-service.thing-happened.v1", 5
	w.create(topic, "min.insync.replicas", "2")
	w.create(strict, "min.insync.replicas", "3")
	partition := w.partitions(topic)[0]
	down := slices.DeleteFunc(slices.Clone(partition.Replicas), func(id int32) bool { return id == partition.Leader })
	plain, err := w.client.NewProducer(w.ctx, events.ProducerOptions{AckTimeout: 2 * time.Second})
	w.must(err)
	w.kill(down[0], strict)
	_, refused := plain.Produce(w.ctx, w.replicated(strict, w.partitions(strict)[0].Partition, "refused", 0))
	if !errors.Is(refused, events.ErrNotSent) {
		w.t.Errorf("with two of three copies in sync: %v", refused)
	}
	w.kafka.Node(down[1]).Kill() // from now on nobody notices who is down

	kept, err := spool.Open(w.t.TempDir(), spool.Options{})
	w.must(err)
	patient, err := w.client.NewProducer(w.ctx, events.ProducerOptions{Spool: kept, AckTimeout: 2 * time.Second})
	w.must(err)
	for n := range sent {
		_, err := patient.Produce(w.ctx, w.replicated(topic, partition.Partition, "spooled", n))
		var unknown *events.UnknownOutcomeError
		var behind *events.NotSentError
		switch {
		case n == 0 && (!errors.As(err, &unknown) || unknown.Spool == ""):
			w.t.Errorf("the first: %v", err)
		case n > 0 && (!errors.As(err, &behind) || behind.Spool == "" || !errors.Is(err, events.ErrBehind)):
			w.t.Errorf("one behind it: %v", err)
		}
	}
	if entries := kept.List(); len(entries) != sent || entries[0].State != spool.MaybeStored {
		w.t.Errorf("in the spool: %+v", entries)
	}
	_, lost := plain.Produce(w.ctx, w.replicated(topic, partition.Partition, "handed-back", 0))
	if lost == nil {
		w.t.Error("acknowledged by one copy, where two are wanted")
	}
	w.t.Logf("one copy missing: %v; two, with no spool: %v", refused, lost)

	w.restore(topic, down...)
	drained, err := patient.Drain(w.ctx)
	w.must(err)
	w.must(patient.Close(w.ctx))
	w.must(plain.Close(w.ctx))
	if drained.Left != 0 {
		w.t.Errorf("drained: %+v", drained)
	}
	if ids := w.ids(strict); len(ids) > 0 {
		w.t.Errorf("stored %v: %v", ids, refused)
	}
	var spooled []string
	for _, id := range w.ids(topic) {
		key, _ := numberOf(id)
		if key == "spooled" {
			spooled = append(spooled, id)
		} else if errors.Is(lost, events.ErrNotSent) {
			w.t.Errorf("%s is stored: %v", id, lost)
		}
	}
	var want []string
	for n := range sent {
		want = append(want, fmt.Sprint("spooled/", n))
	}
	if !slices.Equal(spooled, want) { // one producer's repetitions are known to the broker
		w.t.Errorf("stored %v, want %v", spooled, want)
	}
}

func (w *brokersWorld) replicated(topic string, partition int32, key string, n int) events.Record {
	return events.Record{Topic: topic, Partition: &partition, Key: []byte(key), Value: numbered(topic, key, n)}
}
