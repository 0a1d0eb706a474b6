package protos

import (
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml"
)

// placeFiles finds for each file the folder that its imports are relative to.
//
// Where a buf.yaml stands above the file, it says so: its modules' paths, or
// its own folder. Otherwise the folder above the package's own folders is it:
// for package a.b.v1 in x/a/b/v1 that is x. Files whose folder does not end in
// their package take the root of most of the others, if it is above them, and
// else their own folder.
func placeFiles(files []*file) {
	roots := map[string][]string{} // of buf.yaml, by its folder
	votes := map[string]int{}
	for _, f := range files {
		dir := path.Dir(f.src.Name)
		f.root = bufRoot(roots, dir)
		if f.root == "" {
			f.root = packageRoot(dir, f.pkg)
		}
		if f.root != "" {
			votes[f.root]++
		}
	}
	for _, f := range files {
		if f.root == "" {
			f.root = mostVoted(votes, path.Dir(f.src.Name))
		}
		f.path = relative(f.root, f.src.Name)
		f.dir = path.Dir(f.path)
	}
}

// packageRoot returns the folder above the folders of a package, or "" when
// dir does not end in them.
func packageRoot(dir, pkg string) string {
	folders := strings.ReplaceAll(pkg, ".", "/")
	switch {
	case pkg == "":
		return ""
	case dir == folders:
		return "."
	}
	root, ok := strings.CutSuffix(dir, "/"+folders)
	if !ok {
		return ""
	}
	if root == "" {
		return "/"
	}
	return root
}

func mostVoted(votes map[string]int, dir string) string {
	best := dir
	for root, n := range votes {
		if isAbove(root, dir) && (n > votes[best] || n == votes[best] && root < best) {
			best = root
		}
	}
	return best
}

func isAbove(root, dir string) bool {
	return root == "." && !path.IsAbs(dir) && dir != ".." && !strings.HasPrefix(dir, "../") ||
		root == dir || strings.HasPrefix(dir, strings.TrimSuffix(root, "/")+"/")
}

func relative(root, name string) string {
	if root == "." {
		return name
	}
	return strings.TrimPrefix(name, strings.TrimSuffix(root, "/")+"/")
}

// bufRoot returns the module of the nearest buf.yaml that dir is in, or "".
func bufRoot(known map[string][]string, dir string) string {
	for at := dir; ; at = path.Dir(at) {
		modules, ok := known[at]
		if !ok {
			modules = readModules(at)
			known[at] = modules
		}
		if root := innermost(modules, dir); root != "" {
			return root
		}
		if parent := path.Dir(at); parent == at || len(modules) > 0 {
			return ""
		}
	}
}

// innermost returns the longest of the modules that dir is in: one may lie in another.
func innermost(modules []string, dir string) string {
	best := ""
	for _, m := range modules {
		if isAbove(m, dir) && (best == "" || isAbove(best, m)) {
			best = m
		}
	}
	return best
}

// readModules returns the roots that the buf.yaml in a folder names; nil when
// there is none. A broken one is buf's to complain about: its folder is the root.
func readModules(dir string) []string {
	text, err := os.ReadFile(filepath.Join(filepath.FromSlash(dir), "buf.yaml"))
	if err != nil {
		return nil
	}
	var config struct {
		Modules []struct {
			Path string `yaml:"path"`
		} `yaml:"modules"`
	}
	if yaml.Unmarshal(text, &config) != nil || len(config.Modules) == 0 {
		return []string{dir}
	}
	var roots []string
	for _, m := range config.Modules {
		roots = append(roots, path.Join(dir, m.Path))
	}
	return roots
}
