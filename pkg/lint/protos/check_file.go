package protos

import (
	"fmt"
	"path"
	"strings"
)

func (k *checker) checkSyntax(f *file) {
	switch {
	case f.node.Edition != nil:
		k.add(f.finding("SYNTAX_PROTO3", f.node.Edition,
			fmt.Sprintf("the file has edition %q", f.node.Edition.Edition.AsString()), `write syntax = "proto3";`))
	case f.node.Syntax == nil:
		k.add(f.whole("SYNTAX_SPECIFIED", `the file names no syntax, so it is "proto2"`, `begin it with syntax = "proto3";`))
	case f.node.Syntax.Syntax.AsString() != "proto3":
		k.add(f.finding("SYNTAX_PROTO3", f.node.Syntax,
			fmt.Sprintf("the file has syntax %q", f.node.Syntax.Syntax.AsString()), `write syntax = "proto3";`))
	}
	if base := strings.TrimSuffix(path.Base(f.path), ".proto"); !lowerSnake.MatchString(base) {
		k.add(f.whole("FILE_LOWER_SNAKE_CASE", fmt.Sprintf("file name %q is not lower_snake_case", path.Base(f.path)),
			fmt.Sprintf("rename it to %s.proto", toLowerSnake(base))))
	}
}

func (k *checker) checkPackage(f *file) {
	if f.pkgNode == nil {
		k.add(f.whole("PACKAGE_DEFINED", "the file has no package", fmt.Sprintf("add package %s.<service>.v1;", k.org)))
		return
	}
	k.checkPackageName(f)
	if want := strings.ReplaceAll(f.pkg, ".", "/"); f.dir != want {
		k.add(f.finding("PACKAGE_DIRECTORY_MATCH", f.pkgNode,
			fmt.Sprintf("files of package %q belong into folder %q, but this one is in %q", f.pkg, want, f.dir),
			"move it to "+want+"/"+path.Base(f.path)))
	}
}

func (k *checker) checkPackageName(f *file) {
	parts := strings.Split(f.pkg, ".")
	version := parts[len(parts)-1]
	if !packageVersion.MatchString(version) {
		k.add(f.finding("PACKAGE_VERSION_SUFFIX", f.pkgNode, fmt.Sprintf("package %q does not end in a version", f.pkg),
			fmt.Sprintf("name it %s.v1", f.pkg)))
	}
	for _, part := range parts {
		if !lowerSnake.MatchString(part) {
			k.add(f.finding("PACKAGE_LOWER_SNAKE_CASE", f.pkgNode, fmt.Sprintf("package %q is not lower_snake.case", f.pkg), ""))
			break
		}
	}
	if parts[0] != k.org || len(parts) < 2 || len(parts) < 3 && packageVersion.MatchString(version) {
		k.add(f.finding("PACKAGE_ORG_PREFIX", f.pkgNode, fmt.Sprintf("package %q is not %s.<service>.v<N>", f.pkg, k.org), ""))
	}
}

func (k *checker) checkImports(f *file) {
	for _, i := range f.imports {
		if i.Public != nil {
			k.add(f.finding("IMPORT_NO_PUBLIC", i, fmt.Sprintf("import %q is public", i.Name.AsString()), "leave out public, and import it where it is used"))
		}
		if i.Weak != nil {
			k.add(f.finding("IMPORT_NO_WEAK", i, fmt.Sprintf("import %q is weak", i.Name.AsString()), "leave out weak"))
		}
	}
}
