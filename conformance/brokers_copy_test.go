//go:build unix

package conformance

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/suokelife/suokectl/pkg/events"
)

// copiesThroughAKill kills the coordinator of a copy's transactions in the midst of it: the copy goes on, or is run
// again, and readers of what is committed see each record once.
func (w *brokersWorld) copiesThroughAKill() {
	const source, target, n = "test.source-service.thing-happened.v1", "test.target-service.thing-happened.v1", 40_000
	w.fill(source, n)
	w.create(target)
	cmd := w.command(w.ctx, "events", "copy", source, target)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	w.must(cmd.Start())
	var coordinator int32
	w.eventually("a transaction is open", func() bool {
		listed, err := w.admin.ListTransactions(w.ctx, nil, []string{"Ongoing"})
		w.must(err)
		for _, t := range listed {
			coordinator = t.Coordinator
		}
		return len(listed) > 0
	})
	ends, err := w.admin.ListCommittedOffsets(w.ctx, target)
	w.must(err)
	copied := int64(0)
	ends.Each(func(o kadm.ListedOffset) { copied += o.Offset })
	w.kafka.Node(coordinator).Kill()
	if copied >= n {
		w.t.Error("the copy was over already")
	}
	w.must(w.kafka.Node(coordinator).Restart())
	err = cmd.Wait()
	w.t.Logf("the copy, killed behind %d: %v: %s", copied, err, strings.Join(strings.Fields(said.String()), " "))
	if err != nil {
		w.t.Logf("again: %s", w.suokectl("events", "copy", source, target))
	}
	w.settle(target)
	now := events.End()
	var read filling
	_, err = w.client.Scan(w.ctx, events.ScanOptions{Topic: target, Until: &now}, read.take)
	w.must(err)
	if read.total() != n {
		w.t.Errorf("%d of %d were copied", read.total(), n)
	}
}
