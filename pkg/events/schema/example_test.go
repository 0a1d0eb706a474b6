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

// ExampleIncompatible decides without a registry whether a schema may follow another.
func ExampleIncompatible() {
	parse := func(text string) *schema.Parsed {
		p, err := schema.Parse(schema.Definition{Type: schema.Avro, Text: text})
		if err != nil {
			panic(err)
		}
		return p
	}
	old := parse(`{"type":"record","name":"User","fields":[{"name":"id","type":"int"}]}`)
	candidate := parse(`{"type":"record","name":"User","fields":[{"name":"id","type":"long"},{"name":"email","type":"string"}]}`)
	for _, mode := range []schema.Mode{schema.ModeNone, schema.ModeBackward, schema.ModeForward} {
		fmt.Println(mode, schema.Incompatible(mode, candidate, old))
	}
	// Output:
	// NONE []
	// BACKWARD [the new schema cannot read data of the old one: email: the reader wants this field, which has no default and is not written]
	// FORWARD [the old schema cannot read data of the new one: id: long cannot be read as int]
}

// ExampleDiff shows what changed.
func ExampleDiff() {
	parse := func(text string) *schema.Parsed {
		p, err := schema.Parse(schema.Definition{Type: schema.Protobuf, Text: `syntax = "proto3"; ` + text})
		if err != nil {
			panic(err)
		}
		return p
	}
	for _, c := range schema.Diff(parse(`message Order { int32 count = 1; string note = 2; }`), parse(`message Order { int64 count = 1; }`)) {
		fmt.Printf("%s %s: %q, now %q\n", c.Kind, c.Path, c.Before, c.After)
	}
	// Output:
	// changed Order.count: "int32 = 1", now "int64 = 1"
	// removed Order.note: "string = 2", now ""
}

// ExampleRegistry_Encode writes the wire format, and reads it.
func ExampleRegistry_Encode() {
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
	const text = `{"type":"record","name":"E","fields":[{"name":"meta","type":{"type":"map","values":"string"}},{"name":"data","type":"long"}]}`
	if _, err := registry.Register(ctx, "dev.demo.count.v1-value", schema.Avro, text); err != nil {
		fmt.Println(err)
		return
	}
	framed, err := registry.Encode(ctx, "dev.demo.count.v1", []byte(`{"meta":{},"data":7}`))
	fmt.Printf("% x %v\n", framed, err)
	value, err := registry.Decode(ctx, framed)
	fmt.Println(string(value), err)
	_, err = registry.Decode(ctx, []byte(`{"meta":{},"data":7}`))
	fmt.Println(err)
	// Output:
	// 00 00 00 00 01 00 0e <nil>
	// {"meta":{},"data":7} <nil>
	// not framed for a schema registry
}
