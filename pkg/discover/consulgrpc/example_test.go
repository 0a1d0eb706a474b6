package consulgrpc_test

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/suokelife/suokectl/internal/lab/consul"
	"github.com/suokelife/suokectl/pkg/discover"
	"github.com/suokelife/suokectl/pkg/discover/consulgrpc"
)

// A connection follows a service; a call fails at once, and says why, while nobody serves it.
func ExampleNewBuilder() {
	ctx := context.Background()
	server, err := consul.Start(consul.Options{}) // any Consul will do
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = server.Close() }()
	client, err := discover.New(discover.Config{Address: server.Addr()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = client.Close() }()
	_, err = client.Register(ctx, discover.Registration{Name: "auth-service", Version: "v1", Address: "10.0.0.7", Port: 50051})
	if err != nil {
		fmt.Println(err)
		return
	}

	conn, err := grpc.NewClient("consul:///auth-service?version=v2",
		grpc.WithResolvers(consulgrpc.NewBuilder(client)),
		grpc.WithDefaultServiceConfig(consulgrpc.ServiceConfig),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = conn.Close() }()
	_, err = grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	fmt.Println(err)
	// Output:
	// rpc error: code = Unavailable desc = no instance of auth-service has version v2; there is v1
}

func ExampleParseTarget() {
	target, err := consulgrpc.ParseTarget("consul:///auth-service?version=v1&tag=prod&meta.team=core")
	fmt.Println(target.Service, target.Query.Version, target.Query.Tags, target.Query.Meta["team"], err)
	_, err = consulgrpc.ParseTarget("consul:///auth-service?versio=v1")
	fmt.Println(err)
	// Output:
	// auth-service v1 [prod] core <nil>
	// "consul:///auth-service?versio=v1" is no target: the parameter "versio" is not known; did you mean version?
}
