package discover_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

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

// A caller keeps to the instances as they come and go.
func ExampleClient_Watch() {
	ctx := context.Background()
	client, stop := exampleClient()
	defer stop()
	for update := range client.Watch(ctx, "auth-service", discover.Query{}) {
		fmt.Println(discover.HostPorts(update.Instances), update.Stale())
		if len(update.Instances) > 0 {
			break
		}
		_, err := client.Register(ctx, discover.Registration{Name: "auth-service", Address: "10.0.0.7", Port: 50051})
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	// Output:
	// [] false
	// [10.0.0.7:50051] false
}

// What was found last is there while Consul is away.
func ExampleClient_Remembered() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	server, err := consul.Start(consul.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := discover.New(discover.Config{Address: server.Addr(), CacheDir: dir})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = client.Close() }()
	_, err = client.Instances(ctx, "consul", discover.Query{})
	fmt.Println("found", err, server.Close())

	_, err = client.Instances(ctx, "consul", discover.Query{})
	if errors.Is(err, discover.ErrUnreachable) {
		last, err := client.Remembered("consul", discover.Query{})
		fmt.Println("remembered", len(last.Instances), last.Age() < time.Minute, err)
	}
	// Output:
	// found <nil> <nil>
	// remembered 1 true <nil>
}

// What changed between two sets, for those who act on each change by itself.
func ExampleChanges() {
	before := []discover.Instance{
		{ID: "a", Address: "10.0.0.7", Port: 50051, Health: discover.Passing},
		{ID: "b", Address: "10.0.0.8", Port: 50051, Health: discover.Passing},
	}
	after := []discover.Instance{
		{ID: "a", Address: "10.0.0.7", Port: 50051, Health: discover.Warning},
		{ID: "c", Address: "10.0.0.9", Port: 50051, Health: discover.Passing},
	}
	for _, change := range discover.Changes(before, after) {
		switch change.Kind {
		case discover.Removed:
			fmt.Println(change.Kind, change.Before.ID)
		default:
			fmt.Println(change.Kind, change.After.ID, change.Fields)
		}
	}
	// Output:
	// removed b
	// changed a [health]
	// added c []
}

// exampleClient asks an empty Consul.
func exampleClient() (client *discover.Client, stop func()) {
	server, err := consul.Start(consul.Options{})
	if err != nil {
		panic(err)
	}
	client, err = discover.New(discover.Config{Address: server.Addr()})
	if err != nil {
		panic(err)
	}
	return client, func() { _, _ = client.Close(), server.Close() }
}
