package events

import (
	"errors"

	"github.com/suokelife/suokectl/pkg/lint"
	"github.com/suokelife/suokectl/pkg/spec"
)

// The ids of the rules.
const (
	notJSON = "EVENT_JSON"
	missing = "EVENT_FIELD_MISSING"
	invalid = "EVENT_FIELD_INVALID"
	badTime = "EVENT_TIME"
)

// rule returns the rule for a problem of an envelope.
func rule(c spec.Conventions, p spec.FieldProblem, err error) string {
	switch {
	case errors.Is(err, spec.ErrNotJSON):
		return notJSON
	case p.Got == "":
		return missing
	case p.Field == c.Envelope.Meta+"."+c.Envelope.Time:
		return badTime
	default:
		return invalid
	}
}

func rules() []lint.Rule {
	const good = `{"meta": {"id": "1", "type": "user-registered", "version": "v1", "source": "auth-service", "time": "2023-11-10T12:34:56Z", "correlation_id": "none"}, "data": {}}`
	return []lint.Rule{
		{ID: notJSON, Kind: Name, Severity: lint.Error, Good: good, Bad: `{"meta": {`,
			Summary: "Each line is one whole JSON object.",
			Why:     "A consumer can do nothing but dead-letter what it cannot decode."},
		{ID: missing, Kind: Name, Severity: lint.Error, Good: good, Bad: `{"meta": {"id": "1", "type": "user-registered"}}`,
			Summary: "An event has meta with id, type, version, source, time and correlation_id, and data.",
			Why:     "Consumers choose handlers by type, find repeats by id and trace requests by correlation_id."},
		{ID: invalid, Kind: Name, Severity: lint.Error, Good: good, Bad: `{"meta": {"id": 17, "version": "latest", …}, …}`,
			Summary: "The fields of meta are texts that are not empty, version is v1 or 1.0, and none is there twice.",
			Why:     "A reader in another language fails on another type, and takes the other of two."},
		{ID: badTime, Kind: Name, Severity: lint.Error, Good: `"time": "2023-11-10T12:34:56Z"`, Bad: `"time": "2023-11-10T12:34:56+00:00Z"`,
			Summary: "meta.time is RFC 3339, with an offset.",
			Why:     "A time without an offset is read as the reader's own zone; one that ends in +00:00Z most readers refuse."},
	}
}
