package discover_test

import (
	"context"
	"fmt"
	"time"

	"github.com/suokelife/suokectl/pkg/discover"
)

// Two instances are known, and a caller who wants v1 is given neither: each says why.
func ExampleClient_Explain() {
	ctx := context.Background()
	client, stop := exampleClient()
	defer stop()
	for i, version := range []string{"v1", "1"} {
		_, err := client.Register(ctx, discover.Registration{
			Name: "auth-service", Version: version, Address: "10.0.0.7", Port: 50051 + i,
			Checks: []discover.CheckConfig{{TTL: time.Minute}},
		})
		if err != nil {
			fmt.Println(err)
			return
		}
	}

	all, err := client.Explain(ctx, "auth-service", discover.Query{Version: "v1"}, discover.ExplainOptions{Elsewhere: time.Second})
	for _, e := range all {
		for _, cause := range e.Causes {
			fmt.Printf("%s: %s: %s\n", e.Instance.HostPort(), cause.Kind, cause.Sentence)
		}
	}
	fmt.Println(err)
	// Output:
	// 10.0.0.7:50051: check_not_run: check "Service 'auth-service' check" is critical: nothing has been reported to it yet
	// 10.0.0.7:50052: version_mismatch: version is 1, not v1; versions are compared as they are written
	// 10.0.0.7:50052: check_not_run: check "Service 'auth-service' check" is critical: nothing has been reported to it yet
	// <nil>
}
