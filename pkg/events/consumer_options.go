package events

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/pkg/resilience"
	"github.com/suokelife/suokectl/pkg/spec"
)

// Defaults of a consumer.
const (
	// DefaultSessionTimeout is after which silence Kafka takes a member for dead.
	DefaultSessionTimeout = 45 * time.Second
	// DefaultDrainTimeout is how long handlers under way may take to return when
	// the consumer stops or loses their partition.
	DefaultDrainTimeout = 20 * time.Second
	// DefaultCommitInterval is how much time of work a crash repeats at most, if no
	// event takes longer.
	DefaultCommitInterval = time.Second
	// heartbeats in a session, and at most between two of them
	heartbeatsPerSession = 3
	heartbeatInterval    = 3 * time.Second
	// minRebalanceTimeout is how long others wait at least for this member to give
	// up partitions.
	minRebalanceTimeout = time.Minute
)

// ConsumerOption changes what [Client.NewConsumer] makes.
type ConsumerOption func(*consumerOptions)

type consumerOptions struct {
	handlers    map[string]Handler
	middleware  []Middleware
	workers     int
	retries     int
	backoff     resilience.Backoff
	unknown     UnknownTypes
	window      *window
	drain       time.Duration
	session     time.Duration
	commit      time.Duration
	instanceID  string
	nextGen     bool
	decode      Decoder
	problem     func(*FetchError) error
	deadLetters func(Delivery, Ack, error)
	observe     func(Stats)
}

func newConsumerOptions(options []ConsumerOption) (consumerOptions, error) {
	o := consumerOptions{
		handlers: map[string]Handler{}, workers: spec.ConsumerWorkers, retries: spec.Retries,
		drain: DefaultDrainTimeout, session: DefaultSessionTimeout, commit: DefaultCommitInterval,
		backoff: resilience.Backoff{First: 100 * time.Millisecond, Factor: 2, Max: 30 * time.Second, Jitter: spec.BackoffJitter},
	}
	for _, option := range options {
		option(&o)
	}
	switch {
	case len(o.handlers) == 0:
		return o, errors.New("a consumer needs a handler")
	case o.workers < 1:
		return o, fmt.Errorf("a consumer needs workers, and %d are none", o.workers)
	case o.retries < 0:
		return o, fmt.Errorf("a consumer cannot retry %d times", o.retries)
	case o.commit <= 0:
		return o, fmt.Errorf("a consumer cannot commit every %v", o.commit)
	case o.drain <= 0 || o.drain >= o.session:
		return o, fmt.Errorf("a drain timeout of %v is not between 0 and %v, after which Kafka takes the member for dead", o.drain, o.session)
	}
	for eventType, h := range o.handlers {
		for i := len(o.middleware) - 1; i >= 0; i-- {
			h = o.middleware[i](h)
		}
		o.handlers[eventType] = h
	}
	return o, nil
}

// kafka returns what the group protocol has to know.
func (o consumerOptions) kafka() []kgo.Opt {
	opts := []kgo.Opt{
		kgo.SessionTimeout(o.session),
		kgo.HeartbeatInterval(min(o.session/heartbeatsPerSession, heartbeatInterval)),
		kgo.RebalanceTimeout(max(minRebalanceTimeout, o.drain+handlerGrace+2*commitTimeout)),
	}
	if o.instanceID != "" {
		opts = append(opts, kgo.InstanceID(o.instanceID))
	}
	if o.nextGen {
		opts = append(opts, kgo.ServerSideBalancer())
	}
	return opts
}

// WithHandler has h handle the events of a type.
func WithHandler(eventType string, h Handler) ConsumerOption {
	return func(o *consumerOptions) { o.handlers[eventType] = h }
}

// On has h handle the events of a type, with their data decoded from JSON. Data
// that does not fit T is a permanent failure.
func On[T any](eventType string, h func(ctx context.Context, data T, d Delivery) error) ConsumerOption {
	return WithHandler(eventType, func(ctx context.Context, d Delivery) error {
		data, err := decode[T](d)
		if err != nil {
			return err
		}
		return h(ctx, data, d)
	})
}

// Middleware wraps a handler, for logging, tracing, transactions and the like.
type Middleware func(Handler) Handler

// WithMiddleware wraps every handler, the first outermost.
func WithMiddleware(m ...Middleware) ConsumerOption {
	return func(o *consumerOptions) { o.middleware = append(o.middleware, m...) }
}

