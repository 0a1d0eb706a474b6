package events_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/lab/registry"
	"github.com/suokelife/suokectl/pkg/events/schema"
)

// withRegistry gives the console a registry that knows the topic's schema, and returns what ends it.
func withRegistry(t *testing.T, s *console) (stop func()) {
	t.Helper()
	server, err := registry.Start(registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	client, err := schema.New(schema.Config{URL: server.URL()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	const text = `{"type":"record","name":"E","fields":[{"name":"meta","type":{"type":"map","values":"string"}},{"name":"data","type":{"type":"map","values":"long"}}]}`
	if _, err := client.Register(t.Context(), registered+"-value", schema.Avro, text); err != nil {
		t.Fatal(err)
	}
	s.registry = server.URL()
	return func() { _ = server.Close() }
}

// TestDecodeWithoutTheRegistry: what cannot be decoded stays as it is and is told of; a registry that is away ends the
// reading, and is no reason to print what was asked for in another form.
func TestDecodeWithoutTheRegistry(t *testing.T) {
	s := newConsole(t)
	stop := withRegistry(t, s)
	ios := func(*iostreams.IOStreams) {}
	s.runWith(s.ctx, event("e-1"), ios, "produce", registered, "--framed").want(t, 0, "ACKED:    1", "")
	s.put(&kgo.Record{Value: schema.AppendFrame(nil, 77)}, &kgo.Record{Value: append(schema.AppendFrame(nil, 1), 0xff)}, &kgo.Record{Value: []byte(event("plain"))})
	r := s.run("consume", registered, "--until", "now", "--decode", "-o", "raw", "--by-time")
	r.want(t, 0, `"n":9007199254740993`, "framed values that could not be decoded, and are as they were: 2; the first: partition 0, offset ")
	r.want(t, 0, `"id":"plain"`, "")
	stop()
	for _, verb := range [][]string{{"consume", registered, "--until", "now"}, {"consume", registered, "--until", "now", "--by-time"}, {"search", registered, "--contains", "e-1"}} {
		s.dir = t.TempDir() // no process was here before
		s.run(append(verb, "--decode")...).want(t, 1, "", "schema registry unavailable")
	}
	s.runWith(s.ctx, event("e-2"), ios, "produce", registered, "--framed").want(t, 1, "ACKED:    0", "schema registry unavailable")
	s.registry = ""
	s.run("consume", registered, "--until", "now", "--decode").want(t, 1, "", "registry.url")
}
