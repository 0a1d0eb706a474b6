package events

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/suokelife/suokectl/pkg/spec"
)

// DefaultDialTimeout is how long a broker may take to answer at first.
const DefaultDialTimeout = 5 * time.Second

// Config says how a Kafka cluster is reached. The zero value lacks brokers.
type Config struct {
	// Brokers are the host:port of some of the cluster's brokers; the others
	// are found through them.
	Brokers []string
	// TLS secures the connections; nil means plaintext.
	TLS *tls.Config
	// SASL authenticates the connections; nil means not at all.
	SASL *SASL
	// ClientID is what brokers log and apply quotas to. Default "suokectl".
	ClientID string
	// DialTimeout is how long a broker may take to accept a connection and to
	// answer the first request. Default [DefaultDialTimeout].
	DialTimeout time.Duration
	// Conventions are the names to go by. Default [spec.Default].
	Conventions *spec.Conventions
}

// SASL holds the credentials of a connection.
type SASL struct {
	// Mechanism is PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
	Mechanism string
	Username  string
	Password  string
}

// ErrNoBrokers is returned by [New] for a configuration without brokers.
var ErrNoBrokers = errors.New("no Kafka brokers are configured")

func (c Config) withDefaults() Config {
	if c.ClientID == "" {
		c.ClientID = "suokectl"
	}
	if c.DialTimeout == 0 {
		c.DialTimeout = DefaultDialTimeout
	}
	if c.Conventions == nil {
		conventions := spec.Default()
		c.Conventions = &conventions
	}
	return c
}

// options returns what all connections to the cluster have in common.
func (c Config) options() ([]kgo.Opt, error) {
	if len(c.Brokers) == 0 {
		return nil, ErrNoBrokers
	}
	opts := []kgo.Opt{
		kgo.SeedBrokers(c.Brokers...),
		kgo.ClientID(c.ClientID),
		kgo.DialTimeout(c.DialTimeout),
		kgo.MetadataMinAge(250 * time.Millisecond), // topics come and go while we look
		// The client's default, snappy, is not readable by the specification's
		// own consumer: kafka-python has no codec but gzip built in.
		kgo.ProducerBatchCompression(kgo.NoCompression()),
	}
	if c.TLS != nil {
		opts = append(opts, kgo.DialTLSConfig(c.TLS.Clone()))
	}
	if c.SASL != nil {
		mechanism, err := c.SASL.mechanism()
		if err != nil {
			return nil, err
		}
		opts = append(opts, kgo.SASL(mechanism))
	}
	return opts, nil
}

func (s *SASL) mechanism() (sasl.Mechanism, error) {
	switch strings.ToUpper(s.Mechanism) {
	case "PLAIN":
		return plain.Auth{User: s.Username, Pass: s.Password}.AsMechanism(), nil
	case "SCRAM-SHA-256":
		return scram.Auth{User: s.Username, Pass: s.Password}.AsSha256Mechanism(), nil
	case "SCRAM-SHA-512":
		return scram.Auth{User: s.Username, Pass: s.Password}.AsSha512Mechanism(), nil
	}
	return nil, fmt.Errorf("SASL mechanism %q is unknown: use PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512", s.Mechanism)
}
