package discover

import (
	"context"
	"fmt"
	"slices"
)

// Endpoints returns a function that looks the service up and returns host:port of each instance that the query lets
// in: the source of instances that a channel of pkg/rpc asks for. One that was registered without a port cannot be
// dialled and is left out; when there are only such, that is an ErrNoInstance. Other errors are those of
// [Client.Instances].
func (c *Client) Endpoints(name string, q Query) func(context.Context) ([]string, error) {
	return func(ctx context.Context) ([]string, error) {
		list, err := c.Instances(ctx, name, q)
		if err != nil {
			return nil, err
		}
		reachable := slices.DeleteFunc(list, func(i Instance) bool { return i.Port == 0 })
		if len(reachable) == 0 {
			return nil, fmt.Errorf("%w of %s was registered with a port, so that none can be dialled", ErrNoInstance, name)
		}
		return HostPorts(reachable), nil
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
