package protos

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bufbuild/protocompile/ast"
)

// checkPackages applies the rules that look at several files.
func (k *checker) checkPackages(files []*file) {
	byRoot := map[string][]*file{}
	for _, f := range files {
		byRoot[f.root] = append(byRoot[f.root], f)
	}
	for _, root := range slices.Sorted(maps.Keys(byRoot)) {
		files := byRoot[root]
		k.checkFolders(files)
		k.checkPackageOptions(files)
		k.checkPackageCycles(files)
	}
	k.checkMethodTypes(files)
}

func groupBy(files []*file, key func(*file) string) map[string][]*file {
	groups := map[string][]*file{}
	for _, f := range files {
		groups[key(f)] = append(groups[key(f)], f)
	}
	return groups
}

// values returns the distinct values among files, sorted.
func values(files []*file, value func(*file) string) []string {
	set := map[string]bool{}
	for _, f := range files {
		set[value(f)] = true
	}
	return slices.Sorted(maps.Keys(set))
}

func packageOf(f *file) string { return f.pkg }
func folderOf(f *file) string  { return f.dir }

// checkFolders holds a package to one folder and a folder to one package.
func (k *checker) checkFolders(files []*file) {
	k.eachMixed(groupBy(files, folderOf), packageOf, func(folder string, packages []string, f *file) {
		k.addAtPackage(f, "DIRECTORY_SAME_PACKAGE", fmt.Sprintf("folder %q has files of several packages: %s", folder, strings.Join(packages, ", ")))
	})
	k.eachMixed(groupBy(files, packageOf), folderOf, func(pkg string, folders []string, f *file) {
		if pkg != "" {
			k.addAtPackage(f, "PACKAGE_SAME_DIRECTORY", fmt.Sprintf("package %q is spread over several folders: %s", pkg, strings.Join(folders, ", ")))
		}
	})
}

// eachMixed calls report for each file of the groups that hold several values.
func (k *checker) eachMixed(groups map[string][]*file, value func(*file) string, report func(group string, values []string, f *file)) {
	for group, files := range groups {
		if distinct := values(files, value); len(distinct) > 1 {
			for _, f := range files {
				report(group, distinct, f)
			}
		}
	}
}

func (k *checker) addAtPackage(f *file, rule, message string) {
	if f.pkgNode == nil {
		k.add(f.whole(rule, message, ""))
		return
	}
	k.add(f.finding(rule, f.pkgNode, message, ""))
}

// packageOptions are the file options that all files of a package have alike.
var packageOptions = [...]struct{ rule, option string }{
	{"PACKAGE_SAME_CSHARP_NAMESPACE", "csharp_namespace"},
	{"PACKAGE_SAME_GO_PACKAGE", "go_package"},
	{"PACKAGE_SAME_JAVA_MULTIPLE_FILES", "java_multiple_files"},
	{"PACKAGE_SAME_JAVA_PACKAGE", "java_package"},
	{"PACKAGE_SAME_PHP_NAMESPACE", "php_namespace"},
	{"PACKAGE_SAME_RUBY_PACKAGE", "ruby_package"},
	{"PACKAGE_SAME_SWIFT_PREFIX", "swift_prefix"},
}

func (k *checker) checkPackageOptions(files []*file) {
	packages := groupBy(files, packageOf)
	delete(packages, "")
	for _, o := range packageOptions {
		k.eachMixed(packages, func(f *file) string { return f.option(o.option) }, func(pkg string, values []string, f *file) {
			message := fmt.Sprintf("files of package %q differ in %s: %s", pkg, o.option, strings.Join(quoted(values), ", "))
			if node := f.options[o.option]; node != nil {
				k.add(f.finding(o.rule, node, message, ""))
				return
			}
			k.add(f.whole(o.rule, message, ""))
		})
	}
}

func quoted(values []string) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = fmt.Sprintf("%q", v)
		if v == "" {
			out[i] = "none"
		}
	}
	return out
}

