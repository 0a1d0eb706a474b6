package schema_test

import (
	"testing"

	contract "github.com/suokelife/suokectl/internal/contract/registry"
	"github.com/suokelife/suokectl/pkg/events/schema"
)

func parse(t testing.TB, kind schema.Type, text string, imports ...schema.Import) *schema.Parsed {
	t.Helper()
	p, err := schema.Parse(schema.Definition{Type: kind, Text: text, Imports: imports})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return p
}

// TestPublishedVerdicts: what Confluent's tests say is said here too.
func TestPublishedVerdicts(t *testing.T) {
	counts := map[string]int{}
	for _, v := range contract.AllPublished() {
		t.Run(v.Type+" "+v.Name, func(t *testing.T) {
			counts[v.Type]++
			var imports []schema.Import
			if v.Type == "PROTOBUF" {
				for name, text := range v.Files {
					imports = append(imports, schema.Import{Name: name, Text: text})
				}
			}
			writer, reader := parse(t, schema.Type(v.Type), v.Writer, imports...), parse(t, schema.Type(v.Type), v.Reader, imports...)
			violations := schema.Unreadable(reader, writer)
			if (len(violations) == 0) != v.Readable {
				t.Errorf("readable is %t, want %t: %v\nwritten by %s\nread by    %s", !v.Readable, v.Readable, violations, v.Writer, v.Reader)
			}
			for _, violation := range violations {
				if violation.Path == "" || violation.Message == "" {
					t.Errorf("a violation says nothing: %+v", violation)
				}
			}
		})
	}
	t.Logf("verdicts: %v", counts)
}
