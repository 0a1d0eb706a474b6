package events

import (
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/pkg/events/internal/lent"
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
	// Rack is where the client is; brokers let it read from replicas there.
	Rack string
	// DialTimeout is how long a broker may take to accept a connection and to
	// answer the first request. Default [DefaultDialTimeout].
	DialTimeout time.Duration
	// RequestTimeout is how long a broker may take to answer, over what the
	// request itself lets it wait. Default 10 s.
	RequestTimeout time.Duration
	// IdleTimeout is after how long an unused connection is closed. Default 20 s.
	IdleTimeout time.Duration
	// Fetch bounds what a broker answers a reader with.
	Fetch Fetch
	// Conventions are the names to go by. Default [spec.Default].
	Conventions *spec.Conventions
}

// Fetch bounds the answers to a reader. Zero fields are the Kafka client's
// defaults, which do for most.
type Fetch struct {
	// MinBytes is what a broker waits for, at most MaxWait. Default 1 byte, 5 s.
	MinBytes int32
	MaxWait  time.Duration
	// MaxBytes bounds an answer, MaxPartitionBytes what it has of a partition.
	// Default 50 MiB and 1 MiB.
	MaxBytes          int32
	MaxPartitionBytes int32
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
		kgo.Dialer(c.dial()),
		kgo.MetadataMinAge(250 * time.Millisecond), // topics come and go while we look
		// The client's default, snappy, is not readable by the specification's
		// own consumer: kafka-python has no codec but gzip built in.
		kgo.ProducerBatchCompression(kgo.NoCompression()),
	}
	if c.SASL != nil {
		mechanism, err := c.SASL.mechanism()
		if err != nil {
			return nil, err
		}
		opts = append(opts, kgo.SASL(mechanism))
	}
	return append(opts, c.tuning()...), nil
}

// dial returns how connections are opened.
func (c Config) dial() lent.DialFunc {
	dialer := &net.Dialer{Timeout: c.DialTimeout}
	if c.TLS == nil {
		return dialer.DialContext
	}
	return (&tls.Dialer{NetDialer: dialer, Config: c.TLS.Clone()}).DialContext
}

// tuning returns the options of what was set.
func (c Config) tuning() []kgo.Opt {
	var opts []kgo.Opt
	for _, o := range []struct {
		set bool
		opt func() kgo.Opt
	}{
		{c.Rack != "", func() kgo.Opt { return kgo.Rack(c.Rack) }},
		{c.RequestTimeout > 0, func() kgo.Opt { return kgo.RequestTimeoutOverhead(c.RequestTimeout) }},
		{c.IdleTimeout > 0, func() kgo.Opt { return kgo.ConnIdleTimeout(c.IdleTimeout) }},
		{c.Fetch.MinBytes > 0, func() kgo.Opt { return kgo.FetchMinBytes(c.Fetch.MinBytes) }},
		{c.Fetch.MaxWait > 0, func() kgo.Opt { return kgo.FetchMaxWait(c.Fetch.MaxWait) }},
		{c.Fetch.MaxBytes > 0, func() kgo.Opt { return kgo.FetchMaxBytes(c.Fetch.MaxBytes) }},
		{c.Fetch.MaxPartitionBytes > 0, func() kgo.Opt { return kgo.FetchMaxPartitionBytes(c.Fetch.MaxPartitionBytes) }},
	} {
		if o.set {
			opts = append(opts, o.opt())
		}
	}
	return opts
}
