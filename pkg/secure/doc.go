// Package secure authenticates services to one another: service tokens (A1) and
// the TLS settings of a client (A2).
//
// A client makes tokens with a [TokenSource] and attaches them by
// [CallCredentials], which have the shape of gRPC's per-call credentials. A server
// checks them with a [Verifier]. Tokens are never part of an error's text.
package secure
