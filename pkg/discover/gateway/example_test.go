package gateway_test

import (
	"fmt"

	"github.com/suokelife/suokectl/pkg/discover/gateway"
)

func Example() {
	text, err := gateway.Render(gateway.DNS, []gateway.Service{{Name: "auth-service", Tags: []string{"prod"}, Paths: []string{"/auth"}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(string(text))
	for _, f := range gateway.Check("kong.yaml", []byte("_format_version: \"3.0\"\nservices:\n- hots: auth-service.service.consul\n")) {
		fmt.Printf("%s:%d:%d: %s: %s\n", f.File, f.Span.Start.Line, f.Span.Start.Column, f.Message, f.Fix)
	}
	// Output:
	// # Kong's setting "dns_resolver" has to be Consul's DNS port, such as 127.0.0.1:8600.
	// _format_version: "3.0"
	// services:
	//   - name: auth-service
	//     host: _auth-service._prod.service.consul
	//     protocol: http
	//     path: /
	//     routes:
	//       - name: auth-service
	//         paths: ["/auth"]
	// kong.yaml:3:3: the service has neither host nor url: host: NAME.service.consul
	// kong.yaml:3:3: no route of this file leads to the service: give it routes with paths
	// kong.yaml:3:3: a service has no key "hots": did you mean host?
}
