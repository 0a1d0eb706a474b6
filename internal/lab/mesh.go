package lab

import (
	"context"
	"errors"

	"github.com/suokelife/suokectl/internal/lab/mesh"
	"github.com/suokelife/suokectl/pkg/discover"
)

// startMesh starts the sidecar of the clients' namespace. A subset's label is
// the version, as the services register it.
func (l *Lab) startMesh(ctx context.Context) error {
	s, err := mesh.Start(ctx, mesh.Options{
		Kube: l.kube, Namespace: clientNamespace, ServiceNamespace: meshNamespace,
		Endpoints: l.meshEndpoints,
	})
	if err != nil {
		return err
	}
	l.keep(s)
	l.context.RPC.MeshAddress = s.Address()
	l.endpoints["mesh"] = s.Address()
	l.endpoints["mesh-admin"] = s.AdminURL()
	return nil
}

func (l *Lab) meshEndpoints(ctx context.Context, service string, labels map[string]string) ([]string, error) {
	addresses, err := l.discover.Endpoints(service, discover.Query{Version: labels["version"]})(ctx)
	var none *discover.NoInstanceError
	var unknown *discover.UnknownServiceError
	if errors.As(err, &none) || errors.As(err, &unknown) {
		return nil, nil // the proxy says "no healthy upstream"
	}
	return addresses, err
}
