package discover

import (
	"context"
	"slices"
)

// Endpoints returns a function that looks the service up and returns host:port of each instance that the query lets
// in: the source of instances that a channel of pkg/rpc asks for. Its errors are those of [Client.Instances].
func (c *Client) Endpoints(name string, q Query) func(context.Context) ([]string, error) {
	return func(ctx context.Context) ([]string, error) {
		list, err := c.Instances(ctx, name, q)
		return HostPorts(list), err
	}
}

// HostPorts returns host:port of each instance, in their order.
func HostPorts(list []Instance) []string {
	addresses := make([]string, len(list))
	for i, instance := range list {
		addresses[i] = instance.HostPort()
	}
	return addresses
}

// Versions returns the versions that the instances have, sorted, each once. An instance without one adds none.
func Versions(list []Instance) []string {
	var versions []string
	for _, instance := range list {
		if instance.Version != "" {
			versions = append(versions, instance.Version)
		}
	}
	slices.Sort(versions)
	return slices.Compact(versions)
}
