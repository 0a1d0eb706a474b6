// Package discover finds the instances of services in Consul, and says why it does not.
//
// A [Client] asks one agent. [Client.Instances] answers with the instances that a [Query] lets in: passing ones, of
// the wanted version, with all of the wanted tags. It never answers with an empty list and no error: when nothing is
// let in, the error says why, for each instance that is known.
//
//	no instance of auth-service v1 passes (2 critical): auth-service-10.0.0.7-50051: check "Service 'auth-service'
//	check" is critical: dial tcp 10.0.0.7:50051: connect: connection refused
//
// The same facts are data in [Client.Explain]. [Client.Watch] tells the set again whenever it changes, and keeps the
// last good one while Consul is away. [Client.Register] is the other side: what a service says of itself.
//
// # Versions and ids
//
// Consul has no field for a version; it is kept in the metadata under "version". An instance's id is
// <name>-<address>-<port>, so that a service that starts again replaces its registration.
//
// # Nothing from the environment
//
// A Client is what its [Config] says. The CONSUL_* variables, which Consul's own client reads whenever something is
// left empty, do not change where it connects, what token it sends or what namespace it asks. (That client still logs
// a warning to stderr when CONSUL_HTTP_SSL or CONSUL_HTTP_SSL_VERIFY is set to what is no boolean.)
package discover
