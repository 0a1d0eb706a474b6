package consulgrpc

import (
	"context"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/suokelife/suokectl/pkg/discover"
)

// NewHealthServer returns the service grpc.health.v1.Health of a process, to which a gRPC check of Consul is pointed.
// It says of the whole server, and of each of the services by their full names, what the status says: SERVING while it
// passes or warns, as gRPC knows nothing between, and NOT_SERVING while it is critical. Of other names it knows
// nothing. Register it with [grpc_health_v1.RegisterHealthServer]; leave it open to callers without a token, as Consul
// sends none.
func NewHealthServer(of *discover.Status, services ...string) grpc_health_v1.HealthServer {
	return &healthServer{of: of, services: slices.Clone(services)}
}

type healthServer struct {
	grpc_health_v1.UnimplementedHealthServer
	of       *discover.Status
	services []string
}

// Check answers once.
func (h *healthServer) Check(_ context.Context, asked *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	if !h.knows(asked.GetService()) {
		return nil, status.Errorf(codes.NotFound, "unknown service %q", asked.GetService())
	}
	health, _ := h.of.Get()
	return &grpc_health_v1.HealthCheckResponse{Status: serving(health)}, nil
}

// List answers for the whole server and every service.
func (h *healthServer) List(context.Context, *grpc_health_v1.HealthListRequest) (*grpc_health_v1.HealthListResponse, error) {
	health, _ := h.of.Get()
	statuses := map[string]*grpc_health_v1.HealthCheckResponse{}
	for _, name := range append([]string{""}, h.services...) {
		statuses[name] = &grpc_health_v1.HealthCheckResponse{Status: serving(health)}
	}
	return &grpc_health_v1.HealthListResponse{Statuses: statuses}, nil
}

// Watch answers at once and after each change until the caller leaves. It says SERVICE_UNKNOWN, as the protocol wants,
// of a name that may become known: here none does.
func (h *healthServer) Watch(asked *grpc_health_v1.HealthCheckRequest, stream grpc.ServerStreamingServer[grpc_health_v1.HealthCheckResponse]) error {
	last := grpc_health_v1.HealthCheckResponse_UNKNOWN
	for {
		health, _, changed := h.of.Watch()
		now := serving(health)
		if !h.knows(asked.GetService()) {
			now = grpc_health_v1.HealthCheckResponse_SERVICE_UNKNOWN
		}
		if now != last {
			if err := stream.Send(&grpc_health_v1.HealthCheckResponse{Status: now}); err != nil {
				return err
			}
			last = now
		}
		select {
		case <-changed:
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		}
	}
}

func (h *healthServer) knows(service string) bool {
	return service == "" || slices.Contains(h.services, service)
}

func serving(health discover.Health) grpc_health_v1.HealthCheckResponse_ServingStatus {
	if health == discover.Passing || health == discover.Warning {
		return grpc_health_v1.HealthCheckResponse_SERVING
	}
	return grpc_health_v1.HealthCheckResponse_NOT_SERVING
}
