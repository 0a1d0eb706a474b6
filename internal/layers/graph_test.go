package layers_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const (
	module = "github.com/suokelife/suokectl"
	pkg    = module + "/pkg/"
)

// node is what go list says about a package; tests are left out.
type node struct {
	ImportPath string
	Standard   bool
	Imports    []string // direct
	Deps       []string // all, direct and not
}

// list returns the packages that patterns name, by import path.
func list(t *testing.T, patterns ...string) map[string]node {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-json=ImportPath,Standard,Imports,Deps"}, patterns...)...)
	cmd.Dir = "../.."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, &stderr)
	}
	nodes := map[string]node{}
	for decoder := json.NewDecoder(bytes.NewReader(output)); ; {
		var n node
		err := decoder.Decode(&n)
		if errors.Is(err, io.EOF) {
			return nodes
		}
		if err != nil {
			t.Fatal(err)
		}
		nodes[n.ImportPath] = n
	}
}

// within reports whether path is the package root or below it.
func within(path, root string) bool {
	return path == root || strings.HasPrefix(path, root+"/")
}

func withinAny(path string, roots []string) bool {
	for _, root := range roots {
		if within(path, root) {
			return true
		}
	}
	return false
}

// TestLibrariesImportOnlyLowerLayers holds the layers of pkg: what of this
// module each library may import beside itself.
func TestLibrariesImportOnlyLowerLayers(t *testing.T) {
	t.Parallel()
	leaves := []string{pkg + "spec", pkg + "resilience", pkg + "telemetry", pkg + "secure"}
	layers := map[string][]string{
		pkg + "spec":       nil,
		pkg + "resilience": {pkg + "spec"},
		pkg + "telemetry":  {pkg + "spec"},
		pkg + "secure":     {pkg + "spec"},
		pkg + "discover":   leaves,
		pkg + "rpc":        leaves,
		pkg + "events":     leaves,
		pkg + "lint":       leaves,
		pkg + "chaos":      leaves,
	}
	for path, n := range list(t, "./pkg/...") {
		root, _, _ := strings.Cut(strings.TrimPrefix(path, pkg), "/")
		allowed, known := layers[pkg+root]
		if !known {
			t.Errorf("%s has no layer: say in this table what it may import", path)
		}
		for _, imported := range n.Imports {
			if within(imported, module) && !within(imported, pkg+root) && !withinAny(imported, allowed) {
				t.Errorf("%s imports %s, which is no lower layer", path, imported)
			}
		}
	}
}

func TestSpecImportsTheStandardLibraryAlone(t *testing.T) {
	t.Parallel()
	for path, n := range list(t, "-deps", "./pkg/spec/...") {
		if !n.Standard && !within(path, pkg+"spec") {
			t.Errorf("pkg/spec depends on %s", path)
		}
	}
}

// TestNobodyLinksWhatItDoesNotUse reads transitive dependencies: the cost that
// a service pays for an import.
func TestNobodyLinksWhatItDoesNotUse(t *testing.T) {
	t.Parallel()
	terminal := []string{"github.com/spf13/cobra", "github.com/spf13/pflag", "github.com/charmbracelet", module + "/internal", module + "/cmd"}
	for _, rule := range []struct {
		pattern string
		never   []string
		why     string
	}{
		{"./pkg/...", terminal, "libraries know no terminal"},
		{"./pkg/...", []string{"testing"}, "tests must not be linked into services"},
		{"./pkg/events/...", []string{"google.golang.org/grpc"}, "events must not link gRPC"},
		{"./pkg/rpc/...", []string{"github.com/twmb/franz-go"}, "rpc must not link Kafka"},
		{".", []string{module + "/internal/contract", module + "/internal/testenv", module + "/internal/clitest", module + "/bench", "testing"}, "tests must not be linked into the binary"},
		{".", []string{"github.com/santhosh-tekuri/jsonschema/v6", "google.golang.org/grpc/xds", "k8s.io/client-go/kubernetes", "istio.io/istio"}, "start-up must not pay for it"},
		{"./...", []string{"k8s.io/kubernetes", "github.com/hashicorp/consul/agent", "istio.io/istio"}, "engines belong into nested modules"},
	} {
		for path, n := range list(t, rule.pattern) {
			for _, dep := range n.Deps {
				if withinAny(dep, rule.never) {
					t.Errorf("%s links %s: %s", path, dep, rule.why)
				}
			}
		}
	}
}

// TestTestEnvironmentStaysOutOfHermeticTests keeps downloads out of go test ./...
func TestTestEnvironmentStaysOutOfHermeticTests(t *testing.T) {
	t.Parallel()
	for path, n := range list(t, "-test", "./...") {
		user, _, _ := strings.Cut(path, " ")
		for _, imported := range n.Imports {
			if within(imported, module+"/internal/testenv") && !withinAny(user, []string{module + "/internal/testenv", module + "/bench"}) {
				t.Errorf("%s imports internal/testenv: real engines are for conformance and bench", path)
			}
		}
	}
}

// TestRootModuleCanBeInstalled: go install …@version refuses replace and exclude.
func TestRootModuleCanBeInstalled(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json")
	cmd.Dir = "../.."
	output, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Replace, Exclude []json.RawMessage }
	if err := json.Unmarshal(output, &file); err != nil {
		t.Fatal(err)
	}
	for _, line := range append(file.Replace, file.Exclude...) {
		t.Errorf("go.mod has %s", line)
	}
}
