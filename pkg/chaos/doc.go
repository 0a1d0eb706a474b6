// Package chaos injects faults into an Istio mesh as leases: the cluster itself takes a fault back at its deadline,
// whatever happens to the program that injected it.
//
// # How a lease works
//
// A [Fault] says what shall go wrong, for calls of which client namespaces, and for how long. [Client.Preflight]
// reads the cluster and makes a [Plan]: for each client namespace a Job without pods (the dead man) and a shadow
// VirtualService, which is the routing that holds there now with the fault on each HTTP route. [Client.Inject] creates
// the Job, waits until its deadline runs, and only then creates the shadow, owned by the Job. At the deadline the Job
// controller fails the Job, the TTL controller deletes it, and the garbage collector takes the shadow along; the shadow
// is exported to its own namespace alone, which makes it win over the original while it is there. The original is
// never touched, so that what comes back is exactly what was.
//
// [Client.Status] finds the leases by their labels, and what a careless delete has orphaned. [Client.Clear] ends them early.
// [Prove] tells from live calls whether a fault is really felt.
//
// # Limits
//
// A fault concerns clients of the chosen namespaces whose calls pass a sidecar. Delegates are not followed, ambient
// meshes are refused, TCP and TLS routes cannot carry a fault.
//
// The package talks to the cluster through client-go's dynamic client alone.
package chaos
