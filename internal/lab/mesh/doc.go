// Package mesh is the lab's sidecar: a reverse proxy for HTTP/1.1 and HTTP/2 without TLS (so gRPC) that routes the calls of
// one client namespace as Istio would, by the VirtualServices and DestinationRules of a Kubernetes API, injected
// faults included.
//
// What it obeys: the precedence of VirtualServices for one host (private before exported before public, then the
// oldest; the others are ignored), matches on headers, URI and method, weights, subsets, delays and aborts, which are
// sampled independently. What else a route may ask for it does not do, and answers 501 instead of pretending.
// Unlike Istio's default it never retries, so that a caller's own retries can be seen.
package mesh
