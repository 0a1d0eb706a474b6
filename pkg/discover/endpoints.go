package discover

import "context"

// Endpoints returns a function that looks the service up and returns host:port of each instance that the query lets
// in: the source of instances that a channel of pkg/rpc asks for. Its errors are those of [Client.Instances].
func (c *Client) Endpoints(name string, q Query) func(context.Context) ([]string, error) {
	return func(ctx context.Context) ([]string, error) {
		list, err := c.Instances(ctx, name, q)
		addresses := make([]string, len(list))
		for i, instance := range list {
			addresses[i] = instance.HostPort()
		}
		return addresses, err
	}
}
