package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/suokelife/suokectl/internal/testenv"
	"github.com/suokelife/suokectl/pkg/lint"
	"github.com/suokelife/suokectl/pkg/lint/protos"
	"github.com/suokelife/suokectl/pkg/spec"
)

// bufConfig switches on all that our rules share with buf, and leaves out
// PROTOVALIDATE, which checks rules of another product.
const bufConfig = `version: v2
lint:
  use: [STANDARD, COMMENTS]
  except: [PROTOVALIDATE]
`

// TestLintAgreesWithBuf holds the rules under buf's ids against buf itself:
// the same ids at the same lines of the same files.
func TestLintAgreesWithBuf(t *testing.T) {
	buf := testenv.Tool(t, "buf")
	corpus, err := filepath.Abs("../pkg/lint/protos/testdata")
	if err != nil {
		t.Fatal(err)
	}
	archives, err := filepath.Glob(filepath.Join(corpus, "*.txtar"))
	if err != nil || len(archives) == 0 {
		t.Fatalf("no corpus in %s: %v", corpus, err)
	}
	for _, archive := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(archive), ".txtar"), func(t *testing.T) {
			dir := t.TempDir()
			unpack(t, archive, dir)
			t.Chdir(dir)
			agree(t, buf)
		})
	}
}

// TestLintAgreesWithBufOnIstio does the same over protos of other people: those
// of Istio's API with all that they import, in two modules.
func TestLintAgreesWithBufOnIstio(t *testing.T) {
	buf := testenv.Tool(t, "buf")
	source, err := testenv.IstioAPI()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, protosOnly{os.DirFS(source)}); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	config := "version: v2\nmodules:\n  - path: .\n    excludes: [common-protos]\n  - path: common-protos\n" + strings.TrimPrefix(bufConfig, "version: v2\n")
	if err := os.WriteFile("buf.yaml", []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	agree(t, buf)
}

// protosOnly hides all files but protos, and the folders whose protos import
// some that Istio does not carry.
type protosOnly struct{ fs.FS }

// ReadDir is what fs.WalkDir asks for.
func (p protosOnly) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(p.FS, name)
	broken := []string{"servicecontrol", "servicemanagement", "util"}
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool {
		return slices.Contains(broken, e.Name()) || !e.IsDir() && filepath.Ext(e.Name()) != ".proto"
	}), err
}

// agree compares the findings of both in the working folder.
func agree(t *testing.T, buf string) {
	t.Helper()
	want, got := runBuf(t, buf), runOurs(t)
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("buf does not find %s", line)
		}
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("buf finds, and we do not, %s", line)
		}
	}
	if len(want) == 0 {
		t.Error("buf finds nothing: the case proves nothing")
	}
	t.Logf("%d findings", len(want))
}

func unpack(t *testing.T, archive, dir string) {
	t.Helper()
	a, err := txtar.ParseFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	files := append(slices.DeleteFunc(a.Files, func(f txtar.File) bool { return f.Name == "want" }),
		txtar.File{Name: "buf.yaml", Data: []byte(bufConfig)})
	for _, f := range files {
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// runBuf returns what buf finds in the working folder, as path:line rule.
func runBuf(t *testing.T, buf string) []string {
	t.Helper()
	cmd := exec.Command(buf, "lint", "--error-format=json")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 100) {
		t.Fatalf("buf: %v\n%s%s", err, out, &stderr)
	}
	var lines []string
	for line := range bytes.Lines(out) {
		var f struct {
			Path string
			Line int `json:"start_line"`
			Type string
		}
		if err := json.Unmarshal(line, &f); err != nil {
			t.Fatalf("buf printed %s: %v", line, err)
		}
		lines = append(lines, fmt.Sprintf("%s:%d %s", f.Path, max(1, f.Line), f.Type))
	}
	return lines
}

// runOurs returns what we find under buf's ids, likewise.
func runOurs(t *testing.T) []string {
	t.Helper()
	kinds := []lint.Kind{protos.Kind(spec.Default())}
	sources, err := lint.Load(kinds, ".")
	if err != nil {
		t.Fatal(err)
	}
	report, err := lint.Run(t.Context(), kinds, lint.Config{}, sources)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, f := range report.Findings {
		if rule, err := lint.FindRule(lint.Catalogue(kinds), f.Rule); err == nil && rule.Buf {
			lines = append(lines, fmt.Sprintf("%s:%d %s", f.File, f.Span.Start.Line, f.Rule))
		}
	}
	return lines
}
