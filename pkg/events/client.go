package events

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/pkg/events/internal/lent"
	"github.com/suokelife/suokectl/pkg/spec"
)

// Client is access to one Kafka cluster. It may be used by several goroutines.
type Client struct {
	cfg   Config
	kafka *kgo.Client // asks for metadata, and for the records of scans
	admin *kadm.Client
	lent  *lent.Memory // where those lie

	mu        sync.Mutex
	connected bool
}

// New returns a client and dials nothing. The error says what is wrong with
// the configuration; [ErrNoBrokers] is one of those.
func New(cfg Config) (*Client, error) {
	cfg = cfg.withDefaults()
	c := &Client{cfg: cfg, lent: lent.NewMemory()}
	var err error
	if c.kafka, err = c.openForScans(); err != nil {
		return nil, err
	}
	c.admin = kadm.NewClient(c.kafka)
	return c, nil
}

// Close drops the connections. It returns nil; the error is there for
// io.Closer. What was opened from the client is closed on its own.
func (c *Client) Close() error {
	c.kafka.Close()
	return nil
}

// Conventions returns the names that the client goes by.
func (c *Client) Conventions() spec.Conventions { return *c.cfg.Conventions }

// Ping asks a broker for a sign of life, once in the life of a client that got
// one; every method that needs the cluster calls it first. The error is a
// [*ConnectError], and comes at once when no broker accepts a connection, at
// the latest after the dial timeout.
func (c *Client) Ping(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.connected {
		return nil
	}
	if err := c.ping(ctx); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("connect to Kafka at %s: %w", strings.Join(c.cfg.Brokers, ", "), context.Cause(ctx))
		}
		return newConnectError(c.cfg, err)
	}
	c.connected = true
	return nil
}

// ping uses a client of its own, which it closes when the time is over: a
// broker that accepts a connection and says nothing would otherwise be waited
// for as long as a request may take.
func (c *Client) ping(ctx context.Context) error {
	opts, err := c.cfg.options()
	if err != nil {
		return err
	}
	kafka, err := kgo.NewClient(opts...)
	if err != nil {
		return err
	}
	defer kafka.Close()
	ctx, cancel := context.WithTimeout(ctx, c.cfg.DialTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, kafka.Close)
	defer stop()
	if err := kafka.Ping(ctx); err != nil {
		return firstOf(ctx.Err(), err)
	}
	return nil
}

// firstOf returns the reason of an error where there is one.
func firstOf(reason, err error) error {
	if reason != nil {
		return reason
	}
	return err
}

// Admin returns a client for administrative requests, after a [Client.Ping].
// It is closed with the client.
func (c *Client) Admin(ctx context.Context) (*kadm.Client, error) {
	if err := c.Ping(ctx); err != nil {
		return nil, err
	}
	return c.admin, nil
}

// Open returns a new Kafka client with the connection settings of c and opts,
// after a [Client.Ping]. The caller closes it.
func (c *Client) Open(ctx context.Context, opts ...kgo.Opt) (*kgo.Client, error) {
	if err := c.Ping(ctx); err != nil {
		return nil, err
	}
	return c.open(opts...)
}

// open is Open without the ping.
func (c *Client) open(opts ...kgo.Opt) (*kgo.Client, error) {
	common, err := c.cfg.options() // made anew: a client writes into the slices of its options
	if err != nil {
		return nil, err
	}
	kafka, err := kgo.NewClient(append(common, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("configure the Kafka client: %w", err)
	}
	return kafka, nil
}

// openForScans opens a client whose answers to scans lie in memory that is lent.
func (c *Client) openForScans() (*kgo.Client, error) {
	return c.open(kgo.Dialer(c.lent.Dial(c.cfg.dial())))
}
