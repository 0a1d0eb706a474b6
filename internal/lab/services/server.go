package services

import (
	"errors"
	"fmt"
	"net"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	authv1 "github.com/suokelife/suokectl/internal/lab/services/gen/suokelife/auth/v1"
	authv2 "github.com/suokelife/suokectl/internal/lab/services/gen/suokelife/auth/v2"
	healthv1 "github.com/suokelife/suokectl/internal/lab/services/gen/suokelife/health/v1"
	userv1 "github.com/suokelife/suokectl/internal/lab/services/gen/suokelife/user/v1"
	"github.com/suokelife/suokectl/pkg/rpc"
	"github.com/suokelife/suokectl/pkg/secure"
)

// Options say which service to start.
type Options struct {
	// Name is auth-service, user-service or health-service.
	Name string
	// Version is v1, or v2 for auth-service. The default is v1.
	Version string
	// Secret signs and checks tokens. Required.
	Secret []byte
	// Addr is where to listen. The default is a free port of 127.0.0.1.
	Addr string
	// Flaky makes auth-service answer every other Login with UNAVAILABLE,
	// beginning with the first.
	Flaky bool
}

// Server is one running instance of a demo service.
type Server struct {
	// Users is the state of user-service, nil for the others.
	Users *Users

	grpc     *grpc.Server
	listener net.Listener
	close    func() error
}

// Start starts an instance and returns when it accepts calls.
func Start(o Options) (*Server, error) {
	if len(o.Secret) == 0 {
		return nil, errors.New("start a demo service: it needs a secret")
	}
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	s := &Server{
		grpc: grpc.NewServer(rpc.ServerOptions(rpc.ServerConfig{
			Verifier: &secure.Verifier{Secret: o.Secret},
			Open:     rpc.HealthAndReflection(),
		})...),
	}
	if err := s.register(o); err != nil {
		return nil, err
	}
	s.registerHealth()
	reflection.Register(s.grpc)
	listener, err := net.Listen("tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", o.Name, err)
	}
	s.listener = listener
	served := make(chan error, 1)
	go func() { served <- s.grpc.Serve(listener) }()
	s.close = sync.OnceValue(func() error {
		s.grpc.Stop()
		return <-served
	})
	return s, nil
}

func (s *Server) register(o Options) error {
	switch o.Name + " " + o.Version {
	case "auth-service ", "auth-service v1":
		authv1.RegisterAuthServiceServer(s.grpc, &authV1{auth: newAuth(o)})
	case "auth-service v2":
		authv2.RegisterAuthServiceServer(s.grpc, &authV2{auth: newAuth(o)})
	case "user-service ", "user-service v1":
		s.Users = newUsers()
		userv1.RegisterUserServiceServer(s.grpc, &userV1{users: s.Users})
	case "health-service ", "health-service v1":
		healthv1.RegisterHealthServiceServer(s.grpc, &healthV1{})
	default:
		return fmt.Errorf("there is no demo service %s of version %s", o.Name, o.Version)
	}
	return nil
}

// registerHealth reports the server and each of its services as serving.
func (s *Server) registerHealth() {
	checks := health.NewServer()
	for name := range s.grpc.GetServiceInfo() {
		checks.SetServingStatus(name, healthpb.HealthCheckResponse_SERVING)
	}
	healthpb.RegisterHealthServer(s.grpc, checks)
}

// Addr returns host:port of the instance.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Close ends calls that are under way and waits for the server's end. Closing
// again does nothing.
func (s *Server) Close() error { return s.close() }
