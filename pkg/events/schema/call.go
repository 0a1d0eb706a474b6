package schema

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

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

// explain gives an error of the client library its sentinel, and says what was attempted and where.
func (c *call) explain(what string, err error) error {
	var said srclient.Error
	reason := err.Error()
	sentinel := ErrUnavailable
	if errors.As(err, &said) {
		sentinel = sentinelOf(said.Code)
		reason = fmt.Sprintf("%s (%d)", saidOnce(sentinel, said.Message), said.Code)
	}
	switch c.status {
	case http.StatusUnauthorized, http.StatusForbidden:
		sentinel = ErrUnauthorized
	}
	if ctxErr := context.Cause(c.ctx); ctxErr != nil && c.status == 0 {
		return fmt.Errorf("%s at %s: %w: %w", what, redact(c.registry.cfg.URL), sentinel, ctxErr)
	}
	if errors.Is(sentinel, ErrUnavailable) && !errors.As(err, &said) {
		return fmt.Errorf("%s at %s: %w: %w", what, redact(c.registry.cfg.URL), sentinel, rootCause(err))
	}
	return fmt.Errorf("%s at %s: %w: %s", what, redact(c.registry.cfg.URL), sentinel, reason)
}

// saidOnce leaves out of a registry's text what the sentinel says in the same words.
func saidOnce(sentinel error, text string) string {
	prefix := sentinel.Error() + ": "
	if len(text) > len(prefix) && strings.EqualFold(text[:len(prefix)], prefix) {
		return text[len(prefix):]
	}
	return text
}

// rootCause leaves out the method and address that the HTTP client puts before the reason.
func rootCause(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

func sentinelOf(code int) error {
	switch code {
	case 40401:
		return ErrSubjectNotFound
	case 40402:
		return ErrVersionNotFound
	case 40403:
		return ErrSchemaNotFound
	case http.StatusConflict:
		return ErrIncompatible
	case http.StatusUnprocessableEntity, 42201:
		return ErrInvalidSchema
	case http.StatusUnauthorized, http.StatusForbidden, 40101, 40301:
		return ErrUnauthorized
	}
	return ErrUnavailable
}
