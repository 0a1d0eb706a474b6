// Package layers holds the rules of how the packages of this module may depend
// on each other. It has no code but its tests: they read the import graph and
// the syntax trees of the whole module and fail with the edge that breaks a rule.
//
//	pkg/spec                                 the standard library alone
//	pkg/{resilience,telemetry,secure}        pkg/spec
//	pkg/{discover,rpc,events,lint,chaos}     the four above, never one another
//	internal/, cmd/                          all of them; cmd composes
//
// A service pays for what it imports: pkg/events does not link gRPC, nor pkg/rpc
// Kafka. What is in pkg never prints, exits, or reads flags or the environment.
// Nothing that only tests need is linked into the binary.
package layers
