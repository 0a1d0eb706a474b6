package discover

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// HTTPProbe asks the instance for a path by GET and wants a 2xx answer, after redirects, as Consul's checks do. It
// asks over TLS when config is not nil.
func HTTPProbe(path string, config *tls.Config) Prober {
	return func(instance Instance) Probe {
		scheme := "http"
		if config != nil {
			scheme = "https"
		}
		return httpProbe(scheme+"://"+instance.HostPort()+"/"+strings.TrimPrefix(path, "/"), instance, config)
	}
}

func httpProbe(target string, instance Instance, config *tls.Config) Probe {
	return Probe{Kind: "http", Target: target, Look: func(ctx context.Context) (certificate *Certificate, _ error) {
		verifying := VerifyingTLS(config, instance.Address, func(c Certificate) { certificate = &c })
		if err := getProbe(ctx, &http.Client{Transport: exchange{config: verifying}}, target); err != nil {
			return certificate, NewProbeError(target, err)
		}
		return certificate, nil
	}}
}

// exchange sends each request over a connection of its own, in the goroutine of its caller. [http.Transport] reads
// before it writes: what a server that speaks first says is, as it happens, no error, a log line or not HTTP.
type exchange struct{ config *tls.Config }

// RoundTrip sends the request and reads the beginning of the answer.
func (e exchange) RoundTrip(request *http.Request) (*http.Response, error) {
	ctx := request.Context()
	conn, err := e.dial(ctx, request.URL)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	response, err := answer(conn, request)
	if err != nil {
		stop()
		_ = conn.Close() // the exchange failed first
		return nil, cmp.Or(ctx.Err(), err)
	}
	response.Body = &answerBody{ReadCloser: response.Body, conn: conn, stop: stop}
	return response, nil
}

func (e exchange) dial(ctx context.Context, to *url.URL) (net.Conn, error) {
	if to.Scheme == "https" {
		return dialProbeTLS(ctx, net.JoinHostPort(to.Hostname(), cmp.Or(to.Port(), "443")), e.config)
	}
	return dialProbe(ctx, net.JoinHostPort(to.Hostname(), cmp.Or(to.Port(), "80")))
}

// maxAnswer is how much is read of an answer, its header included.
const maxAnswer = 64 << 10

func answer(conn net.Conn, request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.Close = true
	unsent := request.Write(conn) // a server may answer before it has all, and hang up
	reader := bufio.NewReader(io.LimitReader(conn, maxAnswer))
	for {
		response, err := http.ReadResponse(reader, request)
		if err != nil {
			return nil, cmp.Or(unsent, err)
		}
		if response.StatusCode >= http.StatusOK || response.StatusCode == http.StatusSwitchingProtocols {
			return response, nil
		}
	}
}

// answerBody closes the connection with the body.
type answerBody struct {
	io.ReadCloser
	conn net.Conn
	stop func() bool
}

// Close does not read what is left.
func (b *answerBody) Close() error {
	b.stop()
	return b.conn.Close()
}

// probedBody is how much of an answer that is not 2xx is read for its reason.
const probedBody = 1 << 10

func getProbe(ctx context.Context, client *http.Client, target string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode >= 200 && response.StatusCode <= 299 {
		return nil
	}
	body, _ := io.ReadAll(io.LimitReader(response.Body, probedBody)) // a broken body still has a status
	said := "it answered " + response.Status
	if line := firstLine(string(body)); line != "" {
		said += ": " + line
	}
	return &ProbeError{Target: target, Failure: ProbeHTTPStatus, Err: fmt.Errorf("%s", said)}
}