// Decoder turns the value of a record into the text of an event, for instance
// one that is framed for a schema registry, and may validate it. Its error
// dead-letters the record, unless that wraps [ErrNotValidated]: then the record
// was not judged, and is tried again and again until it is. It is called by
// several goroutines, may not change the value, and must return when ctx ends.
type Decoder func(ctx context.Context, topic string, value []byte) ([]byte, error)

// WithDecoder has values decoded by d. By default a value is the text itself.
func WithDecoder(d Decoder) ConsumerOption { return func(o *consumerOptions) { o.decode = d } }

// WithWorkers says how many events are handled at once. The default is
// [spec.ConsumerWorkers].
func WithWorkers(n int) ConsumerOption { return func(o *consumerOptions) { o.workers = n } }

// WithRetries says how often an event is tried again after its first failure,
// before it is dead-lettered. The default is [spec.Retries]; 0 is none.
func WithRetries(n int) ConsumerOption { return func(o *consumerOptions) { o.retries = n } }

// WithBackoff gives the waits between tries. The default begins with 100 ms,
// doubles up to 30 s, and has a jitter.
func WithBackoff(b resilience.Backoff) ConsumerOption {
	return func(o *consumerOptions) { o.backoff = b }
}

// UnknownTypes says what becomes of events whose type has no handler.
type UnknownTypes int

const (
	// SkipUnknown passes and counts them. It is the default.
	SkipUnknown UnknownTypes = iota
	// DeadLetterUnknown writes them to the dead-letter topic.
	DeadLetterUnknown
)

// WithUnknownTypes says what becomes of events whose type has no handler.
func WithUnknownTypes(u UnknownTypes) ConsumerOption {
	return func(o *consumerOptions) { o.unknown = u }
}

// WithIdempotence remembers the ids of the last n events that were handled, and
// passes one that comes again. What this process did not handle, or has
// forgotten, is handled again; see [OnTx] for effects that must happen once.
func WithIdempotence(n int) ConsumerOption {
	return func(o *consumerOptions) { o.window = newWindow(n) }
}

// WithDrainTimeout bounds how long handlers under way may take to return when
// the consumer stops or loses their partition; then their contexts end. The
// default is [DefaultDrainTimeout].
func WithDrainTimeout(d time.Duration) ConsumerOption {
	return func(o *consumerOptions) { o.drain = d }
}

// WithCommitInterval says how often what is done is committed. The default is
// [DefaultCommitInterval].
func WithCommitInterval(d time.Duration) ConsumerOption {
	return func(o *consumerOptions) { o.commit = d }
}

// WithSessionTimeout says after which silence Kafka takes this member for dead
// and gives its partitions to others; it must be longer than the drain timeout,
// and within what the brokers allow. The default is [DefaultSessionTimeout]. With
// [WithNextGeneration] the brokers' own setting counts.
func WithSessionTimeout(d time.Duration) ConsumerOption {
	return func(o *consumerOptions) { o.session = d }
}

// WithStaticMembership names the member, as a pod that keeps its name does: its
// partitions wait for it when it restarts.
func WithStaticMembership(instanceID string) ConsumerOption {
	return func(o *consumerOptions) { o.instanceID = instanceID }
}

// WithNextGeneration joins by the protocol of KIP-848, of Kafka 4: the broker
// gives out the partitions, and a rebalance stops nobody.
func WithNextGeneration() ConsumerOption { return func(o *consumerOptions) { o.nextGen = true } }

// OnProblem has f judge why a partition or a topic is not fetched from: nil goes
// on with the others, an error ends [Consumer.Run]. It may be told of the same
// again and again. Without it every [*FetchError] ends Run, but for a [*LostError],
// which is told once and only counted then.
func OnProblem(f func(*FetchError) error) ConsumerOption {
	return func(o *consumerOptions) { o.problem = f }
}

// OnDeadLetter has f told of each event that was dead-lettered, after the letter
// was acknowledged, from several goroutines.
func OnDeadLetter(f func(d Delivery, letter Ack, reason error)) ConsumerOption {
	return func(o *consumerOptions) { o.deadLetters = f }
}

// OnStats has f told the numbers once a second, and at the end, for metrics. It
// must not block, since commits wait for it.
func OnStats(f func(Stats)) ConsumerOption { return func(o *consumerOptions) { o.observe = f } }
