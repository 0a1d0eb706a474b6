package kafka

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kfake"
)

// Topic is a topic that exists from the start.
type Topic struct {
	Name       string
	Partitions int32 // 1 when zero
}

// Options describes a broker to start.
type Options struct {
	// Port is the loopback port to listen on; a free one when zero.
	Port int
	// Topics exist from the start.
	Topics []Topic
}

// Server is a running broker.
type Server struct {
	cluster *kfake.Cluster
}

// Start starts a broker on 127.0.0.1. It answers requests when Start returns.
// The error names the port when it is taken.
func Start(o Options) (*Server, error) {
	opts := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.ClusterID("suokectl-lab"),
		kfake.DefaultNumPartitions(1),
		kfake.BrokerConfigs(map[string]string{"log.cleaner.backoff.ms": "500"}),
	}
	if o.Port != 0 {
		opts = append(opts, kfake.Ports(o.Port))
	}
	for _, t := range o.Topics {
		if err := checkName(t.Name); err != nil {
			return nil, fmt.Errorf("lab kafka: topic %q: %w", t.Name, errors.New(err.Description))
		}
		opts = append(opts, kfake.SeedTopics(max(t.Partitions, 1), t.Name))
	}
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		return nil, fmt.Errorf("lab kafka: listen on 127.0.0.1:%d: %w", o.Port, err)
	}
	beStrict(cluster)
	answerForUnknownGroups(cluster)
	nameAssignedTopics(cluster)
	return &Server{cluster: cluster}, nil
}

// Addrs returns the host:port of each broker.
func (s *Server) Addrs() []string { return s.cluster.ListenAddrs() }

// Close stops the broker, drops its connections and waits for its goroutines.
// It returns nil; the error is there for io.Closer.
func (s *Server) Close() error {
	s.cluster.Close()
	return nil
}
