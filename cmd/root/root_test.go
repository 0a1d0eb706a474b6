package root_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/cmd/root"
	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/clitest"
	"github.com/suokelife/suokectl/internal/iostreams"
)

var update = flag.Bool("update", false, "rewrite the golden help pages")

func TestMain(m *testing.M) { clitest.Main(m) }

func TestScripts(t *testing.T) { clitest.Scripts(t, "testdata/script") }

func tree() (*cobra.Command, *bytes.Buffer) {
	ios, _, out, _ := iostreams.Test()
	cmd := root.NewCmdRoot(&app.Factory{IO: ios, Getenv: func(string) string { return "" }})
	cmd.SetOut(out)
	return cmd, out
}

// commands returns every command of the tree, the root first.
func commands(cmd *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{cmd}
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			all = append(all, commands(sub)...)
		}
	}
	return all
}

func TestEveryCommandHasAGoldenHelpPage(t *testing.T) {
	cmd, out := tree()
	golden := map[string]bool{}
	for _, c := range commands(cmd) {
		out.Reset()
		if err := c.Help(); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", "help", strings.ReplaceAll(c.CommandPath(), " ", "_")+".txt")
		golden[path] = true
		if *update {
			if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(want, out.Bytes()) {
			t.Errorf("the help of %q differs from %s (%v): look at it, then `go test ./cmd/root -update`", c.CommandPath(), path, err)
		}
	}
	pages, err := filepath.Glob("testdata/help/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		if !golden[page] {
			t.Errorf("%s is the page of no command", page)
		}
	}
}

func TestEveryCommandIsDocumented(t *testing.T) {
	cmd, _ := tree()
	for _, c := range commands(cmd) {
		name := c.CommandPath()
		if c.Short == "" || c.Long == "" {
			t.Errorf("%s lacks a short or a long text", name)
		}
		if !strings.Contains(c.Example, "suokectl ") {
			t.Errorf("%s has no example", name)
		}
		if c.ValidArgsFunction == nil && len(c.ValidArgs) == 0 {
			t.Errorf("%s has no completion; cobra.NoFileCompletions is the least", name)
		}
	}
}
