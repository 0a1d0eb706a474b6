package schema_test

import (
	"context"
	"fmt"

	lab "github.com/suokelife/suokectl/internal/lab/registry"
	"github.com/suokelife/suokectl/pkg/events/schema"
)

func Example() {
	server, err := lab.Start(lab.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	registry, err := schema.New(schema.Config{URL: server.URL()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer registry.Close()

	ctx := context.Background()
	const text = `{"type":"record","name":"User","fields":[{"name":"email","type":"string"}]}`
	if _, err := registry.Register(ctx, "dev.auth.user-registered.v1-value", schema.Avro, text); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(registry.Validate(ctx, "dev.auth.user-registered.v1", []byte(`{"meta":{},"data":{"email":"a@b.c"}}`)))
	fmt.Println(registry.Validate(ctx, "dev.auth.user-registered.v1", []byte(`{"meta":{},"data":{"email":null}}`)))
	// Output:
	// <nil>
	// event does not fit dev.auth.user-registered.v1-value version 1: data.email: want string, got null
}
