// Package rpc is gRPC as the specification wants it: channels that find the
// instances of a service, retry as written and say what they tried (G2, G3);
// server interceptors that refuse anonymous callers (A1) and carry the request
// id (T2); and calls whose descriptors come from the server itself.
//
// # Channels
//
// A [Channel] is a connection to one service. Generated stubs take it as it is.
// Its single owner of retry is its own interceptor, since gRPC's native retry
// cannot leave an instance that is stuck: an attempt has its own deadline, only
// UNAVAILABLE and DEADLINE_EXCEEDED are tried again, and the next attempt goes
// to an instance that this call has not tried. An instance that refuses
// connections is passed over without a wait. Streams are never retried: what
// they have sent may have been seen.
//
// Every call carries one request id, whatever the number of attempts, and the
// number of earlier attempts in gRPC's own grpc-previous-rpc-attempts.
//
// # Calls without generated code
//
// [Channel.Reflect] asks the server for its descriptors, by reflection v1 or
// v1alpha. [Channel.Call] makes a call of any of the four kinds from JSON and
// returns everything that happened as data.
//
// # Servers
//
// [ServerOptions] returns the interceptors of a server.
package rpc
