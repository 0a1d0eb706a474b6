package chaos_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/suokelife/suokectl/pkg/chaos"
)

// What an injection would write for the specification's sample (M3).
func ExampleRender() {
	fault := chaos.Fault{
		Service: "auth-service", Delay: 5 * time.Second, DelayPercent: 10, AbortHTTP: 500, AbortPercent: 5, TTL: 5 * time.Minute,
	}
	shadow, err := chaos.Render(fault, "auth-service-fault", "shop", nil, chaos.Options{})
	if err != nil {
		log.Fatal(err)
	}
	hosts, _, _ := unstructured.NestedStringSlice(shadow.VirtualService.Object, "spec", "hosts")
	seconds, _, _ := unstructured.NestedInt64(shadow.Job.Object, "spec", "activeDeadlineSeconds")
	fmt.Println(fault)
	fmt.Println(hosts[0], "for", seconds, "s")
	// Output:
	// delay 5s 10%, abort 500 5%
	// auth-service.default.svc.cluster.local for 300 s
}

// A sample of calls shows whether a fault is real. This probe stands for calls of which every fifth is aborted.
func ExampleProve() {
	calls := 0
	probe := func(context.Context) (aborted bool, err error) {
		calls++
		return calls%5 == 0, nil
	}
	fault := chaos.Fault{AbortHTTP: 500, AbortPercent: 20}
	proof := chaos.Prove(context.Background(), fault, probe, 1)
	fmt.Println(proof.Proved, fault.Sample(), "calls")
	// Output: true 21 calls
}
