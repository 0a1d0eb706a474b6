package discover

import (
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// TCPProbe connects to the instance and hangs up.
func TCPProbe(instance Instance) Probe {
	target := instance.HostPort()
	return Probe{Kind: "tcp", Target: target, Look: func(ctx context.Context) (*Certificate, error) {
		conn, err := dialProbe(ctx, target)
		if err == nil {
			_ = conn.Close() // that it opened is all that was asked
			return nil, nil
		}
		return nil, NewProbeError(target, err)
	}}
}

func dialProbe(ctx context.Context, target string) (net.Conn, error) {
	if strings.HasSuffix(target, ":0") {
		return nil, errNoPort
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", target)
}

// dialProbeTLS connects and ends a handshake.
func dialProbeTLS(ctx context.Context, target string, config *tls.Config) (net.Conn, error) {
	conn, err := dialProbe(ctx, target)
	if err != nil {
		return nil, err
	}
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // the handshake failed first
		return nil, err
	}
	return secured, nil
}

// TLSProbe ends a handshake with the instance. The certificate is verified as config says, for the instance's address
// when config has no name; nil is the system's roots.
func TLSProbe(config *tls.Config) Prober {
	return func(instance Instance) Probe {
		target := instance.HostPort()
		return Probe{Kind: "tls", Target: target, Look: func(ctx context.Context) (certificate *Certificate, _ error) {
			verifying := VerifyingTLS(config, instance.Address, func(c Certificate) { certificate = &c })
			conn, err := dialProbeTLS(ctx, target, verifying)
			if err != nil {
				return certificate, NewProbeError(target, err)
			}
			_ = conn.Close() // the handshake is all that was asked
			return certificate, nil
		}}
	}
}

// CheckedProbe looks at an instance as the first of its own checks in Consul does that asks over the network: by HTTP
// the URL's scheme, port and path, by gRPC its port and service, at the instance's address. health makes the probe for
// gRPC. Consul tells what a check asks only in the check's output; where that does not name it, and for an instance
// with TTL checks alone, the instance's port is connected to.
func CheckedProbe(config *tls.Config, health func(service string) Prober) Prober {
	return func(instance Instance) Probe {
		for _, check := range instance.Checks {
			if check.OnNode {
				continue
			}
			switch check.Kind {
			case "grpc":
				port, service := grpcTarget(check.Output)
				return health(service)(atPort(instance, port))
			case "http":
				if target := httpTarget(check.Output, instance); target != "" {
					return httpProbe(target, instance, config)
				}
			case "tcp":
				return TCPProbe(instance)
			}
		}
		return TCPProbe(instance)
	}
}

// atPort is the instance with another port, when one is given.
func atPort(instance Instance, port string) Instance {
	if number, err := strconv.Atoi(port); err == nil {
		instance.Port = number
	}
	return instance
}

// How Consul's checks name in their output what they ask: agent/checks/check.go and grpc.go of its source.
var (
	httpOutput = regexp.MustCompile(`^(?:HTTP [A-Z]+ (\S+): |[A-Z][a-z]+ "([^"]+)": )`)
	grpcOutput = regexp.MustCompile(`^gRPC (?:check )?(?:\[[^\]]*\]|[^\s:/]*):(\d+)(?:/(\S*?))?(?:: | serving status: )`)
)

// httpTarget is the URL that a check asks, at the instance's own address; empty when its output names none.
func httpTarget(output string, instance Instance) string {
	match := httpOutput.FindStringSubmatch(output)
	if match == nil {
		return ""
	}
	asked, err := url.Parse(match[1] + match[2])
	if err != nil || asked.Scheme != "http" && asked.Scheme != "https" {
		return ""
	}
	port := asked.Port()
	asked.User = nil
	asked.Host = instance.Address
	if strings.Contains(instance.Address, ":") {
		asked.Host = "[" + instance.Address + "]"
	}
	if port != "" {
		asked.Host = net.JoinHostPort(instance.Address, port)
	}
	return asked.String()
}

// grpcTarget is the port and the service that a check asks; empty where its output does not name them.
func grpcTarget(output string) (port, service string) {
	match := grpcOutput.FindStringSubmatch(output)
	if match == nil {
		return "", ""
	}
	return match[1], match[2]
}
