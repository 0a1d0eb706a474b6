package secret_test

import (
	"os"
	"strings"
	"testing"

	"github.com/suokelife/suokectl/cmd/root"
	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/clitest"
	"github.com/suokelife/suokectl/internal/iostreams"
)

func TestMain(m *testing.M) { clitest.Main(m) }

func TestScripts(t *testing.T) { clitest.Scripts(t, "testdata/script") }

// run runs a command line with a terminal on all sides.
func run(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ios, in, out, errOut := iostreams.Test()
	ios.SetTTY(true, true, true)
	in.WriteString(stdin)
	home := clitest.Home(t.TempDir())
	f := &app.Factory{IO: ios, Version: "test", Dir: t.TempDir(), Getenv: func(name string) string { return home[name] }}
	code = root.Run(t.Context(), f, args)
	return code, out.String(), errOut.String()
}

// On a terminal a plaintext does no harm and ends its line; on a pipe, as the
// scripts show, it is what it was.
func TestPlaintextIsSafeOnATerminal(t *testing.T) {
	t.Chdir(t.TempDir())
	if code, out, err := run(t, "", "secret", "keygen", "k", "--bits", "2048"); code != 0 || !strings.Contains(out, "k.pem") {
		t.Fatal(code, out, err)
	}
	for _, path := range []string{"k.pem", "k.pub.pem"} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	code, text, talk := run(t, "a\x1b[2Jb", "secret", "encrypt", "--key", "k.pub.pem")
	if code != 0 || !strings.Contains(talk, "Ctrl-D") {
		t.Fatal(code, talk)
	}
	code, plain, _ := run(t, text, "secret", "decrypt", "--key", "k.pem")
	if code != 0 || strings.Contains(plain, "\x1b") || !strings.HasPrefix(plain, "a") || !strings.HasSuffix(plain, "b\n") {
		t.Errorf("code %d, plaintext %q", code, plain)
	}
	if err := os.Chmod("k.pem", 0o644); err != nil {
		t.Fatal(err)
	}
	code, _, talk = run(t, text, "secret", "decrypt", "--key", "k.pem")
	if code != 0 || !strings.Contains(talk, "others on this machine can read the private key: chmod 600 k.pem") {
		t.Errorf("code %d: %s", code, talk)
	}
}
