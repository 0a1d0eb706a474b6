// Package config reads the two files that steer the program.
//
// config.yaml, in $XDG_CONFIG_HOME/suokectl, is the user's own and holds
// contexts: where Consul, Kafka, the schema registry, gRPC and Kubernetes of
// one environment are. suokectl.yaml, in a repository, holds the
// organisation's conventions; without it they are the specification's.
//
// A setting's value comes from the first of: SUOKECTL_<KEY>, the context, an
// ecosystem variable such as CONSUL_HTTP_ADDR. The last fills only what the
// context leaves empty, so that a stray variable never redirects a named
// context; and secrets are never taken from the ecosystem for a context that
// names its own address. Unknown keys are errors with line and column.
package config
