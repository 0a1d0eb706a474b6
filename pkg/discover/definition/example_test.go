package definition_test

import (
	"fmt"

	"github.com/suokelife/suokectl/pkg/discover/definition"
)

// A file in the specification's form, and one with a mistake in it.
func Example() {
	read, err := definition.Parse("consul.yaml", []byte(`
consul:
  host: consul.example
  service:
    name: auth-service
    version: v1
    check: {http: "http://10.0.0.7:8080/health", interval: 10s}
`))
	r := read.Registration
	r.Address, r.Port = "10.0.0.7", 50051 // the file does not say
	fmt.Println(read.Consul, r.ID(), r.Checks[0].Interval, err)

	_, err = definition.Parse("consul.yaml", []byte("consul:\n  service: {name: a, chekc: {ttl: 15s}}"))
	fmt.Println(err)
	// Output:
	// consul.example:8500 auth-service-10.0.0.7-50051 10s <nil>
	// consul.yaml:2:22: service has no key "chekc"; did you mean check?
}
