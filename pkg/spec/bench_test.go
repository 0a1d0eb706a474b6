package spec_test

import (
	"testing"

	"github.com/suokelife/suokectl/pkg/spec"
)

func BenchmarkParseTopic(b *testing.B) {
	c := spec.Default()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.ParseTopic("prod.auth-service.user-registered.v1"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseEvent(b *testing.B) {
	c, value := spec.Default(), []byte(event)
	b.ReportAllocs()
	b.SetBytes(int64(len(value)))
	for b.Loop() {
		if _, err := c.ParseEvent(value); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFitsTopic(b *testing.B) {
	c, value := spec.Default(), []byte(event)
	topic := spec.Topic{Env: "dev", Service: "auth-service", Event: "user-registered", Version: "v1"}
	b.ReportAllocs()
	b.SetBytes(int64(len(value)))
	for b.Loop() {
		if !c.FitsTopic(value, topic) {
			b.Fatal("it does not fit")
		}
	}
}

func BenchmarkFitter(b *testing.B) {
	c, value := spec.Default(), []byte(event)
	fitter := seasonedFitter(&c)
	b.ReportAllocs()
	b.SetBytes(int64(len(value)))
	for b.Loop() {
		if !fitter.Fits(value) {
			b.Fatal("it does not fit")
		}
	}
}

func BenchmarkDeadLetter(b *testing.B) {
	c, value := spec.Default(), []byte(event)
	b.ReportAllocs()
	b.SetBytes(int64(len(value)))
	for b.Loop() {
		out, place := c.AddDeadLetter(value, letter)
		c.StripDeadLetter(out, place)
	}
}

// TestAllocations holds what the hot paths may allocate: nothing for a name,
// one string for the fields of an envelope, the new value and its place for a
// letter, and back again with what the escapes of its error cost.
func TestAllocations(t *testing.T) {
	c, value := spec.Default(), []byte(event)
	out, place := c.AddDeadLetter(value, letter)
	for _, tt := range []struct {
		name string
		most float64
		run  func()
	}{
		{"ParseTopic", 0, func() { _, _ = c.ParseTopic("prod.auth-service.user-registered.v1") }},
		{"ParseEvent", 1, func() { _, _ = c.ParseEvent(value) }},
		{"AddDeadLetter", 2, func() { c.AddDeadLetter(value, letter) }},
		{"StripDeadLetter", 7, func() { c.StripDeadLetter(out, place) }},
	} {
		if got := testing.AllocsPerRun(100, tt.run); got > tt.most {
			t.Errorf("%s allocates %v times, want at most %v", tt.name, got, tt.most)
		}
	}
}
