// Package lab is the embedded world: one process with all that a fleet has
// around it, on free loopback ports and with nothing to install.
//
//	consul    the part of Consul's HTTP API that is used here, with real
//	          health checks and blocking queries
//	kafka     a broker, with transactions, groups and fencing
//	registry  a schema registry with real compatibility verdicts
//	kube      the Kubernetes API of the few resources that chaos touches
//	services  demo services, made only of this module's pkg/ packages
//	mesh      a proxy that obeys VirtualServices, as a sidecar would
//
// It is a product (suokectl lab, suokectl demo) and the test bed of the
// hermetic tests. It may not lie: each part passes the same contract test as
// the real engine (internal/contract, conformance/).
package lab
