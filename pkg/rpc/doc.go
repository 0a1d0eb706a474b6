// Package rpc is gRPC as the specification wants it: channels that find the
// instances of a service, retry as written and say what they tried (G2, G3),
// spare instances that fail (B1); server interceptors that refuse anonymous
// callers (A1), carry request id and trace (T1, T2) and errors with their meaning
// (E1); and calls whose descriptors come from the server itself.
//
// A resilient client of auth-service, which follows its instances in Consul:
//
//	tokens, err := secure.NewTokenSource(secure.TokenConfig{Issuer: "user-service", Secret: secret})
//	…
//	pool := rpc.NewPool(rpc.PoolConfig{Dial: func(k rpc.Key) (rpc.Config, error) {
//		return rpc.Config{
//			Target:   "consul:///" + k.Service + "?version=" + k.Version,
//			Resolver: consulgrpc.NewBuilder(consul),
//			TLS:      mutualTLS, Credentials: secure.CallCredentials{Token: tokens.Token},
//		}, nil
//	}})
//	defer pool.Close()
//	auth := authv1.NewAuthServiceClient(pool.Conn(rpc.Key{Service: "auth-service", Version: "v1"}))
//
// # Channels
//
// A [Channel] is a connection to one service. Generated stubs take it as it is.
// Its single owner of retry is its own interceptor, since gRPC's native retry
// cannot leave an instance that is stuck: an attempt has its own deadline, only
// UNAVAILABLE and DEADLINE_EXCEEDED are tried again, and the next attempt goes
// to an instance that this call has not tried. An instance that refuses
// connections is passed over without a wait. A server's own delay, by
// grpc-retry-pushback-ms or google.rpc.RetryInfo, takes the place of the backoff;
// a budget keeps retries from multiplying the load on a service that is down.
// Streams are never retried: what they have sent may have been seen.
//
// Each instance of a discovered service has a circuit breaker, and the picker
// passes over those that are open. When all are, the call fails at once with an
// [*UnavailableError], for which a resilience.WithFallback may wait.
//
// Every call carries one request id, whatever the number of attempts, the trace
// of its context, and the number of earlier attempts in gRPC's own
// grpc-previous-rpc-attempts.
//
// In a mesh the Target is the sidecar's address and the Authority the service's
// host: the sidecar balances, so there is no picker and no breaker here, and it
// encrypts, so there is no TLS. What its own policy repeats multiplies with the
// tries of the channel; leave one of the two at a single one.
//
// A [Pool] keeps channels by service, version and identity, and replaces them by
// age without failing a call.
//
// # Errors
//
// A call's error has its gRPC status, and says more to errors.As: what was tried
// ([*CallError]), that there is no instance and why ([*DiscoveryError]), that none
// may be called now ([*UnavailableError]), or what the service itself said
// (*resilience.ServiceError, see [ServiceStatus]).
//
// # Calls without generated code
//
// [Channel.Reflect] asks the server for its descriptors, by reflection v1 or
// v1alpha; [ReadProtoset] and [CompileProtos] take them from files. A file that
// is missing spoils only what needs it ([*ImportError]). [Channel.Call] makes a
// call of any of the four kinds from JSON and returns everything that happened as
// data; [Descriptors.Template] makes a request to fill in.
//
// With Config.DescriptorCache what a server said of a method is kept in a folder,
// so that the next call is sent with no question before it. It is checked while
// that call runs and fetched anew when the call does not fit it. Keep and
// [KeptDescriptors] serve those who want to look although the server is away.
//
// # Servers
//
// [ServerOptions] returns the interceptors of a server. The handler's context
// has the caller's deadline, request id, trace and claims, so that the calls that
// it makes through a Channel go on with them. [RegisterHealth] adds the standard
// health service, by which a server can also be ended without a failed call.
package rpc
