package lint_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/pkg/lint"
	"github.com/suokelife/suokectl/pkg/lint/events"
	"github.com/suokelife/suokectl/pkg/lint/protos"
	"github.com/suokelife/suokectl/pkg/lint/topics"
	"github.com/suokelife/suokectl/pkg/spec"
)

var update = flag.Bool("update", false, "write what the reports are as what is wanted")

func kinds() []lint.Kind {
	c := spec.Default()
	return []lint.Kind{protos.Kind(c), topics.Kind(c), events.Kind(c)}
}

// sample has a finding of each kind, with tabs, wide characters, a control
// sequence, a long line and a suppressed finding.
func sample(t *testing.T) *lint.Report {
	t.Helper()
	long := strings.Repeat("x", 300)
	report, err := lint.Run(t.Context(), kinds(), lint.Config{}, []*lint.Source{
		lint.NewSource("suokelife/a/v1/a.proto", []byte("syntax = \"proto3\";\npackage suokelife.a.v1;\n\n// 用户信息\nmessage A {\n\t/* 用户名称 */ string userName = 1;\n"+
			"\t// Kept for old readers, who need it.\n\t// suokectl:ignore FIELD_LOWER_SNAKE_CASE,COMMENT_FIELD they do\n\tstring oldName = 2;\n}\n")),
		lint.NewSource("topics.txt", []byte("dev.auth-service.user-registered.v1\nproduction.auth.x.v1 # mistyped\n\x1b[31mred.a.b.v1\n"+long+".b.c.v1\n")),
		lint.NewSource("a b.ndjson", []byte(`{"meta":{"id":"1","type":"😀","version":"v1","source":"a","time":"2023-11-10T12:34:56","correlation_id":"none"},"data":{}}`+"\nnot JSON\n")),
		lint.NewSource("README.md", []byte("nobody's file")),
	})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestReports(t *testing.T) {
	report := sample(t)
	if report.Files != 3 {
		t.Errorf("%d files were checked, want 3", report.Files)
	}
	mark := func(name string) func(string) string {
		return func(text string) string { return "<" + name + ">" + text + "</>" }
	}
	clean := func(text string) string { return strings.ReplaceAll(text, "\x1b", "␛") }
	for name, write := range map[string]func(*bytes.Buffer) error{
		"text": func(b *bytes.Buffer) error { return report.WriteText(b, lint.Style{}) },
		"styled": func(b *bytes.Buffer) error {
			return report.WriteText(b, lint.Style{Clean: clean, Bold: mark("b"), Dim: mark("d"), Bad: mark("!"), Warn: mark("?")})
		},
		"json":  func(b *bytes.Buffer) error { return report.WriteJSON(b) },
		"sarif": func(b *bytes.Buffer) error { return report.WriteSARIF(b) },
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := write(&b); err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", "report."+name)
			if *update {
				if err := os.WriteFile(golden, b.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), b.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReportsOfNothing(t *testing.T) {
	report, err := lint.Run(t.Context(), kinds(), lint.Config{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var text, list, sarif bytes.Buffer
	if err := errors.Join(report.WriteText(&text, lint.Style{}), report.WriteJSON(&list), report.WriteSARIF(&sarif)); err != nil {
		t.Fatal(err)
	}
	if text.Len() > 0 || strings.TrimSpace(list.String()) != "[]" {
		t.Errorf("text %q, json %q", &text, &list)
	}
	var log struct {
		Runs []struct {
			Results *[]any
			Tool    struct{ Driver struct{ Rules *[]any } }
		}
	}
	if err := json.Unmarshal(sarif.Bytes(), &log); err != nil {
		t.Fatal(err)
	}
	if len(log.Runs) != 1 || log.Runs[0].Results == nil || log.Runs[0].Tool.Driver.Rules == nil {
		t.Errorf("a SARIF run without results says that nothing was run: %s", &sarif)
	}
}

// TestSARIFColumns holds the columns against utf16.Encode.
func TestSARIFColumns(t *testing.T) {
	var b bytes.Buffer
	if err := sample(t).WriteSARIF(&b); err != nil {
		t.Fatal(err)
	}
	var log struct {
		Runs []struct {
			Results []struct {
				RuleID    string
				Locations []struct {
					PhysicalLocation struct {
						Region struct{ StartColumn, EndColumn int }
					}
				}
			}
		}
	}
	if err := json.Unmarshal(b.Bytes(), &log); err != nil {
		t.Fatal(err)
	}
	want := map[string][2]int{
		"FIELD_LOWER_SNAKE_CASE": columns("\t/* 用户名称 */ string ", "userName"),
		"EVENT_TIME":             columns(`{"meta":{"id":"1","type":"😀","version":"v1","source":"a","time":`, `"2023-11-10T12:34:56"`),
	}
	for _, r := range log.Runs[0].Results {
		region := r.Locations[0].PhysicalLocation.Region
		if columns, ok := want[r.RuleID]; ok && columns != [2]int{region.StartColumn, region.EndColumn} {
			t.Errorf("%s is at %+v, want %v", r.RuleID, region, columns)
		}
		delete(want, r.RuleID)
	}
	if len(want) > 0 {
		t.Errorf("not found: %v", want)
	}
}

func columns(before, marked string) [2]int {
	start := len(utf16.Encode([]rune(before))) + 1
	return [2]int{start, start + len(utf16.Encode([]rune(marked)))}
}

// TestFingerprintsOutliveEdits shows that a line that is put in above changes none.
func TestFingerprintsOutliveEdits(t *testing.T) {
	fingerprints := func(text string) []string {
		report, err := lint.Run(t.Context(), kinds(), lint.Config{}, []*lint.Source{lint.NewSource("topics.txt", []byte(text))})
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := report.WriteSARIF(&b); err != nil {
			t.Fatal(err)
		}
		var out []string
		for line := range strings.Lines(b.String()) {
			if strings.Contains(line, "suokectl/v1") {
				out = append(out, line)
			}
		}
		return out
	}
	before, after := fingerprints("a\nb\n"), fingerprints("# a comment\ndev.x.y.v1\na\nb\n")
	if len(before) == 0 || !slices.Equal(before, after) || len(slices.Compact(slices.Sorted(slices.Values(before)))) != len(before) {
		t.Errorf("before %q\nafter %q", before, after)
	}
}

func TestWriteErrorsAreReturned(t *testing.T) {
	report, broken := sample(t), brokenWriter{}
	for name, err := range map[string]error{
		"text": report.WriteText(broken, lint.Style{}), "json": report.WriteJSON(broken), "sarif": report.WriteSARIF(broken),
	} {
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, fs.ErrClosed }

func TestIgnores(t *testing.T) {
	tests := []struct {
		name, comment string
		want          []string // rules that are left
	}{
		{"none", "", []string{"FIELD_LOWER_SNAKE_CASE"}},
		{"ours", "suokectl:ignore FIELD_LOWER_SNAKE_CASE", nil},
		{"ours with a reason", "suokectl:ignore FIELD_LOWER_SNAKE_CASE it is old", nil},
		{"buf's", "buf:lint:ignore FIELD_LOWER_SNAKE_CASE", nil},
		{"two, of which one is idle", "suokectl:ignore FIELD_LOWER_SNAKE_CASE,COMMENT_FIELD", []string{lint.UnusedIgnore}},
		{"of no rule", "suokectl:ignore FIELD_SNAKE", []string{lint.UnusedIgnore, "FIELD_LOWER_SNAKE_CASE"}},
		{"of a rule that only buf has", "buf:lint:ignore PROTOVALIDATE", []string{"FIELD_LOWER_SNAKE_CASE"}},
		{"without a rule", "suokectl:ignore", []string{"FIELD_LOWER_SNAKE_CASE"}},
		{"empty rules", "suokectl:ignore ,,FIELD_LOWER_SNAKE_CASE,", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := "syntax = \"proto3\";\npackage suokelife.a.v1;\n// Holds one field only.\nmessage A {\n  // The name that is shown.\n  // " + tt.comment + "\n  string userName = 1;\n}\n"
			report, err := lint.Run(t.Context(), kinds(), lint.Config{}, []*lint.Source{lint.NewSource("suokelife/a/v1/a.proto", []byte(text))})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range report.Findings {
				got = append(got, f.Rule)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stopped")
	cancel(stop)
	_, err := lint.Run(ctx, kinds(), lint.Config{}, []*lint.Source{lint.NewSource("topics.txt", []byte("x\n"))})
	if !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
}

func TestLoad(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{
		"a.proto": "", "sub/b.proto": "", "sub/topics.txt": "x\n", "sub/x.topics": "x\n",
		".hidden/c.proto": "", "vendor/d.proto": "", "node_modules/e.proto": "", "testdata/f.proto": "",
		"notes.txt": "topics", "config.json": `{"meta":{"name":"x"}}`, "event.json": `{"meta":{"id":"1","type":"x"}}`,
		"list.json": `[1]`, "bad.ndjson": `{"meta":`, "binary.topics": "\x00\x01", "empty.jsonl": "",
	} {
		write(t, name, []byte(text))
	}
	write(t, "huge.proto", make([]byte, lint.MaxFileSize+1))
	if err := os.Symlink("nowhere", "dangling.proto"); err != nil {
		t.Fatal(err)
	}
	sources, err := lint.Load(kinds(), ".", "./sub", "sub/b.proto", ".hidden/c.proto")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range sources {
		got = append(got, s.Name)
	}
	want := []string{"a.proto", "event.json", "sub/b.proto", "sub/topics.txt", "sub/x.topics", ".hidden/c.proto"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestLoadErrors(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "good.proto", nil)
	write(t, "notes.txt", []byte("x"))
	write(t, "huge.proto", make([]byte, lint.MaxFileSize+1))
	for path, want := range map[string]error{"nowhere": fs.ErrNotExist, "notes.txt": lint.ErrUnrecognized, "huge.proto": nil} {
		sources, err := lint.Load(kinds(), path, "good.proto")
		if err == nil || want != nil && !errors.Is(err, want) || !strings.Contains(err.Error(), path) {
			t.Errorf("Load(%q): %v", path, err)
		}
		if len(sources) != 1 {
			t.Errorf("Load(%q) does not go on behind it: %v", path, sources)
		}
	}
}

func write(t *testing.T, name string, text []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestFindRule(t *testing.T) {
	rules := lint.Catalogue(kinds())
	for _, id := range []string{"TOPIC_EVENT", "topic-event", "Topic_Event"} {
		if rule, err := lint.FindRule(rules, id); err != nil || rule.ID != "TOPIC_EVENT" {
			t.Errorf("FindRule(%q) = %q, %v", id, rule.ID, err)
		}
	}
	if _, err := lint.FindRule(rules, "NO_SUCH"); !errors.Is(err, lint.ErrUnknownRule) {
		t.Errorf("got %v", err)
	}
}

func TestCatalogueIsComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range lint.Catalogue(kinds()) {
		if r.ID == "" || seen[r.ID] || r.Severity == "" || r.Summary == "" || r.Why == "" || r.Good == "" || r.Bad == "" {
			t.Errorf("rule %+v is not complete, or there twice", r)
		}
		seen[r.ID] = true
	}
}

// TestPositions holds lines and columns against a count by hand.
func TestPositions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SliceOf(rapid.SampledFrom([]byte("ab\n\r\xe4\t"))).Draw(t, "text")
		offset := rapid.IntRange(-3, len(text)+3).Draw(t, "offset")
		got := lint.NewSource("x", text).Position(offset)
		offset = min(max(offset, 0), len(text))
		before := text[:offset]
		want := lint.Position{Offset: offset, Line: bytes.Count(before, []byte("\n")) + 1, Column: offset - bytes.LastIndexByte(before, '\n')}
		if got != want {
			t.Fatalf("got %+v, want %+v", got, want)
		}
		source := lint.NewSource("x", text)
		lines := strings.Split(string(text), "\n")
		if line := source.Line(got.Line); string(line) != strings.TrimSuffix(lines[got.Line-1], "\r") {
			t.Fatalf("line %d is %q", got.Line, line)
		}
	})
}

func FuzzRun(f *testing.F) {
	f.Add("x.topics", []byte("dev.a.b.v1 # suokectl:ignore TOPIC_EVENT\n"))
	f.Add("x.ndjson", []byte(`{"meta":{"id":1,"type":null}}`+"\n{"))
	f.Add("x.json", []byte(`{"meta":{"id":"","time":"2023"},"meta":{"id":1,"x":[]}}`))
	f.Fuzz(func(t *testing.T, name string, text []byte) {
		report, err := lint.Run(t.Context(), kinds()[1:], lint.Config{}, []*lint.Source{lint.NewSource(name, text)})
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range report.Findings {
			if s := found.Span; s.Start.Line < 1 || s.End.Offset < s.Start.Offset || s.End.Offset > len(text) || found.Severity == "" {
				t.Fatalf("%+v", found)
			}
		}
		var b bytes.Buffer
		if err := errors.Join(report.WriteText(&b, lint.Style{}), report.WriteSARIF(&b)); err != nil {
			t.Fatal(err)
		}
	})
}
