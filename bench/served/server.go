package served

import (
	"context"
	"net"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"

	userv1 "github.com/suokelife/suokectl/internal/lab/services/gen/suokelife/user/v1"
)

// Server is a gRPC server on a free port of the loopback.
type Server struct {
	grpc    *grpc.Server
	address string
	done    chan error
}

// start serves what register registers.
func start(register func(*grpc.Server)) (*Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{grpc: grpc.NewServer(), address: listener.Addr().String(), done: make(chan error, 1)}
	register(s.grpc)
	go func() { s.done <- s.grpc.Serve(listener) }()
	return s, nil
}

// Addr returns host:port.
func (s *Server) Addr() string { return s.address }

// Close ends the server and its connections.
func (s *Server) Close() error {
	s.grpc.Stop()
	return <-s.done
}

// The method that Users answers, the only user it knows, and his address.
const (
	GetProfile = "suokelife.user.v1.UserService/GetProfile"
	UserID     = "user-4711"
	Email      = "user-4711@suoke.example"
)

// Users starts a user-service with server reflection that knows one user. Blanks
// may follow the id, to make a request larger.
func Users() (*Server, error) {
	return start(func(s *grpc.Server) {
		userv1.RegisterUserServiceServer(s, users{})
		reflection.Register(s)
	})
}

type users struct {
	userv1.UnimplementedUserServiceServer
}

func (users) GetProfile(_ context.Context, request *userv1.GetProfileRequest) (*userv1.GetProfileResponse, error) {
	if strings.TrimRight(request.GetUserId(), " ") != UserID {
		return nil, status.Errorf(codes.NotFound, "no user %q", request.GetUserId())
	}
	return &userv1.GetProfileResponse{UserId: UserID, Email: Email}, nil
}
