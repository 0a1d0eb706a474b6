//go:build unix

package testenv

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// clusterLines let a broker that is gone be noticed in seconds.
const clusterLines = `broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
`

// KafkaCluster is three brokers, each of which is a controller too: with one of
// them gone the cluster works on, with two it has no controller. Kafka's own
// topics have a copy on each.
type KafkaCluster struct {
	Brokers []string       // bootstrap addresses of all, host:port
	Nodes   []*KafkaServer // their ids are 1, 2 and 3
}

// Node is the broker of an id.
func (c *KafkaCluster) Node(id int32) *KafkaServer { return c.Nodes[id-1] }

// KafkaBrokers starts a cluster that lives as long as the test.
func KafkaBrokers(t testing.TB) *KafkaCluster {
	t.Helper()
	home, err := installKafka()
	if err != nil {
		t.Fatal(err)
	}
	cluster := &KafkaCluster{}
	controllers, ports := quorum{freePort(), freePort(), freePort()}, quorum{freePort(), freePort(), freePort()}
	for i, port := range ports {
		node := newKafka(home, filepath.Join(t.TempDir(), fmt.Sprint("node-", i+1)), i+1, port)
		node.jvm = []string{"-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"} // quick to start, three at a time
		cluster.Nodes = append(cluster.Nodes, node)
		cluster.Brokers = append(cluster.Brokers, node.Brokers...)
	}
	var starting sync.WaitGroup
	errs := make([]error, len(cluster.Nodes))
	for i, node := range cluster.Nodes {
		starting.Go(func() { errs[i] = node.found(controllers, ports[i]) })
	}
	starting.Wait()
	for i, node := range cluster.Nodes {
		if node.proc != nil {
			tie(t, node.Kill, node.Log) // those that shut down in order wait for a quorum
		}
		if errs[i] != nil {
			t.Error(errs[i])
		}
	}
	if t.Failed() {
		t.FailNow()
	}
	return cluster
}

// found makes a node of a new cluster, and starts it.
func (s *KafkaServer) found(controllers quorum, port int) error {
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return err
	}
	if err := s.format(controllers, port, nil, clusterLines); err != nil {
		return fmt.Errorf("start kafka %d: %w", s.id, err)
	}
	return s.start()
}
