package rpc_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"

	authv1 "github.com/suokelife/suokectl/internal/lab/services/gen/suokelife/auth/v1"
	"github.com/suokelife/suokectl/pkg/rpc"
)

// healthy starts a server with the health service whose Login answers by a function.
func healthy(t *testing.T, login func(context.Context) (*authv1.LoginResponse, error)) (*rpc.Health, *rpc.Channel) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	authv1.RegisterAuthServiceServer(server, authServer{login: login})
	h := rpc.RegisterHealth(server)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return h, dial(t, rpc.Config{Target: listener.Addr().String()})
}

func TestHealthIsThatOfEachService(t *testing.T) {
	h, ch := healthy(t, nil)
	check := func(service string) string {
		answer, err := grpc_health_v1.NewHealthClient(ch).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: service})
		if code, _ := rpc.Code(err); code == codes.NotFound {
			return "unknown"
		} else if err != nil {
			t.Error(err)
		}
		return answer.GetStatus().String()
	}
	const auth = "suokelife.auth.v1.AuthService"
	for _, step := range []struct{ service, want string }{{"", "SERVING"}, {auth, "SERVING"}, {"nobody", "unknown"}} {
		if got := check(step.service); got != step.want {
			t.Errorf("%q is %s, want %s", step.service, got, step.want)
		}
	}
	h.SetServing(auth, false)
	if check(auth) != "NOT_SERVING" || check("") != "SERVING" {
		t.Errorf("%s is %s, the server %s", auth, check(auth), check(""))
	}
	h.SetServing(auth, true)
	if check(auth) != "SERVING" {
		t.Errorf("%s is %s again", auth, check(auth))
	}
}

// A call that is under way, and one that comes within the notice, end well.
func TestShutdownFailsNoCall(t *testing.T) {
	begun, end := make(chan struct{}, 2), make(chan struct{})
	h, ch := healthy(t, func(context.Context) (*authv1.LoginResponse, error) {
		begun <- struct{}{}
		<-end
		return &authv1.LoginResponse{}, nil
	})
	results := make(chan error, 2)
	call := func() { results <- logIn(t.Context(), ch) }
	go call()
	<-begun
	watch, err := grpc_health_v1.NewHealthClient(ch).Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if first, err := watch.Recv(); err != nil || first.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Fatal(first, err)
	}
	late := errors.New("late")
	ctx, cancel := context.WithCancelCause(t.Context())
	shut := make(chan error, 1)
	go func() { shut <- h.Shutdown(ctx, 300*time.Millisecond) }()
	if next, err := watch.Recv(); err != nil || next.GetStatus() != grpc_health_v1.HealthCheckResponse_NOT_SERVING {
		t.Fatal(next, err)
	}
	go call()
	<-begun
	close(end)
	for range 2 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	cancel(late) // the watching stream would go on for ever
	if err := <-shut; !errors.Is(err, late) {
		t.Errorf("it ended with %v", err)
	}
}

func TestShutdownOfAnIdleServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := rpc.RegisterHealth(grpc.NewServer())
		start := time.Now()
		if err := h.Shutdown(t.Context(), 5*time.Second); err != nil || time.Since(start) != 5*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}
