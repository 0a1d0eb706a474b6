package consulgrpc

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/suokelife/suokectl/pkg/discover"
)

// HealthProbe asks the instance's grpc.health.v1 service how a service is; empty is the whole server. It asks over TLS
// when config is not nil; the certificate is verified for the instance's address when config has no name.
func HealthProbe(service string, config *tls.Config) discover.Prober {
	return func(instance discover.Instance) discover.Probe {
		p := healthProbe{address: instance.HostPort(), host: instance.Address, service: service, config: config}
		target := p.address
		if service != "" {
			target += "/" + service
		}
		return discover.Probe{Kind: "grpc", Target: target, Look: func(ctx context.Context) (*discover.Certificate, error) {
			certificate, err := p.look(ctx)
			if err != nil {
				return certificate, discover.NewProbeError(target, err)
			}
			return certificate, nil
		}}
	}
}

type healthProbe struct {
	address, host, service string
	config                 *tls.Config
}

func (p healthProbe) look(ctx context.Context) (*discover.Certificate, error) {
	if strings.HasSuffix(p.address, ":0") {
		return nil, discover.ProbeTCP(ctx, discover.Instance{Address: p.host})
	}
	// What fails below gRPC is kept as it is: gRPC passes only its text on.
	var certificate atomic.Pointer[discover.Certificate]
	var unconnected atomic.Pointer[error]
	creds := insecure.NewCredentials()
	if p.config != nil {
		creds = credentials.NewTLS(discover.VerifyingTLS(p.config, p.host, func(c discover.Certificate) { certificate.Store(&c) }))
	}
	conn, err := grpc.NewClient("passthrough:///"+p.address,
		grpc.WithTransportCredentials(creds), grpc.WithNoProxy(), grpc.WithDisableServiceConfig(),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
			if err != nil {
				unconnected.Store(&err)
			}
			return conn, err
		}))
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }() // the answer is in
	reply, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: p.service})
	if dial := unconnected.Load(); err != nil && dial != nil {
		return nil, *dial
	}
	return certificate.Load(), p.verdict(reply, err, certificate.Load())
}

// verdict says what an answer means. A server that does not know the service does not serve it.
func (p healthProbe) verdict(reply *grpc_health_v1.HealthCheckResponse, err error, certificate *discover.Certificate) error {
	said := status.Convert(err)
	_, handshake, isTLS := strings.Cut(said.Message(), "authentication handshake failed: ")
	failed := func(failure discover.ProbeFailure, format string, args ...any) error {
		return &discover.ProbeError{Target: p.address, Failure: failure, Err: fmt.Errorf(format, args...)}
	}
	switch {
	case err == nil && reply.GetStatus() == grpc_health_v1.HealthCheckResponse_SERVING:
		return nil
	case err == nil:
		return failed(discover.ProbeNotServing, "it is %s", reply.GetStatus())
	case isTLS && certificate != nil && certificate.Problem != "":
		return failed(discover.ProbeTLS, "%s", certificate.Problem)
	case isTLS:
		return failed(discover.ProbeTLS, "%s", strings.TrimSuffix(handshake, `"`))
	}
	switch said.Code() {
	case codes.NotFound:
		return failed(discover.ProbeNotServing, "its health service does not know %q", p.service)
	case codes.Unimplemented:
		return failed(discover.ProbeProtocol, "it has no service grpc.health.v1.Health")
	case codes.DeadlineExceeded:
		return context.DeadlineExceeded
	case codes.Canceled:
		return context.Canceled
	case codes.Unavailable:
		return failed(discover.ProbeProtocol, "it does not answer as a gRPC server: %s", said.Message())
	}
	return failed(discover.ProbeOther, "it answered %s: %w", said.Code(), errors.New(said.Message()))
}
