package rpc_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/suokelife/suokectl/internal/lab/services"
	"github.com/suokelife/suokectl/pkg/rpc"
	"github.com/suokelife/suokectl/pkg/secure"
)

// A call is made from JSON; the definition of its method is kept for the next one.
func ExampleChannel_Call_cached() {
	server, err := services.Start(services.Options{Name: "user-service", Secret: []byte("secret")})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	cache, err := os.MkdirTemp("", "descriptors")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(cache)
	channel, err := rpc.NewChannel(context.Background(), rpc.Config{Target: server.Addr(), DescriptorCache: cache})
	if err != nil {
		log.Fatal(err)
	}
	defer channel.Close()
	for range 2 {
		call, err := channel.Call(context.Background(), rpc.Request{
			Method: "grpc.health.v1.Health/Check", Body: strings.NewReader(`{"service":""}`),
		})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s %s, by what the %s said\n", call.Status.Code, call.Messages[0], call.Descriptors.Origin)
	}
	// Output:
	// OK {"status":"SERVING"}, by what the server said
	// OK {"status":"SERVING"}, by what the cache said
}

// A template has every field of a request, and says what each may hold.
func ExampleDescriptors_Template() {
	dir, err := os.MkdirTemp("", "protos")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "shop.proto")
	source := `syntax = "proto3";
package shop.v1;
service Shop { rpc Buy(Order) returns (Order); }
message Order {
  // What is bought.
  string item = 1;
  Size size = 2;
}
enum Size { SIZE_UNSPECIFIED = 0; SIZE_SMALL = 1; }
`
	if err := os.WriteFile(path, []byte(source), 0o600); err != nil {
		log.Fatal(err)
	}
	descriptors, err := rpc.CompileProtos(nil, path)
	if err != nil {
		log.Fatal(err)
	}
	template, err := descriptors.Template("Shop/Buy")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", template.JSON)
	for _, field := range template.Fields {
		fmt.Printf("%s: %s %v // %s\n", field.Path, field.Type, field.Values, field.Comment)
	}
	// Output:
	// {"item":"","size":"SIZE_SMALL"}
	// item: string [] // What is bought.
	// size: shop.v1.Size [SIZE_UNSPECIFIED SIZE_SMALL] //
}

// What a server offers, from its own reflection; written down it serves without
// the server.
func ExampleChannel_Reflect() {
	server, err := services.Start(services.Options{Name: "user-service", Secret: secret})
	if err != nil {
		panic(err)
	}
	defer server.Close()
	tokens, err := secure.NewTokenSource(secure.TokenConfig{Issuer: "auth-service", Secret: secret})
	if err != nil {
		panic(err)
	}
	channel, err := rpc.NewChannel(context.Background(), rpc.Config{
		Target: server.Addr(), Credentials: secure.CallCredentials{Token: tokens.Token, AllowPlaintext: true},
	})
	if err != nil {
		panic(err)
	}
	defer channel.Close()
	offered := channel.Reflect(context.Background())
	defer offered.Close()
	set, err := offered.Protoset("suokelife.user.v1.UserService")
	if err != nil {
		panic(err)
	}

	dir, err := os.MkdirTemp("", "protoset-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "user.binpb")
	if err := os.WriteFile(path, set, 0o600); err != nil {
		panic(err)
	}
	known, err := rpc.ReadProtoset(path)
	if err != nil {
		panic(err)
	}
	methods, err := known.Methods("UserService")
	for _, method := range methods {
		fmt.Println(method.Name, method.Kind)
	}
	_, unknown := known.Method("Stat")
	fmt.Println(unknown, err)
	// Output:
	// GetProfile unary
	// SetMaintenance unary
	// Stats unary
	// the definitions have no method "Stat"; did you mean suokelife.user.v1.UserService/Stats? <nil>
}
