package load_test

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/pkg/rpc/load"
)

const people = "\ufeffname,age\nada,36\n\"grace \"\"amazing\"\" hopper\",85\n"

func table(t testing.TB, text string) *load.Table {
	t.Helper()
	table, err := load.ReadTable(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func render(t testing.TB, text string, seed, n uint64) string {
	t.Helper()
	template, err := load.ParseTemplate(text, table(t, people), seed)
	if err != nil {
		t.Fatal(err)
	}
	out, err := template.Render(n)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestTemplates(t *testing.T) {
	for text, want := range map[string]string{
		`{"n":{{.N}}}`:                    `^{"n":3}$`,
		`{{.Row.name}} {{.Row.age}}`:      `^ada 36$`,
		`{{int 5 5}}`:                     `^5$`,
		`{{int -3 -1}}`:                   `^-[123]$`,
		`{{float 2 3}}`:                   `^2(\.\d+)?$`,
		`{{string 12}}`:                   `^[a-zA-Z0-9]{12}$`,
		`{{string 0}}`:                    `^$`,
		`{{uuid}}`:                        `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`,
		`{{pick "a" "b"}}`:                `^[ab]$`,
		`{{json (pick "x\"y")}}`:          `^"x\\"y"$`,
		`{{if eq .Row.age "36"}}y{{end}}`: `^y$`,
		`{{int -9223372036854775808 9223372036854775807}}`: `^-?\d+$`,
	} {
		if got := render(t, text, 1, 2); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("%s made %q, want %s", text, got, want)
		}
	}
	if got := render(t, `{{json .Row.name}}`, 1, 1); got != `"grace \"amazing\" hopper"` {
		t.Errorf("a quoted name: %s", got)
	}
}

func TestARequestDependsOnItsNumberAndTheSeedAlone(t *testing.T) {
	const text = `{{.N}} {{int 0 1000000}} {{string 8}} {{uuid}} {{.Row.name}}`
	rapid.Check(t, func(r *rapid.T) {
		seed, n := rapid.Uint64().Draw(r, "seed"), rapid.Uint64Max(1<<40).Draw(r, "n")
		template, err := load.ParseTemplate(text, table(t, people), seed)
		if err != nil {
			r.Fatal(err)
		}
		first, _ := template.Render(n)
		_, _ = template.Render(n + 1)
		again, _ := template.Render(n)
		other, _ := template.Render(n + 2) // of the same row
		if string(first) != string(again) || string(first) == string(other) || string(first) == render(t, text, seed+1, n) {
			r.Errorf("%q, again %q, another %q", first, again, other)
		}
	})
}

func TestJSONOfAnyTextIsThatText(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		want := strings.ToValidUTF8(rapid.String().Draw(r, "text"), "")
		var csv strings.Builder
		csv.WriteString("v,w\n\"" + strings.ReplaceAll(want, `"`, `""`) + "\",\n")
		want = strings.ReplaceAll(want, "\r\n", "\n") // as CSV reads it
		template, err := load.ParseTemplate(`{{json .Row.v}}`, table(t, csv.String()), 1)
		if err != nil {
			r.Fatal(err)
		}
		text, err := template.Render(7)
		var got string
		if err != nil || json.Unmarshal(text, &got) != nil || got != want {
			r.Errorf("%q became %s, %v", want, text, err)
		}
	})
}

func TestTemplatesThatCannotBeUsed(t *testing.T) {
	for _, text := range []string{`{{`, `{{nothing}}`, `{{.Row.nobody}}`, `{{int 2 1}}`, `{{pick}}`, `{{string -1}}`, `{{string 9999999999}}`, `{{.N.x}}`} {
		template, err := load.ParseTemplate(text, table(t, people), 1)
		if err == nil {
			_, err = template.Render(0)
		}
		if !errors.Is(err, load.ErrTemplate) {
			t.Errorf("%s: %v", text, err)
		}
	}
	bare, err := load.ParseTemplate(`{{.Row.name}}`, nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bare.Render(0); !errors.Is(err, load.ErrTemplate) {
		t.Errorf("no table: %v", err)
	}
}

func TestTablesThatCannotBeUsed(t *testing.T) {
	for name, text := range map[string]string{
		"nothing": "", "names alone": "a,b\n", "a name twice": "a,a\n1,2\n", "a name that is empty": "a,\n1,2\n",
		"a row that is short": "a,b\n1\n", "a row that is long": "a,b\n1,2,3\n", "a quote that is open": "a\n\"1\n",
	} {
		if _, err := load.ReadTable(strings.NewReader(text)); !errors.Is(err, load.ErrTemplate) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzTemplate(f *testing.F) {
	f.Add(`{"a":{{.N}},"b":{{json .Row.name}}}`, people)
	f.Add(`{{uuid}}{{string 3}}{{int 1 2}}{{float 0 1}}{{pick 1 2}}`, "a\n1\n")
	f.Add(`{{range $k, $v := .Row}}{{$k}}{{$v}}{{end}}`, "a;b\n\"\n")
	f.Add(`{{`, "")
	f.Fuzz(func(t *testing.T, text, csv string) {
		if strings.Contains(text, "string") || strings.Contains(text, "range") || strings.Contains(text, "printf") {
			return // which may be long, and is meant to
		}
		rows, err := load.ReadTable(strings.NewReader(csv))
		if err != nil && !errors.Is(err, load.ErrTemplate) {
			t.Errorf("ReadTable: %v", err)
		}
		template, err := load.ParseTemplate(text, rows, 1)
		if err != nil {
			if !errors.Is(err, load.ErrTemplate) {
				t.Errorf("ParseTemplate: %v", err)
			}
			return
		}
		for n := range uint64(3) {
			first, err := template.Render(n)
			again, _ := template.Render(n)
			if string(first) != string(again) || err != nil && !errors.Is(err, load.ErrTemplate) {
				t.Errorf("request %d: %q, then %q; %v", n, first, again, err)
			}
		}
	})
}
