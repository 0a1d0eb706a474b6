package spec

import "time"

// Calls over gRPC (G2, G3).
const (
	// CallTries is the number of tries in all, the first included.
	CallTries = 3
	// CallTimeout is the deadline of one try.
	CallTimeout = 5 * time.Second
	// CallBackoffBase is raised to the number of tries made so far, in seconds:
	// the waits are 2 s, 4 s, …
	CallBackoffBase = 2
	// CallMaxBackoff bounds a wait.
	CallMaxBackoff = 10 * time.Second
	// BackoffJitter is the part of a wait by which it is shortened or lengthened
	// at random. The specification has none; without it, clients retry in step.
	BackoffJitter = 0.2
	// PoolSize is the greatest number of connections in a client's pool.
	PoolSize = 10
	// PoolMaxAge is the age at which a connection is replaced.
	PoolMaxAge = 3600 * time.Second
)

// Retries of any function (E2). These are retries, so four calls at most,
// unlike [CallTries].
const (
	Retries         = 3
	RetryBackoff    = 2
	RetryMaxBackoff = 30 * time.Second
	// UnavailableRetryAfter is the wait that a service-unavailable error asks for (E1).
	UnavailableRetryAfter = 5 * time.Second
	// TemporaryRetryAfter is the wait that a temporary error asks for (E1).
	TemporaryRetryAfter = 1 * time.Second
)

// Circuit breaker (B1).
const (
	// BreakerFailures is how many failures in a row open it.
	BreakerFailures = 5
	// BreakerOpen is how long it stays open before it lets probes through.
	BreakerOpen = 30 * time.Second
	// BreakerProbes is how many probes are let through half-open, and how many
	// of them must succeed to close it.
	BreakerProbes = 3
)

// Service tokens (A1).
const (
	TokenSubject   = "service-account"
	TokenAudience  = "internal-services"
	TokenLifetime  = 3600 * time.Second
	TokenAlgorithm = "HS256"
)

// Event producer (K3).
const (
	// ProducerRetries is the specification's number; the delivery is bounded by
	// ProducerAckTimeout, whichever ends first.
	ProducerRetries = 5
	// ProducerRetryBackoff is the wait between them.
	ProducerRetryBackoff = 100 * time.Millisecond
	// ProducerAckTimeout is how long an acknowledgement is awaited.
	ProducerAckTimeout = 10 * time.Second
	// ProducerInFlight is the number of requests in flight on a connection: an
	// idempotent producer keeps order up to five.
	ProducerInFlight = 5
)

// Event consumer (K5).
const (
	// ConsumerMaxPoll is the greatest number of records in one poll.
	ConsumerMaxPoll = 500
	// ConsumerWorkers is the number of events handled at once.
	ConsumerWorkers = 10
	// ConsumerPollTimeout is how long one poll waits for records.
	ConsumerPollTimeout = 1 * time.Second
)

// MaxRequestID is the greatest length of a request id in bytes; a longer one, or
// one with anything but printable ASCII, is replaced (T2).
const MaxRequestID = 128

// Health checks of a service in Consul (D1).
const (
	CheckInterval = 10 * time.Second
	CheckTimeout  = 1 * time.Second
)
