package discover

import (
	"context"
	"io"
	"net/http"
	"net/url"

	"github.com/hashicorp/consul/api"
)

// Maintain puts an instance into maintenance, in which no caller is given it, and says why. With an empty id the
// whole node of the agent is meant. One that is in maintenance already stays as it is, and keeps its reason. An id
// that this agent has not registered is an *UnknownIDError; other errors are *RequestError.
func (c *Client) Maintain(ctx context.Context, id, reason string) error {
	return c.maintenance(ctx, id, "put %s into maintenance", url.Values{"enable": {"true"}, "reason": {reason}})
}

// EndMaintenance takes an instance, or with an empty id the agent's node, out of maintenance. Where there is none, it
// does nothing. Errors are those of Maintain.
func (c *Client) EndMaintenance(ctx context.Context, id string) error {
	return c.maintenance(ctx, id, "take %s out of maintenance", url.Values{"enable": {"false"}})
}

func (c *Client) maintenance(ctx context.Context, id, attempt string, query url.Values) error {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	what, path := id, "/v1/agent/service/maintenance/"+url.PathEscape(id)
	if id == "" {
		what, path = "the agent's node", "/v1/agent/maintenance"
	}
	err := c.failed(c.put(ctx, path+"?"+query.Encode()), attempt, what)
	if id != "" && isNotFound(err) {
		return c.unknownID(ctx, id, err)
	}
	return err
}

// Maintenance returns the reason for which an instance, or with an empty id the agent's node, is in maintenance, and
// whether it is. An id that this agent has not registered is an *UnknownIDError; other errors are *RequestError.
func (c *Client) Maintenance(ctx context.Context, id string) (reason string, on bool, err error) {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	if id != "" {
		service, err := c.local(ctx, id)
		if service == nil && err == nil {
			err = c.unknownID(ctx, id, nil)
		}
		if err != nil {
			return "", false, err
		}
	}
	checks, err := c.localChecks(ctx, id)
	for _, check := range checks {
		if (Check{ID: check.CheckID}).state() == Maintenance {
			return check.Notes, true, nil
		}
	}
	return "", false, err
}

// put sends a PUT for which the API's client has no method that takes a context.
func (c *Client) put(ctx context.Context, pathAndQuery string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, c.base+pathAndQuery, nil)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	const enough = 64 << 10
	body, err := io.ReadAll(io.LimitReader(resp.Body, enough))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = api.StatusError{Code: resp.StatusCode, Body: string(body)}
	}
	return err
}
