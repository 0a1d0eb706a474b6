// Package definition reads a service's registration from the YAML of the specification (D1):
//
//	consul:
//	  host: "consul.suokelife.com"     # Consul's own, not the service's
//	  port: 8500
//	  service:
//	    name: "auth-service"
//	    version: "v1"
//	    tags: ["prod", "auth", "security"]
//	    meta:
//	      api_version: "v1.2.3"
//	      team: "security-team"
//	    check:
//	      http: "http://localhost:8080/health"
//	      interval: "10s"
//	      timeout: "1s"
//
// The specification does not say where the service itself listens. service.address and service.port do, which are this
// project's extension, as are service.weights, service.locality and service.deregister_after, a check that is grpc or
// ttl, and a list of several checks. A file without address and port is read all the same: the process may know them
// better, and [discover.Registration.Validate] says when nobody does.
//
// It is a package of its own so that a service which registers itself in Go alone does not link a YAML library.
package definition
