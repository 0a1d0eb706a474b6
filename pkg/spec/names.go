package spec

// Names of request metadata. They are the same in gRPC metadata, in HTTP, where
// case does not count, and in Kafka headers, where it does.
const (
	// HeaderRequestID carries one UUID per request through all services (G3, T2).
	HeaderRequestID = "x-request-id"
	// HeaderClientVersion carries the version of the calling program (G3).
	HeaderClientVersion = "x-client-version"
	// HeaderAPIVersion carries the wanted API version, such as v2; the mesh routes on it (M2).
	HeaderAPIVersion = "x-api-version"
	// HeaderAuthorization carries "Bearer <token>" (A1).
	HeaderAuthorization = "authorization"
	// HeaderTraceParent and HeaderTraceState are W3C Trace Context (T1).
	HeaderTraceParent = "traceparent"
	HeaderTraceState  = "tracestate"
	// HeaderB3 is the single-header form of Zipkin's B3 propagation; the others
	// are its multi-header form, which the mesh's Zipkin tracing reads (M1, T1).
	HeaderB3             = "b3"
	HeaderB3TraceID      = "x-b3-traceid"
	HeaderB3SpanID       = "x-b3-spanid"
	HeaderB3ParentSpanID = "x-b3-parentspanid"
	HeaderB3Sampled      = "x-b3-sampled"
)

// Headers of a dead letter. All values are text: numbers in decimal, times in
// RFC 3339. On a letter that fails again these tell of the last hop, while the
// envelope keeps the first error.
const (
	HeaderDLQError             = "x-suokectl-dlq-error"
	HeaderDLQTime              = "x-suokectl-dlq-time"
	HeaderDLQOriginalTopic     = "x-suokectl-dlq-original-topic"
	HeaderDLQOriginalPartition = "x-suokectl-dlq-original-partition"
	HeaderDLQOriginalOffset    = "x-suokectl-dlq-original-offset"
	// HeaderDLQOriginalTimestamp is the original record's timestamp.
	HeaderDLQOriginalTimestamp = "x-suokectl-dlq-original-timestamp"
	// HeaderDLQAttempts says how often the event was tried, all replays counted.
	HeaderDLQAttempts = "x-suokectl-dlq-attempts"
	// HeaderDLQGroup is the consumer group in which it failed.
	HeaderDLQGroup = "x-suokectl-dlq-group"
	// HeaderDLQPlace says where [Conventions.AddDeadLetter] put its fields.
	HeaderDLQPlace = "x-suokectl-dlq-place"
	// HeaderDLQPrefix begins the name of each header above.
	HeaderDLQPrefix = "x-suokectl-dlq-"
)

// NoCorrelation is what the specification's producer writes as correlation_id
// when there is none. It is read as absent.
const NoCorrelation = "none"

// SubjectSuffix is appended to a topic to name the registry subject of its values (K6).
const SubjectSuffix = "-value"
