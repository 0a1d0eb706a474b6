// Package consul is the part of Consul's HTTP API that this project uses, in one process and with nothing to
// install: the agent (register, deregister, checks, maintenance), the catalogue and the health endpoints; and its DNS
// interface, over UDP and TCP.
//
// It does not pretend. Health checks really run (HTTP, TCP, gRPC and TTL) on their intervals and start critical;
// reads block on ?index and ?wait by the rules of a real agent; a service that stays critical is deregistered when
// its check asks for it. What the package does not know, such as script checks, it refuses by name.
// The suite in internal/contract/consul runs against this server and against the real engine alike.
//
// # How it is laid out
//
// A request is routed and answered in http.go. Writes go through agent.go, which turns a definition
// (definition.go) into changes of the store; reads are in catalog.go. The store (store.go) holds the state under one
// mutex, with an index for each kind of thing as Consul's state store has, and blocked readers wait on it. A check
// (check.go, probe.go) is a goroutine that probes and reports; the server waits for all of them in Close.
//
// A ?filter is run by the engine's own expression library over what the engine lets one select (filter.go). DNS
// packets are in dns.go, and what a name means is in zone.go.
//
// Field names and error texts are those of Consul's HTTP API, https://developer.hashicorp.com/consul/api-docs.
package consul
