package topics_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/suokelife/suokectl/pkg/lint"
	"github.com/suokelife/suokectl/pkg/lint/topics"
	"github.com/suokelife/suokectl/pkg/spec"
)

const good = "dev.auth-service.user-registered.v1"

func TestTopics(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string // rule, the text at its place, and the fix if any
	}{
		{"good", good + "\n" + good + ".dlq\n" + good + ".parked\n", nil},
		{"no end of line", good, nil},
		{"CRLF and a byte order mark", "\ufeff" + good + "\r\n\r\n# a comment\r\n", nil},
		{"environment", "production.a.b.v1", []string{"TOPIC_ENVIRONMENT|production|name it prod.a.b.v1"}},
		{"service", "dev.AuthService.b.v1", []string{"TOPIC_SERVICE|AuthService|name it dev.auth-service.b.v1"}},
		{"event", "dev.a.user_registered.v1", []string{"TOPIC_EVENT|user_registered|name it dev.a.user-registered.v1"}},
		{"version", "dev.a.b.1", []string{"TOPIC_VERSION|1|name it dev.a.b.v1"}},
		{"parts", "orders", []string{"TOPIC_FORMAT|orders|"}},
		{"second in the line of others", good + "\n  x.a.b.v1\n", []string{"TOPIC_ENVIRONMENT|x|"}},
		{"length", "dev.a." + strings.Repeat("b", 240) + ".v1", []string{"TOPIC_LENGTH|dev.a." + strings.Repeat("b", 240) + ".v1|"}},
		{"characters", "dev.a.b c.v1", []string{"TOPIC_EVENT|b c|name it dev.a.b-c.v1", "TOPIC_CHARACTERS| |name it dev.a.b-c.v1"}},
		{"a # in a name is no comment", "dev.a.b#c.v1", []string{"TOPIC_EVENT|b#c|name it dev.a.b-c.v1", "TOPIC_CHARACTERS|#|name it dev.a.b-c.v1"}},
		{"dead letters of a bad name", "dev.a.B.v1\ndev.a.B.v1.dlq\ndev.a.B.v1.parked", []string{
			"TOPIC_EVENT|B|name it dev.a.b.v1", "TOPIC_EVENT|B|name it dev.a.b.v1.dlq", "TOPIC_EVENT|B|name it dev.a.b.v1.parked"}},
		{"orphan", good + ".dlq", []string{"TOPIC_ORPHAN_LETTERS|" + good + ".dlq|add it, or remove this one"}},
		{"twice", good + "\n" + good, []string{"TOPIC_DUPLICATE|" + good + "|remove one"}},
		{"collision", "dev.a.b.v1\ndev.a_b.v1", []string{"TOPIC_COLLISION|dev.a_b.v1|rename one", "TOPIC_FORMAT|dev.a_b.v1|"}},
		{"ignored behind the name", "orders # suokectl:ignore TOPIC_FORMAT as old as the hills", nil},
		{"ignored above it", "# suokectl:ignore TOPIC_FORMAT\norders\n", nil},
		{"ignored for the next name only", "# suokectl:ignore TOPIC_FORMAT\norders\nthings\n", []string{"TOPIC_FORMAT|things|"}},
		{"idle ignore", good + " # suokectl:ignore TOPIC_FORMAT", []string{"UNUSED_IGNORE|TOPIC_FORMAT|remove it"}},
		{"ignore of nothing", good + "\n# suokectl:ignore TOPIC_FORMAT\n", []string{"UNUSED_IGNORE|TOPIC_FORMAT|remove it"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			report, err := lint.Run(t.Context(), []lint.Kind{topics.Kind(spec.Default())}, lint.Config{}, []*lint.Source{lint.NewSource("topics.txt", []byte(tt.text))})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range report.Findings {
				got = append(got, f.Rule+"|"+tt.text[f.Span.Start.Offset:f.Span.End.Offset]+"|"+f.Fix)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

func TestRecognition(t *testing.T) {
	kind := topics.Kind(spec.Default())
	for name, want := range map[string]bool{"topics.txt": true, "a/topics.txt": true, "x.topics": true, "x.txt": false, "mytopics.txt": false, "topics.proto": false} {
		if got := kind.Candidate(name); got != want {
			t.Errorf("Candidate(%q) = %v", name, got)
		}
	}
	if kind.Recognize(lint.NewSource("x.topics", []byte("\x00\x01"))) {
		t.Error("binary was recognised")
	}
}
