package rpc

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/status"

	"github.com/suokelife/suokectl/pkg/resilience"
	"github.com/suokelife/suokectl/pkg/spec"
)

// MaxMessageBytes is the default bound of a received message.
const MaxMessageBytes = 64 << 20

// Config describes a channel. Target is required; the zero values of the others
// are the specification's.
type Config struct {
	// Target is an address that gRPC dials: host:port, dns:///host:port or
	// unix:path. When Instances is set it is only the name of the service.
	Target string
	// Name is what messages call the target. The default is Target.
	Name string
	// Instances returns the addresses, as host:port, of a discovered service. It
	// is called once by [NewChannel] and again, at most once a second, when a
	// connection is lost. It must return when its context ends.
	Instances func(context.Context) ([]string, error)
	// Resolver finds the instances of Target, which is a URL of its scheme, such
	// as consul:///auth-service?version=v1, and tells when they change. It takes
	// the place of Instances, and serves this channel alone.
	Resolver resolver.Builder
	// TLS secures the connection. Nil is plaintext.
	TLS *tls.Config
	// Authority replaces the :authority of calls, as a mesh wants it.
	Authority string
	// Credentials put a token on every call.
	Credentials credentials.PerRPCCredentials
	// ClientVersion is sent as x-client-version, when set.
	ClientVersion string
	// APIVersion is sent as x-api-version, on which the mesh routes, when set.
	APIVersion string
	// Headers names the metadata. The default is the specification's names.
	Headers spec.Headers
	// Retry says how unary calls are repeated. The default is [DefaultRetry].
	Retry *Retry
	// Breaker describes the circuit breaker of each instance of a discovered
	// service, of which only its name is replaced by the instance's address. The
	// default is the specification's (B1); a literal address has none.
	Breaker *resilience.BreakerConfig
	// Tracer records a span for each call (T1). The default records none; the
	// caller's trace is continued all the same.
	Tracer trace.Tracer
	// Bare leaves out all that a channel adds to calls: retry, breakers, tracing
	// and headers, which are [Channel.Headers]. Calls go to the connected
	// instances in turn. It is for load, which is to meet a service as it is.
	Bare bool
	// MaxMessageBytes bounds a received message. The default is [MaxMessageBytes].
	MaxMessageBytes int
	// ReflectHeaders go with questions to server reflection, and with no call.
	ReflectHeaders metadata.MD
	// Timings asks for the times of connections in [Call]. They cost a little in
	// every call.
	Timings bool
	// DescriptorCache is a folder for the descriptors of Target, which no other
	// target may share: see [Channel.Call]. The default, "", keeps none.
	DescriptorCache string
}

// Retry says how a channel repeats unary calls, and questions to server
// reflection, that end with UNAVAILABLE or DEADLINE_EXCEEDED.
type Retry struct {
	// Tries is the number of tries in all, the first included.
	Tries int
	// AttemptTimeout bounds each of them; 0 leaves them to the call's context.
	AttemptTimeout time.Duration
	// Backoff gives the waits between them.
	Backoff resilience.Backoff
	// AfterDeadline says which calls are tried again after DEADLINE_EXCEEDED, when
	// what they asked for may have been done. The default, "", is all of them. The
	// idempotency_level of a method is taken from its descriptor, for generated
	// stubs from the one that is linked in.
	AfterDeadline spec.AfterDeadline
	// OnRetry is told of each attempt that is followed by another one, before
	// the wait.
	OnRetry func(Attempt)
}

// DefaultRetry returns the specification's numbers (G3): 3 tries in all, 5 s
// each, waits of 2 s and 4 s with a jitter of 20 %.
func DefaultRetry() Retry {
	return Retry{Tries: spec.CallTries, AttemptTimeout: spec.CallTimeout, Backoff: resilience.CallBackoff()}
}

// The retry budget of a channel: tokens as in gRPC's retry throttling, of which
// half may be spent. All calls of a process to a service share it, so it must
// outlast the calls in flight to one instance that dies, or these fail although
// the others are well.
const (
	budgetSize   = 100
	budgetRefill = 0.1
)

// ErrNoInstances is wrapped by a [*DiscoveryError] when a service has none.
var ErrNoInstances = errors.New("it has no instances")

// DiscoveryError says that the instances of a service could not be found (G2).
type DiscoveryError struct {
	Service string
	Err     error
}

