package spec_test

import (
	"strings"
	"testing"

	"github.com/suokelife/suokectl/pkg/spec"
)

func TestDefaultIsValid(t *testing.T) {
	if err := spec.Default().Validate(); err != nil {
		t.Error(err)
	}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name   string
		change func(*spec.Conventions)
		want   string
	}{
		{"no organization", func(c *spec.Conventions) { c.Organization = "" }, "organization is empty"},
		{"no field", func(c *spec.Conventions) { c.Envelope.CorrelationID = "" }, "envelope.correlation_id is empty"},
		{"no environments", func(c *spec.Conventions) { c.Topic.Environments = nil }, "topic.environments is empty"},
		{"bad environment", func(c *spec.Conventions) { c.Topic.Environments = []string{"a.b"} }, `topic.environments has "a.b"`},
		{"environment twice", func(c *spec.Conventions) { c.Topic.Environments = []string{"a", "a"} }, `"a" is used twice`},
		{"unknown placeholder", func(c *spec.Conventions) { c.Topic.Format = "{env}.{team}.{event}" }, "{team} is unknown"},
		{"placeholder twice", func(c *spec.Conventions) { c.Topic.Format = "{event}.{event}" }, "{event} is there twice"},
		{"no event", func(c *spec.Conventions) { c.Topic.Format = "{env}.{service}" }, "{event} is missing"},
		{"empty part", func(c *spec.Conventions) { c.Topic.Format = "{env}..{event}" }, `the part ""`},
		{"half a placeholder", func(c *spec.Conventions) { c.Topic.Format = "{env}.{event" }, `the part "{event"`},
		{"fields collide", func(c *spec.Conventions) { c.DeadLetter.Error = "id" }, `"id" is used twice`},
		{"sections collide", func(c *spec.Conventions) { c.Envelope.Data = "meta" }, `"meta" is used twice`},
		{"headers collide", func(c *spec.Conventions) { c.Headers.APIVersion = c.Headers.RequestID }, `"x-request-id" is used twice`},
		{"no suffix", func(c *spec.Conventions) { c.DeadLetter.Suffix = "" }, "dead_letter.suffix"},
		{"suffix with a space", func(c *spec.Conventions) { c.DeadLetter.ParkedSuffix = ". x" }, "dead_letter.parked_suffix"},
		{"no such retry", func(c *spec.Conventions) { c.RetryAfterDeadline = "never" }, `retry_after_deadline is "never": it is always or idempotent`},
		{"suffixes alike", func(c *spec.Conventions) { c.DeadLetter.ParkedSuffix = ".old.dlq" }, "cannot be told apart"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := spec.Default()
			tt.change(&c)
			if err := c.Validate(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
}
