// Package telemetry carries what ties the traces of one request together: the
// request id (T2) and the trace context, in the W3C and B3 forms that Jaeger and
// the mesh's Zipkin tracing read (T1, M1).
//
// The values live in a context. A server puts what arrived into it, everything
// below reads it from there, and a client sends it on.
package telemetry
