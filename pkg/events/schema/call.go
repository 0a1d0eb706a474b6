package schema

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/riferrei/srclient"
)

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 16 << 20

// errDeadline is the cause of a call's own deadline.
var errDeadline = errors.New("no answer in time")

// call carries a context into the client library, which takes none, by being its HTTP transport.
type call struct {
	registry *Registry
	ctx      context.Context //nolint:containedctx // it lives as long as one call
	cancel   context.CancelFunc
	status   int          // of the last answer, 0 when there was none
	body     bytes.Buffer // of the last answer
}

func (r *Registry) newCall(ctx context.Context) *call {
	ctx, cancel := context.WithTimeoutCause(ctx, r.cfg.Timeout, fmt.Errorf("%w (%s)", errDeadline, r.cfg.Timeout))
	return &call{registry: r, ctx: ctx, cancel: cancel}
}

func (c *call) client(opts ...srclient.Option) *srclient.SchemaRegistryClient {
	opts = append(opts, srclient.WithClient(&http.Client{Transport: c}))
	client := srclient.NewSchemaRegistryClient(c.registry.cfg.URL, opts...)
	client.CachingEnabled(false)
	return client
}

// RoundTrip sends with the call's context. Credentials are set here and not by the library, which wants a password; a
// redirection to another host does not get them.
func (c *call) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(c.ctx)
	if c.registry.cfg.Username != "" && req.URL.Host == c.registry.host {
		req.SetBasicAuth(c.registry.cfg.Username, c.registry.cfg.Password)
	}
	resp, err := c.registry.transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	c.body.Reset()
	if _, err := io.Copy(&c.body, io.LimitReader(resp.Body, maxAnswer)); err != nil {
		return nil, err
	}
	c.status = resp.StatusCode
	resp.Body = io.NopCloser(bytes.NewReader(c.body.Bytes()))
	return resp, nil
}