// option returns the value of a file option, "" where it is absent or false.
func (f *file) option(name string) string {
	o := f.options[name]
	if o == nil {
		return ""
	}
	switch v := o.Val.Value().(type) {
	case string:
		return v
	case ast.Identifier:
		if v != "false" {
			return string(v)
		}
	}
	return ""
}

// checkPackageCycles finds packages that import each other in a circle, even
// where their files do not.
func (k *checker) checkPackageCycles(files []*file) {
	pkgOf, edges := map[string]string{}, map[string]map[string]bool{}
	for _, f := range files {
		pkgOf[f.path] = f.pkg
	}
	for _, f := range files {
		for _, i := range f.imports {
			if to, ok := pkgOf[i.Name.AsString()]; ok && to != f.pkg {
				if edges[f.pkg] == nil {
					edges[f.pkg] = map[string]bool{}
				}
				edges[f.pkg][to] = true
			}
		}
	}
	for _, f := range files {
		for _, i := range f.imports {
			to, ok := pkgOf[i.Name.AsString()]
			if !ok || to == f.pkg {
				continue
			}
			if way := shortestWay(edges, to, f.pkg); way != nil {
				k.add(f.finding("PACKAGE_NO_IMPORT_CYCLE", i,
					fmt.Sprintf("packages import each other in a circle: %s", strings.Join(append([]string{f.pkg}, way...), " → ")), ""))
			}
		}
	}
}

// shortestWay returns the nodes from one to another, both included, or nil.
func shortestWay(edges map[string]map[string]bool, from, to string) []string {
	before := map[string]string{from: from}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		if at == to {
			way := []string{to}
			for at != from {
				at = before[at]
				way = append([]string{at}, way...)
			}
			return way
		}
		for _, next := range slices.Sorted(maps.Keys(edges[at])) {
			if _, seen := before[next]; !seen {
				before[next] = at
				queue = append(queue, next)
			}
		}
	}
	return nil
}

// use is one place where a method names a message.
type use struct {
	file   *file
	method element
}

// checkMethodTypes holds each message to being the request or the response of one method.
func (k *checker) checkMethodTypes(files []*file) {
	known := map[string]bool{}
	for _, f := range files {
		for _, e := range f.elements {
			if e.kind == message {
				known[join(f.pkg, e.name.Val)] = true
			}
		}
	}
	uses := map[string][]use{}
	for _, f := range files {
		for _, e := range f.elements {
			if e.kind != method {
				continue
			}
			n := e.node.(*ast.RPCNode) //nolint:forcetypeassert // a method is always one
			in, out := resolve(known, f.pkg, n.Input), resolve(known, f.pkg, n.Output)
			uses[in] = append(uses[in], use{f, e})
			if in == out {
				k.add(f.finding(uniqueTypes, e.node, fmt.Sprintf("rpc %q has %q as both request and response", e.name.Val, in), "give each a message of its own"))
				continue
			}
			uses[out] = append(uses[out], use{f, e})
		}
	}
	for name, users := range uses {
		for _, u := range users {
			if len(users) > 1 {
				k.add(u.file.finding(uniqueTypes, u.method.node, fmt.Sprintf("%q is the request or response of %d rpcs", name, len(users)), "give each rpc messages of its own"))
			}
		}
	}
}

const uniqueTypes = "RPC_REQUEST_RESPONSE_UNIQUE"

func join(pkg, name string) string { return strings.TrimPrefix(pkg+"."+name, ".") }

// resolve returns the full name of a method's type: the innermost package in
// which it is known, or as it is written when no file of the run defines it.
func resolve(known map[string]bool, pkg string, t *ast.RPCTypeNode) string {
	name := string(t.MessageType.AsIdentifier())
	if full, ok := strings.CutPrefix(name, "."); ok {
		return full
	}
	for scope := pkg; ; scope = scope[:max(0, strings.LastIndexByte(scope, '.'))] {
		if full := join(scope, name); known[full] {
			return full
		}
		if scope == "" {
			return name
		}
	}
}
