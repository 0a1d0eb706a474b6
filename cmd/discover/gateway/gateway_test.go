package gateway_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/suokelife/suokectl/cmd/discover/gateway"
	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/clitest"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
)

func TestMain(m *testing.M) { clitest.Main(m) }

func TestScripts(t *testing.T) { clitest.Scripts(t, "testdata/script") }

func run(t *testing.T, ios *iostreams.IOStreams, args ...string) error {
	t.Helper()
	f := &app.Factory{IO: ios, Getenv: func(string) string { return "" }, Dir: t.TempDir()}
	cmd := gateway.NewCmdGateway(f)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	cmd.SetOut(new(bytes.Buffer))
	cmd.SetErr(new(bytes.Buffer))
	return cmd.ExecuteContext(t.Context())
}

// TestATerminalIsShownNothingElse: what a file says reaches a terminal without its control characters.
func TestATerminalIsShownNothingElse(t *testing.T) {
	file := filepath.Join(t.TempDir(), "kong.yaml")
	text := "_format_version: \"3.0\"\nservices: [{host: \"\\e[31mx.service.consul\", routes: [{paths: [/]}]}]\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ios, _, out, errOut := iostreams.Test()
	ios.SetTTY(true, true, true)
	err := run(t, ios, "check", file)
	if failure.Code(context.Background(), err) != 100 {
		t.Errorf("got %v", err)
	}
	if strings.Contains(out.String(), "\x1b[31mx") || !strings.Contains(out.String(), "KONG_HOST_MALFORMED") {
		t.Errorf("got %q", out)
	}
	if !strings.Contains(errOut.String(), "1 finding in 1 file") {
		t.Errorf("got %q", errOut)
	}
}

func TestStandardInput(t *testing.T) {
	ios, in, out, _ := iostreams.Test()
	in.WriteString("services: []")
	if err := run(t, ios, "check", "-"); failure.Code(context.Background(), err) != 100 {
		t.Errorf("got %v", err)
	}
	want := "-:1:1: error: Kong refuses a file without _format_version [KONG_FORMAT_VERSION]\n  fix: begin the file with _format_version: \"3.0\"\n"
	if out.String() != want {
		t.Errorf("got %q, want %q", out, want)
	}
}
