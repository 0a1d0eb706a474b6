package protos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/linker"
	"github.com/bufbuild/protocompile/reporter"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/suokelife/suokectl/pkg/lint"
)

// compile links the files of each root and returns what the compiler finds:
// errors, and imports that nothing uses. Imports are looked for among the
// files, then on disk below the roots. The protos of google/protobuf are built in.
func compile(ctx context.Context, files []*file) ([]lint.Finding, error) {
	byRoot := map[string][]*file{}
	var roots []string
	for _, f := range files {
		if byRoot[f.root] == nil {
			roots = append(roots, f.root)
		}
		byRoot[f.root] = append(byRoot[f.root], f)
	}
	slices.Sort(roots)
	var findings []lint.Finding
	for i, root := range roots {
		c := compilation{byPath: map[string]*file{}, roots: slices.Concat([]string{root}, roots[:i], roots[i+1:])}
		for _, r := range c.roots {
			c.know(byRoot[r])
		}
		if err := c.run(ctx, byRoot[root]); err != nil {
			return nil, err
		}
		findings = append(findings, c.findings...)
	}
	return findings, nil
}

type compilation struct {
	roots    []string         // the own first
	byPath   map[string]*file // of all roots, the own before others
	explicit map[string]bool  // the files that are compiled, and not only imported
	mu       sync.Mutex       // guards findings: the compiler reports from several goroutines
	findings []lint.Finding
}

func (c *compilation) know(files []*file) {
	for _, f := range files {
		if c.byPath[f.path] == nil {
			c.byPath[f.path] = f
		}
	}
}

func (c *compilation) run(ctx context.Context, files []*file) error {
	c.explicit = map[string]bool{}
	var paths []string
	for _, f := range files {
		if c.importsExist(f) && !c.explicit[f.path] {
			paths = append(paths, f.path)
			c.explicit[f.path] = true
		}
	}
	compiler := protocompile.Compiler{
		Resolver: protocompile.WithStandardImports(protocompile.ResolverFunc(c.find)),
		Reporter: reporter.NewReporter(c.reportError, c.reportWarning),
	}
	_, err := compiler.Compile(ctx, paths...)
	var crash protocompile.PanicError
	if errors.As(err, &crash) {
		return crash
	}
	return ctx.Err() // all else has been reported
}

func (c *compilation) find(name string) (protocompile.SearchResult, error) {
	if f := c.byPath[name]; f != nil {
		// Not its AST: that has the name of the source, not the import path.
		return protocompile.SearchResult{Source: bytes.NewReader(f.src.Text)}, nil
	}
	if disk := c.onDisk(name); disk != "" {
		file, err := os.Open(disk)
		return protocompile.SearchResult{Source: file}, err // the compiler closes it
	}
	return protocompile.SearchResult{}, protoregistry.NotFound
}

// onDisk returns where below the roots an import is, or "".
func (c *compilation) onDisk(name string) string {
	if !filepath.IsLocal(filepath.FromSlash(name)) {
		return ""
	}
	for _, root := range c.roots {
		disk := filepath.FromSlash(path.Join(root, name))
		if info, err := os.Stat(disk); err == nil && info.Mode().IsRegular() {
			return disk
		}
	}
	return ""
}

// importsExist reports each import that is nowhere, which the compiler does for
// the first one only. A file that lacks one cannot be linked.
func (c *compilation) importsExist(f *file) bool {
	all := true
	for _, i := range f.imports {
		name := i.Name.AsString()
		if c.byPath[name] != nil || c.onDisk(name) != "" || isBuiltIn(name) {
			continue
		}
		all = false
		c.findings = append(c.findings, f.finding(compileRule, i.Name, fmt.Sprintf("import %q is not found below %s", name, strings.Join(c.roots, ", ")),
			"lint the folder that holds it too; what needs its types is not checked"))
	}
	return all
}

// isBuiltIn reports whether an import is one of google/protobuf, which come with the compiler.
func isBuiltIn(name string) bool {
	none := protocompile.ResolverFunc(func(string) (protocompile.SearchResult, error) {
		return protocompile.SearchResult{}, protoregistry.NotFound
	})
	_, err := protocompile.WithStandardImports(none).FindFileByPath(name)
	return err == nil
}

func (c *compilation) reportError(err reporter.ErrorWithPos) error {
	c.report(err, func(f *file) lint.Finding { return f.compileFinding(err) })
	return nil
}

func (c *compilation) reportWarning(err reporter.ErrorWithPos) {
	var unused linker.ErrorUnusedImport
	if !errors.As(err, &unused) {
		return
	}
	c.report(err, func(f *file) lint.Finding {
		for _, i := range f.imports {
			if i.Name.AsString() == unused.UnusedImport() {
				return f.finding("IMPORT_USED", i, "import \""+unused.UnusedImport()+"\" is not used", "remove it")
			}
		}
		return f.whole("IMPORT_USED", err.Unwrap().Error(), "remove it")
	})
}

// report makes a finding of what concerns a file that is linted.
func (c *compilation) report(err reporter.ErrorWithPos, make func(*file) lint.Finding) {
	f := c.byPath[err.GetPosition().Filename]
	if f == nil || !c.explicit[f.path] {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.findings = append(c.findings, make(f))
}
