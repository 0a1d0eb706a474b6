package discover_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/suokelife/suokectl/internal/lab/consul"
	"github.com/suokelife/suokectl/pkg/discover"
)

// A service registers itself, and a caller finds it, or learns why not.
func Example() {
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
	id, err := client.Register(ctx, discover.Registration{
		Name: "auth-service", Version: "v1", Address: "10.0.0.7", Port: 50051, Tags: []string{"prod"},
	})
	fmt.Println(id, err)

	instances, err := client.Instances(ctx, "auth-service", discover.Query{Version: "v1", Tags: []string{"prod"}})
	for _, instance := range instances {
		fmt.Println(instance.HostPort(), instance.Health, err)
	}

	_, err = client.Instances(ctx, "auth-service", discover.Query{Version: "v2"})
	fmt.Println(errors.Is(err, discover.ErrNoInstance), err)
	// Output:
	// auth-service-10.0.0.7-50051 <nil>
	// 10.0.0.7:50051 passing <nil>
	// true no instance of auth-service has version v2; there is v1
}
