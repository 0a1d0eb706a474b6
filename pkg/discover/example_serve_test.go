package discover_test

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/suokelife/suokectl/internal/lab/consul"
	"github.com/suokelife/suokectl/pkg/discover"
)

// One line in a service's main keeps it registered until the process ends.
func ExampleServe() {
	ctx := context.Background()                   // of main: it ends with SIGTERM
	server, err := consul.Start(consul.Options{}) // any Consul will do
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = server.Close() }()

	var status discover.Status
	status.Set("database", discover.Warning, "replica lags") // again whenever something changes
	mux := http.NewServeMux()
	mux.Handle("/health", &status) // for an HTTP check, or a load balancer

	stop, err := discover.Serve(ctx, discover.Config{Address: server.Addr()}, discover.Registration{
		Name: "auth-service", Version: "v1", Address: "10.0.0.7", Port: 50051,
		Checks: []discover.CheckConfig{{TTL: 15 * time.Second}},
	}, discover.KeepOptions{Status: &status, Told: func(e discover.KeepEvent) { fmt.Println(e.Kind, e.ID) }})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(stop())
	// Output:
	// registered auth-service-10.0.0.7-50051
	// reported auth-service-10.0.0.7-50051
	// deregistered auth-service-10.0.0.7-50051
	// <nil>
}
