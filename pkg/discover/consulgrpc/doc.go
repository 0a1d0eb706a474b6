// Package consulgrpc is the half of discovery that speaks gRPC: connections that follow a service in Consul, the
// health service that Consul's gRPC checks ask, and a probe that asks it. It is a package of its own so that
// [github.com/suokelife/suokectl/pkg/discover] does not link gRPC.
//
// # Connections
//
// [NewBuilder] makes a resolver for targets such as
//
//	consul:///auth-service?version=v1&tag=prod
//
// It is given to a connection and never registered for all of them:
//
//	grpc.NewClient("consul:///auth-service?version=v1",
//		grpc.WithResolvers(consulgrpc.NewBuilder(client)),
//		grpc.WithDefaultServiceConfig(consulgrpc.ServiceConfig),
//		grpc.WithTransportCredentials(…))
//
// It follows a [discover.Client.Watch], so a change in Consul reaches the picker as soon as Consul tells it, and
// nothing is asked in between. While Consul is away calls go on to the instances that were known last. When there is
// none, calls fail at once, and with the policy of [ServiceConfig] they say why: which instances are left out, and by
// which check, tag or version.
//
// The name is the default authority of calls, and the one that a server's certificate is verified for.
//
// # Weights
//
// Every endpoint carries its weight and locality: [Weight], [Locality]. The weight is in the attribute of grpc-go's
// experimental/balancer/weight, which its ring_hash and the shuffle of its pick_first read. Its round_robin reads no
// weights, its weighted_round_robin only those that servers report of themselves, and its weighted_target none of
// single endpoints; so [ServiceConfig] names a policy of this package, which takes the connected instances in turn, as
// often as their weights say.
package consulgrpc
