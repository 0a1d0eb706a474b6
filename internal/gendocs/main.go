// Command gendocs writes what is generated from the code: the
// completion scripts, the command reference, the man pages, and the JSON
// Schemas of the files that people write.
//
//	go run ./internal/gendocs
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/suokelife/suokectl/cmd/root"
	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/iostreams"
)

func main() {
	if err := write("."); err != nil {
		fmt.Fprintln(os.Stderr, "gendocs:", err)
		os.Exit(1)
	}
}

// write replaces the generated files under the repository's root dir.
func write(dir string) error {
	files, err := Files()
	if err != nil {
		return err
	}
	for _, old := range []string{"completions", "docs/reference", "docs/man"} {
		if err := os.RemoveAll(filepath.Join(dir, old)); err != nil {
			return err
		}
	}
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// Files returns every generated file by its path in the repository.
func Files() (map[string][]byte, error) {
	ios, _, _, _ := iostreams.Test()
	cmd := root.NewCmdRoot(&app.Factory{IO: ios, Getenv: func(string) string { return "" }})
	files, err := schemas()
	if err != nil {
		return nil, err
	}
	for shell, name := range map[string]string{
		"bash": "suokectl.bash", "zsh": "_suokectl", "fish": "suokectl.fish", "powershell": "suokectl.ps1",
	} {
		var b bytes.Buffer
		if err := root.WriteCompletion(cmd, shell, &b); err != nil {
			return nil, err
		}
		files["completions/"+name] = b.Bytes()
	}
	return files, reference(cmd, files)
}

func reference(cmd *cobra.Command, files map[string][]byte) error {
	if !cmd.IsAvailableCommand() {
		return nil
	}
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "_")
	var md, man bytes.Buffer
	if err := doc.GenMarkdown(cmd, &md); err != nil {
		return err
	}
	header := &doc.GenManHeader{
		Title: strings.ToUpper(strings.ReplaceAll(name, "_", "-")), Section: "1",
		Source: "suokectl", Manual: "suokectl manual", Date: &time.Time{},
	}
	if err := doc.GenMan(cmd, header, &man); err != nil {
		return err
	}
	files["docs/reference/"+name+".md"] = md.Bytes()
	files["docs/man/"+strings.ReplaceAll(name, "_", "-")+".1"] = man.Bytes()
	for _, sub := range cmd.Commands() {
		if err := reference(sub, files); err != nil {
			return err
		}
	}
	return nil
}
