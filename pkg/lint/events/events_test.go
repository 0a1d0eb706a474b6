package events_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/suokelife/suokectl/pkg/lint"
	"github.com/suokelife/suokectl/pkg/lint/events"
	"github.com/suokelife/suokectl/pkg/spec"
)

const good = `{"meta":{"id":"1","type":"user-registered","version":"v1","source":"auth-service","time":"2023-11-10T12:34:56Z","correlation_id":"none"},"data":{}}`

func TestEvents(t *testing.T) {
	tests := []struct {
		name, file, text string
		want             []string // rule, line and the text at its place
	}{
		{"good", "x.ndjson", good + "\n\n" + good + "\r\n", nil},
		{"good alone", "x.json", strings.ReplaceAll(good, ",", ",\n"), nil},
		{"time", "x.json", strings.Replace(good, "56Z", "56+00:00Z", 1), []string{`EVENT_TIME 1 "2023-11-10T12:34:56+00:00Z"`}},
		{"missing", "x.jsonl", good + "\n" + strings.Replace(good, `"id":"1",`, "", 1) + "\n", []string{"EVENT_FIELD_MISSING 2 {"}},
		{"no data", "x.ndjson", strings.Replace(good, `,"data":{}`, "", 1), []string{"EVENT_FIELD_MISSING 1 {"}},
		{"wrong", "x.ndjson", strings.Replace(good, `"id":"1"`, `"id":17`, 1), []string{"EVENT_FIELD_INVALID 1 17"}},
		{"long", "x.ndjson", strings.Replace(good, `"v1"`, `"`+strings.Repeat("é", 50)+`"`, 1), []string{`EVENT_FIELD_INVALID 1 "` + strings.Repeat("é", 29)}},
		{"not JSON", "x.ndjson", good + "\n" + good[:40] + "\n" + good, []string{"EVENT_JSON 2 " + good[:40]}},
		{"two in one file", "x.json", good + good, []string{"EVENT_JSON 1 " + good + good}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			report, err := lint.Run(t.Context(), []lint.Kind{events.Kind(spec.Default())}, lint.Config{}, []*lint.Source{lint.NewSource(tt.file, []byte(tt.text))})
			if err != nil {
				t.Fatal(err)
			}
			if report.Files != 1 {
				t.Fatal("the file was not recognised")
			}
			var got []string
			for _, f := range report.Findings {
				got = append(got, f.Rule+" "+string(rune('0'+f.Span.Start.Line))+" "+tt.text[f.Span.Start.Offset:f.Span.End.Offset])
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

func TestRecognition(t *testing.T) {
	kind := events.Kind(spec.Default())
	for text, want := range map[string]bool{
		good: true, `{"meta":{"id":1,"type":null}}`: true, `{"meta":{"id":"1"}}`: false, `{"meta":"id type"}`: false,
		`{"data":{"meta":{"id":"1","type":"x"}}}`: false, `[` + good + `]`: false, "": false, `{"meta":`: false, `"meta"`: false,
	} {
		if got := kind.Recognize(lint.NewSource("x.json", []byte(text))); got != want {
			t.Errorf("Recognize(%s) = %v", text, got)
		}
	}
}
