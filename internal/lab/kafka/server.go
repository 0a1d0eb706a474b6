package kafka

import (
	"crypto/tls"
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
	// TLS secures the listener; nil is plaintext.
	TLS *tls.Config
	// Users must authenticate by SASL; none means that nobody has to. Where one
	// has ACLs, what is not allowed to it is denied.
	Users []User
}

// User is who may authenticate.
type User struct {
	// Mechanism is PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
	Mechanism, Name, Password string
	// ACLs are what is allowed to the user; nil is everything.
	ACLs []kfake.ACL
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
	opts = append(opts, o.security()...)
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		return nil, fmt.Errorf("lab kafka: listen on 127.0.0.1:%d: %w", o.Port, err)
	}
	beStrict(cluster)
	answerForUnknownGroups(cluster)
	describeNextGroups(cluster)
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

func (o Options) security() []kfake.Opt {
	var opts []kfake.Opt
	if o.TLS != nil {
		opts = append(opts, kfake.TLS(o.TLS))
	}
	if len(o.Users) > 0 {
		opts = append(opts, kfake.EnableSASL())
	}
	for _, u := range o.Users {
		if u.ACLs == nil {
			opts = append(opts, kfake.Superuser(u.Mechanism, u.Name, u.Password))
			continue
		}
		opts = append(opts, kfake.EnableACLs(), kfake.User(u.Mechanism, u.Name, u.Password, u.ACLs...))
	}
	return opts
}
