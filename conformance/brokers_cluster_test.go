//go:build unix

package conformance

import (
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/suokelife/suokectl/pkg/events"
)

// showsWhoIsDown kills the controller that is active: the program names the next one, who is missing, and what lacks
// copies and leaders for it. Topics can be changed meanwhile.
func (w *brokersWorld) showsWhoIsDown() {
	const topic, lone = "test.shown-service.thing-happened.v1", "test.lone-service.thing-happened.v1"
	w.create(topic)
	_, err := w.admin.CreateTopic(w.ctx, brokersPartitions, 1, nil, lone)
	w.must(err)
	w.settle(lone)
	controller := w.activeController()
	for range 5 { // a broker of KRaft tells any
		if cluster, err := w.client.Cluster(w.ctx); err != nil || cluster.Controller != controller {
			w.t.Errorf("the controller is %d: got %d, %v", controller, cluster.Controller, err)
		}
	}
	w.kill(controller, topic)
	alone := 0
	for _, p := range w.partitions(lone) {
		if p.Replicas[0] == controller {
			alone++
		}
	}

	var cluster events.Cluster
	w.eventually("the next controller is told", func() (ok bool) {
		cluster, ok = printed[events.Cluster](w, "events", "cluster")
		return ok && cluster.Controller >= 0 && cluster.Controller != controller
	})
	if next := w.activeController(); cluster.Controller != next {
		w.t.Errorf("the controller is %d: got %d", next, cluster.Controller)
	}
	missing := cluster.Brokers[controller-1]
	if cluster.Offline < alone || cluster.UnderReplicated < brokersPartitions+alone || len(cluster.Brokers) != 3 || missing.Problem != events.ErrNotInService.Error() || missing.Controller {
		w.t.Errorf("got %+v", cluster)
	}
	w.t.Log("\n" + w.suokectl("events", "cluster"))
	topics, ok := printed[[]events.TopicDescription](w, "events", "topics", "describe", topic, lone, "--window", "0")
	if !ok || len(topics) != 2 {
		w.t.Fatalf("got %+v", topics)
	}
	single, shown := topics[0], topics[1] // by name
	if shown.UnderReplicated != brokersPartitions || shown.Offline != 0 || single.Offline != alone || len(shown.Untold) != 1 || !strings.Contains(shown.Untold[0], "not in service") {
		w.t.Errorf("got %+v and %+v", shown, single)
	}
	for _, p := range single.Partitions {
		if (p.Leader < 0) != (p.Problem == events.ErrNoLeader.Error()) {
			w.t.Errorf("got %+v", p)
		}
	}
	w.suokectl("events", "topics", "alter", topic, "--partitions", "8", "--config", "min.insync.replicas=2")
	w.eventually("the topic is altered", func() bool { return len(w.partitions(topic)) == brokersPartitions+2 })

	w.restore(topic, controller)
	w.settle(lone)
	w.eventually("all is well", func() bool {
		cluster, ok := printed[events.Cluster](w, "events", "cluster")
		return ok && cluster.Offline == 0 && cluster.UnderReplicated == 0 &&
			!slices.ContainsFunc(cluster.Brokers, func(b events.Broker) bool { return b.Problem != "" })
	})
	w.suokectl("events", "topics", "delete", lone)
}

// activeController asks the quorum itself.
func (w *brokersWorld) activeController() int32 {
	w.t.Helper()
	topic := kmsg.NewDescribeQuorumRequestTopic()
	topic.Topic, topic.Partitions = "__cluster_metadata", []kmsg.DescribeQuorumRequestTopicPartition{kmsg.NewDescribeQuorumRequestTopicPartition()}
	req := kmsg.NewPtrDescribeQuorumRequest()
	req.Topics = append(req.Topics, topic)
	answer, err := req.RequestWith(w.ctx, w.raw)
	w.must(err)
	return answer.Topics[0].Partitions[0].LeaderID
}