func (e *DiscoveryError) Error() string { return fmt.Sprintf("find %s: %v", e.Service, e.Err) }

// Unwrap returns the reason.
func (e *DiscoveryError) Unwrap() error { return e.Err }

// GRPCStatus returns UNAVAILABLE, as for any call that has nowhere to go.
func (e *DiscoveryError) GRPCStatus() *status.Status { return status.New(codes.Unavailable, e.Error()) }

// Channel is a connection to one service, with retry. Pass it to generated
// stubs, or call methods by name with [Channel.Call]. It is safe for
// concurrent use.
type Channel struct {
	*grpc.ClientConn

	config   Config
	retry    Retry
	budget   *resilience.Budget
	answered atomic.Bool // by any instance, ever
	timeline *timeline   // nil unless wanted
}

// NewChannel makes a channel. It does not wait for a connection, but it does
// find the instances of a discovered service: a [*DiscoveryError] says why there
// are none. Close the channel after use.
func NewChannel(ctx context.Context, c Config) (*Channel, error) {
	ch := &Channel{
		config: c,
		retry:  DefaultRetry(),
		budget: resilience.NewBudget(budgetSize, budgetRefill),
	}
	if c.Retry != nil {
		ch.retry = *c.Retry
	}
	ch.config.Headers = orDefault(c.Headers)
	ch.config.Name = cmp.Or(c.Name, c.Target)
	if c.Timings {
		ch.timeline = newTimeline()
	}
	target, options := c.Target, ch.options()
	if ch.literal() {
		ch.config.Breaker = nil
	} else if c.Breaker == nil {
		ch.config.Breaker = &resilience.BreakerConfig{}
	}
	builder := c.Resolver
	if builder == nil && c.Instances != nil {
		found, err := find(ctx, c)
		if err != nil {
			return nil, err
		}
		if ch.timeline != nil {
			ch.timeline.resolved = time.Since(ch.timeline.start)
		}
		target, builder = instanceScheme+":///"+c.Target, &instanceBuilder{find: c.Instances, first: found}
	}
	if builder != nil {
		options = append(options, grpc.WithResolvers(builder))
	}
	conn, err := grpc.NewClient(target, options...)
	if err != nil {
		return nil, fmt.Errorf("open a channel to %s: %w", c.Target, err)
	}
	ch.ClientConn = conn
	return ch, nil
}

func orDefault(names spec.Headers) spec.Headers {
	if names == (spec.Headers{}) {
		return spec.Default().Headers
	}
	return names
}

func find(ctx context.Context, c Config) ([]string, error) {
	found, err := c.Instances(ctx)
	if err == nil && len(found) == 0 {
		err = ErrNoInstances
	}
	if err != nil {
		return nil, &DiscoveryError{Service: c.Target, Err: err}
	}
	return found, nil
}

func (ch *Channel) options() []grpc.DialOption {
	c := ch.config
	transport := insecure.NewCredentials()
	if c.TLS != nil {
		transport = credentials.NewTLS(c.TLS)
	}
	limit := c.MaxMessageBytes
	if limit == 0 {
		limit = MaxMessageBytes
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithDefaultServiceConfig(fmt.Sprintf(`{"loadBalancingConfig":[{%q:{}}]}`, policyName)),
		grpc.WithDisableServiceConfig(), // what DNS says about retries would be a second owner
		grpc.WithDisableRetry(),
		grpc.WithNoProxy(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(limit)),
		grpc.WithUnaryInterceptor(ch.unary),
		grpc.WithStreamInterceptor(ch.stream),
	}
	if ch.timeline != nil {
		options = append(options, ch.timeline.options(transport)...)
	}
	if c.Bare {
		options = append(options, bareOptions()...)
	}
	if c.Authority != "" {
		options = append(options, grpc.WithAuthority(c.Authority))
	}
	if c.Credentials != nil {
		options = append(options, grpc.WithPerRPCCredentials(c.Credentials))
	}
	return options
}

// Anonymous reports whether calls carry no credentials.
func (ch *Channel) Anonymous() bool { return ch.config.Credentials == nil }

// literal reports whether the target is an address, so that there is no other
// instance to turn to.
func (ch *Channel) literal() bool { return ch.config.Instances == nil && ch.config.Resolver == nil }
