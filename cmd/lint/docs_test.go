package lint_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/suokelife/suokectl/pkg/lint"
	"github.com/suokelife/suokectl/pkg/lint/events"
	"github.com/suokelife/suokectl/pkg/lint/protos"
	"github.com/suokelife/suokectl/pkg/lint/topics"
	"github.com/suokelife/suokectl/pkg/spec"
)

var update = flag.Bool("update", false, "write docs/rules anew")

// TestDocsAreNotStale holds docs/rules against the catalogue.
func TestDocsAreNotStale(t *testing.T) {
	c := spec.Default()
	pages := map[string]*strings.Builder{}
	index := &strings.Builder{}
	index.WriteString("# Lint rules\n\nMade from the catalogue, which `suokectl lint rules` prints. A rule marked *buf* has buf's id and finds what buf finds.\n")
	last := ""
	for _, r := range lint.Catalogue([]lint.Kind{protos.Kind(c), topics.Kind(c), events.Kind(c)}) {
		page := pages[r.Kind]
		if page == nil {
			page = &strings.Builder{}
			pages[r.Kind] = page
			fmt.Fprintf(page, "# Rules for %s\n", r.Kind)
		}
		if r.Kind != last {
			fmt.Fprintf(index, "\n## [%s](%s.md)\n\n| rule | severity | demands |\n|---|---|---|\n", r.Kind, r.Kind)
			last = r.Kind
		}
		buf := ""
		if r.Buf {
			buf = " · *buf*"
		}
		fmt.Fprintf(index, "| [%s](%s.md#%s)%s | %s | %s |\n", r.ID, r.Kind, strings.ToLower(r.ID), buf, r.Severity, r.Summary)
		fmt.Fprintf(page, "\n## %s\n\n%s%s\n\n%s\n\n%s\n\nGood:\n\n```\n%s\n```\n\nBad:\n\n```\n%s\n```\n", r.ID, r.Severity, buf, r.Summary, r.Why, r.Good, r.Bad)
	}
	pages["README"] = index
	for name, page := range pages {
		path := filepath.Join("..", "..", "docs", "rules", name+".md")
		if *update {
			if err := os.WriteFile(path, []byte(page.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(page.String(), string(got)); diff != "" {
			t.Errorf("%s is stale: go test ./cmd/lint -run Docs -update\n%s", path, diff)
		}
	}
}
