//go:build unix

package conformance

import (
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/pkg/events"
)

// scansThroughMoves: a bounded read ends, with each record once and each partition in order.
func (w *brokersWorld) scansThroughMoves() {
	const topic, n = "test.scanned-service.thing-happened.v1", 40_000
	w.fill(topic, n)
	now := events.End()
	var read filling
	var killed int32
	result, err := w.client.Scan(w.ctx, events.ScanOptions{Topic: topic, Until: &now}, func(r *kgo.Record) error {
		if err := read.take(r); err != nil {
			return err
		}
		switch read.total() {
		case n / 8, n / 4:
			w.move(topic)
		case n / 2:
			killed = w.partitions(topic)[r.Partition].Leader
			w.kafka.Node(killed).Kill() // it is read on while others take over
		}
		return nil
	})
	w.must(err)
	if read.total() != n || result.Records != n {
		w.t.Errorf("read %d of %d: %+v", read.total(), n, result)
	}
	w.restore(topic, killed)
}
