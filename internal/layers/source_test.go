package layers_test

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

// load type-checks the packages of this module, without their tests.
func load(t *testing.T) []*packages.Package {
	t.Helper()
	loaded, err := packages.Load(&packages.Config{
		Context: t.Context(),
		Dir:     "../..",
		Mode: packages.NeedName | packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo |
			packages.NeedImports | packages.NeedExportFile | packages.NeedFiles | packages.NeedCompiledGoFiles,
	}, "./...")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range loaded {
		for _, e := range p.Errors {
			t.Errorf("%s: %v", p.PkgPath, e)
		}
	}
	return loaded
}

func TestSource(t *testing.T) {
	t.Parallel()
	loaded := load(t)
	t.Run("only the output layer writes to the terminal", func(t *testing.T) { onlyOutputWrites(t, loaded) })
	t.Run("libraries touch no process state", func(t *testing.T) { librariesTouchNoProcessState(t, loaded) })
	t.Run("no package-level state", func(t *testing.T) { noPackageState(t, loaded) })
}

// writers are the packages that the terminal belongs to; programs for building
// and measuring own theirs.
var writers = []string{module + "/cmd/root", module + "/internal/iostreams", module + "/internal/output"}

func onlyOutputWrites(t *testing.T, loaded []*packages.Package) {
	forbidden := []string{"fmt.Print", "fmt.Printf", "fmt.Println", "os.Stdout", "os.Stderr"}
	for _, p := range loaded {
		if p.Name != "main" && !withinAny(p.PkgPath, writers) {
			forbid(t, p, forbidden, "take the streams from internal/iostreams")
		}
	}
}

func librariesTouchNoProcessState(t *testing.T, loaded []*packages.Package) {
	forbidden := []string{"os.Exit", "os.Args", "os.Getenv", "os.LookupEnv", "os.Environ", "os.ExpandEnv", "os.Setenv", "os.Stdin", "log.Print", "log.Printf", "log.Println", "log.Fatal", "log.Fatalf"}
	for _, p := range loaded {
		if strings.HasPrefix(p.PkgPath, pkg) {
			if p.Imports["flag"] != nil {
				t.Errorf("%s imports flag", p.PkgPath)
			}
			forbid(t, p, forbidden, "a library never prints, exits, or reads flags or the environment")
		}
	}
}

// forbid reports each use of one of the named objects of the standard library.
func forbid(t *testing.T, p *packages.Package, names []string, why string) {
	t.Helper()
	for id, object := range p.TypesInfo.Uses {
		if object.Pkg() == nil || object.Parent() != object.Pkg().Scope() {
			continue
		}
		if name := object.Pkg().Path() + "." + object.Name(); slices.Contains(names, name) {
			t.Errorf("%s uses %s: %s", p.Fset.Position(id.Pos()), name, why)
		}
	}
}

// noPackageState reports package-level variables that are written to outside
// their declaration, or that exist to be (locks, pools, atomics).
func noPackageState(t *testing.T, loaded []*packages.Package) {
	for _, p := range loaded {
		if withinAny(p.PkgPath, []string{module + "/internal/testenv", module + "/bench"}) {
			continue // tests and programs of one purpose
		}
		for _, file := range p.Syntax {
			if !ast.IsGenerated(file) {
				ast.Inspect(file, func(n ast.Node) bool { return stateless(t, p, n) })
			}
		}
	}
}

func stateless(t *testing.T, p *packages.Package, n ast.Node) bool {
	var targets []ast.Expr
	switch n := n.(type) {
	case *ast.ValueSpec:
		for _, name := range n.Names {
			if v, ok := p.Types.Scope().Lookup(name.Name).(*types.Var); ok && v.Pos() == name.Pos() && synchronised(v.Type()) {
				report(t, p, name.Pos(), v)
			}
		}
	case *ast.AssignStmt:
		targets = n.Lhs
	case *ast.IncDecStmt:
		targets = []ast.Expr{n.X}
	}
	for _, target := range targets {
		if v, ok := p.TypesInfo.Uses[base(target)].(*types.Var); ok && v.Parent() == p.Types.Scope() {
			report(t, p, target.Pos(), v)
		}
	}
	return true
}

func report(t *testing.T, p *packages.Package, at token.Pos, v *types.Var) {
	t.Helper()
	t.Errorf("%s: %s is package-level state: give it an owner", p.Fset.Position(at), v.Name())
}

// base finds the variable that an assignment to x, x.f, x[i] or *x changes.
func base(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.SelectorExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}

// synchronised reports whether a type comes from sync or sync/atomic, whose
// only use is to change.
func synchronised(t types.Type) bool {
	if pointer, ok := t.(*types.Pointer); ok {
		t = pointer.Elem()
	}
	named, ok := t.(*types.Named)
	if !ok || named.Obj().Pkg() == nil {
		return false
	}
	path := named.Obj().Pkg().Path()
	return path == "sync" || path == "sync/atomic"
}
