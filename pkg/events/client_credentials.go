package events

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	tokenTimeout = 10 * time.Second
	tokenBytes   = 1 << 20
	// tokenSkew is how long before its end a token is no longer used.
	tokenSkew = 30 * time.Second
)

// ClientCredentials gets tokens from an OAuth 2.0 server by the grant of that
// name, and keeps one until shortly before it ends. Its method Token is what
// [SASL] takes. Fields must not change after the first use; several goroutines
// may ask.
type ClientCredentials struct {
	// URL is the server's token endpoint.
	URL string
	// ClientID and ClientSecret are sent by HTTP basic authentication.
	ClientID     string
	ClientSecret string
	// Scope is asked for when it is not empty; several are parted by spaces.
	Scope string
	// TLS verifies the server; nil uses the system's roots.
	TLS *tls.Config

	mu    sync.Mutex
	token string
	until time.Time
}

// Token returns a token that is valid for a while yet. Its error is a
// [*TokenError].
func (c *ClientCredentials) Token(ctx context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Now().Before(c.until) {
		return c.token, nil
	}
	token, life, err := c.fetch(ctx)
	if err != nil {
		return "", &TokenError{From: c.URL, Err: err}
	}
	c.token, c.until = token, time.Now().Add(life-tokenSkew)
	return token, nil
}

func (c *ClientCredentials) fetch(ctx context.Context) (string, time.Duration, error) {
	form := url.Values{"grant_type": {"client_credentials"}}
	if c.Scope != "" {
		form.Set("scope", c.Scope)
	}
	ctx, cancel := context.WithTimeout(ctx, tokenTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL, strings.NewReader(form.Encode()))
	if err != nil {
		return "", 0, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.SetBasicAuth(url.QueryEscape(c.ClientID), url.QueryEscape(c.ClientSecret))
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: c.TLS, DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return "", 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, tokenBytes))
	if err != nil {
		return "", 0, err
	}
	return readToken(resp, body)
}

func readToken(resp *http.Response, body []byte) (string, time.Duration, error) {
	var answer struct {
		Token       string  `json:"access_token"`
		Seconds     float64 `json:"expires_in"`
		Error       string  `json:"error"`
		Description string  `json:"error_description"`
	}
	err := json.Unmarshal(body, &answer)
	switch {
	case answer.Error != "":
		return "", 0, errors.New(strings.TrimSuffix(resp.Status+": "+answer.Error+": "+answer.Description, ": "))
	case resp.StatusCode != http.StatusOK:
		return "", 0, errors.New(resp.Status)
	case err != nil:
		return "", 0, fmt.Errorf("the answer is no token: %w", err)
	case answer.Token == "":
		return "", 0, errors.New("the answer has no access_token")
	}
	return answer.Token, time.Duration(answer.Seconds * float64(time.Second)), nil
}
