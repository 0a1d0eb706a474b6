package rpc

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// Health is the standard health service (grpc.health.v1) of a server, which
// probes, Consul and `suokectl rpc health` ask. It is safe for concurrent use.
type Health struct {
	server *grpc.Server
	status *health.Server
}

// RegisterHealth adds the health service to a server on which all others have been
// registered: each of them is SERVING, as is the server as a whole, "".
func RegisterHealth(server *grpc.Server) *Health {
	h := &Health{server: server, status: health.NewServer()}
	for service := range server.GetServiceInfo() {
		h.SetServing(service, true)
	}
	grpc_health_v1.RegisterHealthServer(server, h.status)
	return h
}

// SetServing says whether a service can do its work; "" is the server as a whole.
func (h *Health) SetServing(service string, serving bool) {
	status := grpc_health_v1.HealthCheckResponse_NOT_SERVING
	if serving {
		status = grpc_health_v1.HealthCheckResponse_SERVING
	}
	h.status.SetServingStatus(service, status)
}

// Shutdown ends the server so that no call fails: it says NOT_SERVING at once,
// takes calls for the time of notice, in which those who balance learn of it, and
// then ends when the calls under way have. When ctx ends first it stops at once, and
// returns the cause. Streams that watch the health are under way for ever, and are
// stopped so, too: give ctx a deadline.
func (h *Health) Shutdown(ctx context.Context, notice time.Duration) error {
	h.status.Shutdown()
	timer := time.NewTimer(notice)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		h.server.GracefulStop()
	}()
	select {
	case <-stopped:
		return nil
	case <-ctx.Done():
		h.server.Stop()
		<-stopped
		return context.Cause(ctx)
	}
}
