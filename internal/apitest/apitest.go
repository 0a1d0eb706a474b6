// Package apitest keeps the exported API of a package in a golden file, so that
// a change of it is a change that a reviewer sees. A package has
//
//	var update = flag.Bool("update", false, "rewrite testdata/api.txt")
//
//	func TestAPI(t *testing.T) { apitest.Golden(t, ".", *update) }
//
// Comments and unexported parts are left out.
package apitest

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Golden compares the API of the package in dir with its testdata/api.txt, or
// writes that file.
func Golden(t testing.TB, dir string, update bool) {
	t.Helper()
	got, err := Listing(dir)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "testdata", "api.txt")
	if update {
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: `go test -run TestAPI -update` writes it", err)
	}
	if difference := diff(string(want), string(got)); difference != "" {
		t.Errorf("the exported API has changed; when that is meant, `go test -run TestAPI -update`:\n%s", difference)
	}
}

// Listing returns the exported declarations of the package in dir, in order of
// their names, without comments.
func Listing(dir string) ([]byte, error) {
	files := token.NewFileSet()
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	var trees []*ast.File
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		trees = append(trees, tree)
	}
	if len(trees) == 0 {
		return nil, fmt.Errorf("%s holds no Go package", dir)
	}
	pkg, err := doc.NewFromFiles(files, trees, "./"+filepath.ToSlash(dir))
	if err != nil {
		return nil, err
	}
	l := listing{files: files}
	l.values(pkg.Consts)
	l.values(pkg.Vars)
	l.funcs(pkg.Funcs)
	for _, t := range pkg.Types {
		l.print(t.Decl)
		l.values(t.Consts)
		l.values(t.Vars)
		l.funcs(t.Funcs)
		l.funcs(t.Methods)
	}
	return l.text.Bytes(), l.err
}

type listing struct {
	files *token.FileSet
	text  bytes.Buffer
	err   error
}

func (l *listing) values(values []*doc.Value) {
	slices.SortFunc(values, func(a, b *doc.Value) int { return cmp.Compare(a.Names[0], b.Names[0]) })
	for _, v := range values {
		l.print(v.Decl)
	}
}

func (l *listing) funcs(funcs []*doc.Func) {
	for _, f := range funcs {
		f.Decl.Body = nil
		l.print(f.Decl)
	}
}

// print writes a declaration without its comments, and without the blank lines
// and the columns that change with them.
func (l *listing) print(decl ast.Node) {
	ast.Inspect(decl, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GenDecl:
			n.Doc = nil
		case *ast.FuncDecl:
			n.Doc = nil
		case *ast.TypeSpec:
			n.Doc, n.Comment = nil, nil
		case *ast.ValueSpec:
			n.Doc, n.Comment = nil, nil
		case *ast.Field:
			n.Doc, n.Comment = nil, nil
		}
		return true
	})
	var text bytes.Buffer
	if err := printer.Fprint(&text, l.files, decl); err != nil {
		l.err = err
	}
	for line := range strings.Lines(text.String()) {
		if words := strings.Fields(line); len(words) > 0 {
			l.text.WriteString(line[:len(line)-len(strings.TrimLeft(line, "\t"))] + strings.Join(words, " ") + "\n")
		}
	}
}

// diff returns the lines that only one of two texts has.
func diff(want, got string) string {
	var text strings.Builder
	only := func(mark, a, b string) {
		others := slices.Collect(strings.Lines(b))
		for line := range strings.Lines(a) {
			if i := slices.Index(others, line); i >= 0 {
				others = slices.Delete(others, i, i+1)
				continue
			}
			text.WriteString(mark + line)
		}
	}
	only("- ", want, got)
	only("+ ", got, want)
	if text.Len() == 0 && want != got {
		return "the order has changed\n"
	}
	return text.String()
}
