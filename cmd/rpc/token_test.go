package rpc_test

import (
	"context"
	"encoding/base64"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/suokelife/suokectl/cmd/root"
	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
)

func secretFile(t *testing.T, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "shared.secret")
	if err := os.WriteFile(path, []byte("a-secret-that-services-share"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// On a terminal, too, a token is one line on stdout, with nothing around it.
func TestAnIssuedTokenIsDataAlone(t *testing.T) {
	for _, tty := range []bool{false, true} {
		code, stdout, stderr := run(t.Context(), t, tty, "rpc", "token", "issue", "--key", secretFile(t, 0o600), "--issuer", "x")
		if code != 0 || !regexp.MustCompile(`^[\w-]+\.[\w-]+\.[\w-]+\n$`).MatchString(stdout) || stderr != "" {
			t.Errorf("tty %t: code %d, stdout %q, stderr %q", tty, code, stdout, stderr)
		}
	}
}

func TestASecretThatOthersCanReadIsWarnedAbout(t *testing.T) {
	path := secretFile(t, 0o644)
	code, _, stderr := run(t.Context(), t, false, "rpc", "token", "issue", "--key", path)
	if code != 0 || !strings.Contains(stderr, "chmod 600 "+path) || strings.Contains(stderr, "services-share") {
		t.Errorf("code %d, stderr %q", code, stderr)
	}
}

// What a token says is anybody's text, and does no harm to a terminal.
func TestInspectedTokensAreSafeOnATerminal(t *testing.T) {
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	path := filepath.Join(t.TempDir(), "token")
	token := part(`{"alg":"none"}`) + "." + part(`{"iss":"\u001b[2Jred\u202eder"}`) + "."
	if err := os.WriteFile(path, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"table", "json", "yaml"} {
		code, stdout, _ := run(t.Context(), t, true, "rpc", "token", "inspect", path, "-o", format)
		if code != 0 || strings.ContainsAny(stdout, "\x1b\u202e") || !strings.Contains(stdout, "red") {
			t.Errorf("%s: code %d, %q", format, code, stdout)
		}
	}
	code, _, stderr := run(t.Context(), t, true, "rpc", "token", "verify", path, "--key", secretFile(t, 0o600))
	if code != 1 || strings.ContainsAny(stderr, "\x1b\u202e") || !strings.Contains(stderr, `"none"`) {
		t.Errorf("code %d, %q", code, stderr)
	}
}

// Whoever has typed a command that waits for a token gets away by Ctrl-C.
func TestReadingATokenIsGivenUp(t *testing.T) {
	for _, verb := range []string{"inspect", "verify"} {
		silent, writer := io.Pipe()
		ios, _, _, _ := iostreams.Test()
		ios.In = silent
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(failure.ErrInterrupted)
		f := &app.Factory{IO: ios, Version: "test", Dir: t.TempDir(), Getenv: func(string) string { return "" }}
		code := root.Run(ctx, f, []string{"rpc", "token", verb})
		if code != failure.CodeInterrupted {
			t.Errorf("%s: exit %d", verb, code)
		}
		_ = writer.Close()
	}
}
