package protos_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/tools/txtar"

	"github.com/suokelife/suokectl/pkg/lint"
	"github.com/suokelife/suokectl/pkg/lint/protos"
	"github.com/suokelife/suokectl/pkg/spec"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write what is found as what is wanted")

// TestCorpus checks each archive of testdata and compares with its file "want".
// The conformance tests hold the same corpus against buf.
func TestCorpus(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	for _, path := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			isWant := func(f txtar.File) bool { return f.Name == "want" }
			i := slices.IndexFunc(archive.Files, isWant)
			want := ""
			if i >= 0 {
				want = string(archive.Files[i].Data)
			}
			archive.Files = slices.DeleteFunc(archive.Files, isWant)
			got := findings(t, archive)
			if *update {
				archive.Files = append(archive.Files, txtar.File{Name: "want", Data: []byte(got)})
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// findings returns what is found in an archive, a line each.
func findings(t *testing.T, archive *txtar.Archive) string {
	t.Helper()
	var sources []*lint.Source
	for _, f := range archive.Files {
		sources = append(sources, lint.NewSource(f.Name, f.Data))
	}
	var b strings.Builder
	for _, f := range run(t, sources...).Findings {
		fmt.Fprintf(&b, "%s:%d:%d %s %s\n", f.File, f.Span.Start.Line, f.Span.Start.Column, f.Rule, f.Message)
	}
	return b.String()
}

func run(t testing.TB, sources ...*lint.Source) *lint.Report {
	t.Helper()
	report, err := lint.Run(t.Context(), []lint.Kind{protos.Kind(spec.Default())}, lint.Config{}, sources)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// TestSpecificationSample holds the proto of the specification to its own rules.
func TestSpecificationSample(t *testing.T) {
	text, err := os.ReadFile("testdata/auth.proto")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range run(t, lint.NewSource("suokelife/auth/v1/auth.proto", text)).Findings {
		if f.Severity == lint.Error {
			t.Errorf("%s at line %d: %s", f.Rule, f.Span.Start.Line, f.Message)
		}
	}
}

func TestBrokenFiles(t *testing.T) {
	const head = "syntax = \"proto3\";\npackage suokelife.a.v1;\n"
	tests := []struct {
		name, text string
		rule, at   string
	}{
		{"syntax error", head + "// Says what it is.\nmessage A {\n  string = 1;\n}\n", "COMPILE", "5:10"},
		{"cut short", head + "message A {", "COMPILE", "3:12"},
		{"binary", "\x00\x01\x02\xff\xfe", "COMPILE", "1:1"},
		{"invalid UTF-8", head + "// \xff\xfe\nmessage A\xff {}\n", "COMPILE", ""},
		{"UTF-16", "\xff\xfes\x00y\x00n\x00", "COMPILE", ""},
		{"unknown type", head + "// Says what it is.\nmessage A {\n  // The other one here.\n  Missing a = 1;\n}\n", "COMPILE", "6:3"},
		{"missing import", head + "import \"nowhere/x.proto\";\n", "COMPILE", "3:8"},
		{"import outside", head + "import \"../../../etc/passwd\";\n", "COMPILE", "3:8"},
		{"imports itself", head + "import \"suokelife/a/v1/a.proto\";\n", "COMPILE", ""},
		{"number twice", head + "// Says what it is.\nmessage A {\n  // The first of them.\n  string a = 1;\n  // The second of them.\n  string b = 1;\n}\n", "COMPILE", ""},
		{"empty", "", "SYNTAX_SPECIFIED", "1:1"},
		{"deeply nested", head + strings.Repeat("message A {", 5000) + strings.Repeat("}", 5000), "COMPILE", "3:5511"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			found := run(t, lint.NewSource("suokelife/a/v1/a.proto", []byte(tt.text))).Findings
			i := slices.IndexFunc(found, func(f lint.Finding) bool { return f.Rule == tt.rule })
			if i < 0 {
				t.Fatalf("no %s among %+v", tt.rule, found)
			}
			if at := fmt.Sprintf("%d:%d", found[i].Span.Start.Line, found[i].Span.Start.Column); tt.at != "" && at != tt.at {
				t.Errorf("at %s, want %s: %s", at, tt.at, found[i].Message)
			}
		})
	}
}

// TestMissingImportLeavesTheOtherRules shows that a dependency that is not
// there does not hide the defects of the file.
func TestMissingImportLeavesTheOtherRules(t *testing.T) {
	text := "syntax = \"proto3\";\npackage suokelife.a.v1;\nimport \"google/api/annotations.proto\";\n// A bad name below it.\nmessage bad_name {}\n"
	var rules []string
	for _, f := range run(t, lint.NewSource("suokelife/a/v1/a.proto", []byte(text))).Findings {
		rules = append(rules, f.Rule)
	}
	if want := []string{"COMPILE", "MESSAGE_PASCAL_CASE"}; !slices.Equal(rules, want) {
		t.Errorf("got %v, want %v", rules, want)
	}
}

func TestSecrets(t *testing.T) {
	tests := []struct {
		field, comment string
		found          bool
	}{
		{"string password", "The password of the user.", true},
		{"string password", "The password; hashed with argon2 and never logged.", false},
		{"string password", "密码（明文传输，使用TLS加密）", false},
		{"string password", "密码用于登录", true},
		{"string password", "What the user types for the login, to sign in.", true},
		{"string password", "Sent over mTLS.", false},
		{"string password [debug_redact = true]", "The password of the user.", false},
		{"string password [debug_redact = false]", "The password of the user.", true},
		{"string password", "仅经TLS传输的密码", false},
		{"string access_token", "What opens the door.", true},
		{"bytes private_key", "The key of the service.", true},
		{"string api_key", "The key of the caller.", true},
		{"string page_token", "Where the next page begins.", false},
		{"string token_type", "Bearer, always and for ever.", false},
		{"string secret_id", "Names it, and no more.", false},
		{"int64 token", "How many there are left.", false},
		{"string pinned", "Whether somebody has pinned it.", false},
	}
	for _, tt := range tests {
		field, options, _ := strings.Cut(tt.field, " [")
		if options != "" {
			options = " [" + options
		}
		text := "syntax = \"proto3\";\npackage suokelife.a.v1;\n// Carries one field only.\nmessage A {\n  // " + tt.comment + "\n  " + field + " = 1" + options + ";\n}\n"
		report := run(t, lint.NewSource("suokelife/a/v1/a.proto", []byte(text)))
		found := slices.ContainsFunc(report.Findings, func(f lint.Finding) bool { return f.Rule == "FIELD_SECRET_COMMENT" })
		if found != tt.found {
			t.Errorf("%s // %s: found %v (%+v)", tt.field, tt.comment, found, report.Findings)
		}
	}
}

// TestRoots shows how the root of imports is found out.
func TestRoots(t *testing.T) {
	proto := func(pkg string, imports ...string) string {
		text := "syntax = \"proto3\";\npackage " + pkg + ";\n"
		for _, i := range imports {
			text += "import public \"" + i + "\"; // suokectl\n"
		}
		return text
	}
	t.Chdir(t.TempDir())
	write(t, "by_package/suokelife/a/v1/a.proto", proto("suokelife.a.v1", "suokelife/b/v1/b.proto"))
	write(t, "by_package/suokelife/b/v1/b.proto", proto("suokelife.b.v1"))
	write(t, "by_package/misplaced.proto", proto("suokelife.c.v1"))
	write(t, "by_buf/buf.yaml", "version: v2\nmodules:\n  - path: api\n")
	write(t, "by_buf/api/suokelife/a/v1/a.proto", proto("suokelife.a.v1", "wrong/b.proto"))
	write(t, "by_buf/api/wrong/b.proto", proto("suokelife.b.v1"))
	kinds := []lint.Kind{protos.Kind(spec.Default())}
	sources, err := lint.Load(kinds, ".")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range run(t, sources...).Findings {
		if f.Rule == "COMPILE" || f.Rule == "PACKAGE_DIRECTORY_MATCH" {
			got = append(got, f.File+" "+f.Message)
		}
	}
	want := []string{
		`by_buf/api/wrong/b.proto files of package "suokelife.b.v1" belong into folder "suokelife/b/v1", but this one is in "wrong"`,
		`by_package/misplaced.proto files of package "suokelife.c.v1" belong into folder "suokelife/c/v1", but this one is in "."`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

// TestOneFileAlone shows that imports of a file that was named alone are found on disk.
func TestOneFileAlone(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "p/suokelife/a/v1/a.proto", "syntax = \"proto3\";\npackage suokelife.a.v1;\nimport \"suokelife/b/v1/b.proto\";\n// Uses the other file.\nmessage A {\n  // The other message here.\n  suokelife.b.v1.B b = 1;\n}\n")
	write(t, "p/suokelife/b/v1/b.proto", "syntax = \"proto3\";\npackage suokelife.b.v1;\nmessage B {}\n")
	kinds := []lint.Kind{protos.Kind(spec.Default())}
	sources, err := lint.Load(kinds, "p/suokelife/a/v1/a.proto")
	if err != nil {
		t.Fatal(err)
	}
	if report := run(t, sources...); len(report.Findings) > 0 {
		t.Errorf("got %+v", report.Findings)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestOtherOrganization(t *testing.T) {
	c := spec.Default()
	c.Organization = "acme"
	report, err := lint.Run(t.Context(), []lint.Kind{protos.Kind(c)}, lint.Config{}, []*lint.Source{lint.NewSource("acme/a/v1/a.proto", []byte("syntax = \"proto3\";\npackage acme.a.v1;\n"))})
	if err != nil || len(report.Findings) > 0 {
		t.Errorf("got %+v, %v", report, err)
	}
}

// TestRulesSayAllTheyShould holds the catalogue to being complete.
func TestRulesSayAllTheyShould(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range protos.Kind(spec.Default()).Rules {
		if r.ID == "" || r.Kind != protos.Name || r.Severity == "" || r.Summary == "" || r.Why == "" || r.Good == "" || r.Bad == "" {
			t.Errorf("rule %q is not complete: %+v", r.ID, r)
		}
		if seen[r.ID] {
			t.Errorf("rule %q is there twice", r.ID)
		}
		seen[r.ID] = true
	}
}

func FuzzCheck(f *testing.F) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range archives {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			f.Add(file.Data)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, found := range run(t, lint.NewSource("suokelife/a/v1/a.proto", text)).Findings {
			if s := found.Span; s.Start.Offset < 0 || s.End.Offset < s.Start.Offset || s.End.Offset > len(text) || found.Message == "" {
				t.Fatalf("finding %+v in %q", found, text)
			}
		}
	})
}

// BenchmarkCheck checks 200 files that import each other.
func BenchmarkCheck(b *testing.B) {
	var sources []*lint.Source
	for i := range 200 {
		text := fmt.Sprintf("syntax = \"proto3\";\npackage suokelife.s%d.v1;\n", i)
		if i > 0 {
			text += fmt.Sprintf("import \"suokelife/s%d/v1/s.proto\";\n", i-1)
		}
		for m := range 20 {
			text += fmt.Sprintf("// Holds the data of number %d.\nmessage M%d {\n  // The name that is shown.\n  string name = 1;\n}\n", m, m)
		}
		if i > 0 {
			text += fmt.Sprintf("// Uses the one before.\nmessage U {\n  // The one before it.\n  suokelife.s%d.v1.M1 m = 1;\n}\n", i-1)
		}
		sources = append(sources, lint.NewSource(fmt.Sprintf("suokelife/s%d/v1/s.proto", i), []byte(text)))
	}
	for b.Loop() {
		if report := run(b, sources...); len(report.Findings) > 0 {
			b.Fatalf("%+v", report.Findings[0])
		}
	}
}
