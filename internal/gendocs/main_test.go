package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

const repository = "../.."

func TestGeneratedFilesAreFresh(t *testing.T) {
	files, err := Files()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(repository, filepath.FromSlash(name)))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is stale (%v): run `make docs`", name, err)
		}
	}
	for _, dir := range []string{"completions", "docs/reference", "docs/man"} {
		left, err := fs.Glob(os.DirFS(repository), dir+"/*")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range left {
			if _, generated := files[name]; !generated {
				t.Errorf("%s belongs to no command any more: run `make docs`", name)
			}
		}
	}
}
