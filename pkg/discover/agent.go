package discover

import (
	"context"

	"github.com/hashicorp/consul/api"
)

// agentSelf is what the agent says of itself.
type agentSelf struct {
	Config      struct{ NodeName, Datacenter string }
	Member      struct{ Addr string }
	DebugConfig struct {
		DNSPort           int
		DNSDomain         string
		DNSOnlyPassing    bool
		DNSEnableTruncate bool
	}
}

func (c *Client) self(ctx context.Context) (agentSelf, error) {
	var self agentSelf
	err := c.ask(ctx, "/v1/agent/self", &self)
	return self, c.failed(err, "ask the agent for its node and settings")
}

// ask reads what is the agent's own, so that neither datacenter nor index goes with the request.
func (c *Client) ask(ctx context.Context, path string, into any) error {
	_, err := c.consul.Raw().Query(path, into, (&api.QueryOptions{}).WithContext(ctx))
	return err
}
