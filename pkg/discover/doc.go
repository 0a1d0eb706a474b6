// Package discover finds the instances of services in Consul, and says why it does not.
//
// A [Client] asks one agent. [Client.Instances] answers with the instances that a [Query] lets in: passing ones, of
// the wanted version, with all of the wanted tags and metadata. It never answers with an empty list and no error: when
// nothing is let in, the error says why, for each instance that is known.
//
//	no instance of auth-service v1 passes (2 critical): auth-service-10.0.0.7-50051: check "Service 'auth-service'
//	check" is critical: dial tcp 10.0.0.7:50051: connect: connection refused
//
// The same facts are data in [Client.Explain], which looks further when it is asked to: at what the agent alone knows,
// in other datacenters, and from here by a [Prober]. [Client.Resolve] compares with what Consul's DNS says.
// [Client.Services] and [Client.Nodes] tell what there is at all, counted, in few requests.
//
// # Watching
//
// [Client.Watch] tells the set again whenever it changes for a caller: a check's new text is no change, its new state
// is. While Consul cannot be asked, or answers with less than it knows because ACLs hide something, an [Update] carries
// the error beside the last good set; [Update.Stale] and [Update.Age] say so. An agent that came back empty, an index
// that went backwards and a proxy that cuts long waits are seen through.
//
// A watch waits on a connection of its own, and an agent takes 200 of these from one address out of the box. Beyond
// Config.MaxWaiting watches of a client the others ask every ten seconds, so that a process may watch a thousand
// services of any agent. [Changes] is the difference of two sets.
//
// # When Consul is away
//
// With Config.CacheDir what is read is kept on disk. [Client.Remembered] reads it back, and a watch begins with it
// when its first read fails. The time of the read goes with it: how old is too old, the caller knows. Since when a check
// fails, which Consul does not keep, is told from what was seen at such reads: [Cause.Since].
//
// # The other side
//
// [Serve] registers a service, keeps its heartbeat and takes it away at the end, in one line of its main;
// [Client.Register] and [Client.Report] are its parts. [KV] is Consul as a centre of configuration. Package consulgrpc
// resolves names for gRPC, and package gateway renders a gateway's routes from the same facts.
//
// # What Consul does
//
// Consul has no field for a version; it is kept in the metadata under "version". An instance's id is
// <name>-<address>-<port>, so that a service that starts again replaces its registration. An instance without an
// address is at its node's; one without a port has port 0 and cannot be dialled. Names of services and tags are the
// same in any case, so that an answer for auth may hold what is registered as Auth; metadata are compared exactly.
//
// # Nothing from the environment
//
// A Client is what its [Config] says. The CONSUL_* variables, which Consul's own client reads whenever something is
// left empty, do not change where it connects, what token it sends or what namespace it asks. (That client still logs
// a warning to stderr when CONSUL_HTTP_SSL or CONSUL_HTTP_SSL_VERIFY is set to what is no boolean.)
package discover
