// Package clitest runs command lines as a user would: testscript scripts whose
// suokectl is the real program, against a lab of their own.
//
// A package of commands has
//
//	func TestMain(m *testing.M) { clitest.Main(m) }
//	func TestScripts(t *testing.T) { clitest.Scripts(t, "testdata/script") }
//
// and in a script the line `lab` starts a lab that is the script's alone. HOME
// and the XDG folders are inside the script's own folder in any case.
package clitest

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/suokelife/suokectl/cmd/root"
	"github.com/suokelife/suokectl/internal/config"
	"github.com/suokelife/suokectl/internal/lab"
	"github.com/suokelife/suokectl/internal/lab/state"
)

// Main runs the tests of a package with suokectl among their commands.
func Main(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"suokectl": func() { os.Exit(root.Main()) },
	})
}

// Scripts runs every script in dir. A folder without scripts fails.
func Scripts(t *testing.T, dir string) {
	t.Helper()
	testscript.Run(t, testscript.Params{
		Dir:   dir,
		Setup: setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"lab": startLab,
		},
		RequireUniqueNames: true,
	})
}

func setup(env *testscript.Env) error {
	for key, value := range Home(env.WorkDir) {
		env.Setenv(key, value)
	}
	env.Setenv("COLUMNS", "80")
	return os.MkdirAll(filepath.Join(env.WorkDir, ".home"), 0o700)
}

// Home returns the variables that keep a program's files inside dir.
func Home(dir string) map[string]string {
	home := filepath.Join(dir, ".home")
	return map[string]string{
		"HOME":            home,
		"XDG_CONFIG_HOME": filepath.Join(home, "config"),
		"XDG_STATE_HOME":  filepath.Join(home, "state"),
		"XDG_CACHE_HOME":  filepath.Join(home, "cache"),
	}
}

// StateDir is the folder in which a program with Home(dir) looks for the lab.
func StateDir(dir string) string {
	return state.Dir(config.Paths{State: filepath.Join(dir, ".home", "state", "suokectl")})
}

func startLab(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: lab")
	}
	l, err := lab.Start(context.Background(), lab.Options{StateDir: StateDir(ts.Getenv("WORK"))})
	ts.Check(err)
	ts.Defer(func() { ts.Check(l.Close()) })
}
