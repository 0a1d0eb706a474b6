package consul

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

const (
	defaultTimeout = 10 * time.Second
	maxOutput      = 4 << 10 // bytes kept of what a check said, its end
)

// probe looks at the thing once and says how it is and why.
type probe func(ctx context.Context) (status, output string)

func newProbe(def *checkDefinition) probe {
	timeout := time.Duration(def.Timeout)
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	var look probe
	switch def.kind() {
	case "grpc":
		look = grpcProbe(def)
	case "http":
		look = httpProbe(def)
	default:
		look = tcpProbe(def)
	}
	return func(ctx context.Context) (string, string) {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		return look(ctx)
	}
}

func (d *checkDefinition) tls() *tls.Config {
	name := d.TLSServerName
	if name == "" {
		name = d.TLSServerNameSnake
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12, ServerName: name,
		InsecureSkipVerify: d.TLSSkipVerify || d.TLSSkipVerifySnake, //nolint:gosec // the definition asks for it
	}
}

// httpProbe passes on 2xx, warns on 429 and is critical on everything else.
func httpProbe(def *checkDefinition) probe {
	method := def.Method
	if method == "" {
		method = http.MethodGet
	}
	return func(ctx context.Context) (string, string) {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: def.tls()}}
		if def.DisableRedirects {
			client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		}
		req, err := http.NewRequestWithContext(ctx, method, def.HTTP, strings.NewReader(def.Body))
		if err != nil {
			return api.HealthCritical, err.Error()
		}
		for name, values := range def.Header {
			req.Header[http.CanonicalHeaderKey(name)] = values
		}
		if host := req.Header.Get("Host"); host != "" {
			req.Host = host
		}
		resp, err := client.Do(req)
		if err != nil {
			return api.HealthCritical, err.Error()
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20)) // a broken body still has a status
		body = body[max(0, len(body)-maxOutput):]
		return httpStatus(resp.StatusCode), fmt.Sprintf("HTTP %s %s: %s Output: %s", method, def.HTTP, resp.Status, body)
	}
}

func httpStatus(code int) string {
	switch {
	case code >= 200 && code <= 299:
		return api.HealthPassing
	case code == http.StatusTooManyRequests:
		return api.HealthWarning
	default:
		return api.HealthCritical
	}
}

func tcpProbe(def *checkDefinition) probe {
	return func(ctx context.Context) (string, string) {
		kind, dial := "TCP", (&net.Dialer{}).DialContext
		if def.TCPUseTLS {
			kind, dial = "TCP+TLS", (&tls.Dialer{Config: def.tls()}).DialContext
		}
		conn, err := dial(ctx, "tcp", def.TCP)
		if err != nil {
			return api.HealthCritical, err.Error()
		}
		_ = conn.Close() // that it opened is all that was asked
		return api.HealthPassing, fmt.Sprintf("%s connect %s: Success", kind, def.TCP)
	}
}

// grpcProbe asks grpc.health.v1 of "host:port/service"; without a service it asks for the whole server.
func grpcProbe(def *checkDefinition) probe {
	address, service, _ := strings.Cut(def.GRPC, "/")
	creds := insecure.NewCredentials()
	if def.GRPCUseTLS || def.GRPCUseTLSSnake {
		creds = credentials.NewTLS(def.tls())
	}
	return func(ctx context.Context) (string, string) {
		conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(creds))
		if err != nil {
			return api.HealthCritical, err.Error()
		}
		defer func() { _ = conn.Close() }() // the answer is in
		reply, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: service})
		switch {
		case err != nil:
			return api.HealthCritical, err.Error()
		case reply.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING:
			return api.HealthCritical, fmt.Sprintf("gRPC %s serving status: %s", def.GRPC, reply.GetStatus())
		}
		return api.HealthPassing, fmt.Sprintf("gRPC check %s: success", def.GRPC)
	}
}
