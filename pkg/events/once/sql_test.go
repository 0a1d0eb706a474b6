package once_test

import (
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/events/once"
)

// What the store does is tested on real databases, in conformance/once_test.go.

var _ events.Store[*sql.Tx] = (*once.SQL)(nil)

func TestNewSQLTakesNoNonsense(t *testing.T) {
	for name, c := range map[string]struct {
		dialect once.Dialect
		options once.Options
		want    string // of the error; empty for none
	}{
		"defaults":            {once.SQLite, once.Options{}, ""},
		"a schema":            {once.PostgreSQL, once.Options{Table: "billing.marks"}, ""},
		"no dialect":          {0, once.Options{}, "neither PostgreSQL nor SQLite"},
		"statements as table": {once.SQLite, once.Options{Table: "marks; DROP TABLE users"}, "cannot be the name of a table"},
		"a negative time":     {once.SQLite, once.Options{Keep: -time.Hour}, "cannot be kept"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := once.NewSQL(nil, c.dialect, c.options)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func TestSchemaNamesTheTable(t *testing.T) {
	s, err := once.NewSQL(nil, once.PostgreSQL, once.Options{Table: "billing.marks"})
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(s.Schema(), ";")
	for _, want := range []string{"billing.marks (id TEXT PRIMARY KEY", "marks_by_time ON billing.marks (marked_at)"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
}
