package app_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/config"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
)

// machine is a user's machine with a config.yaml, and a terminal to answer at.
func machine(t *testing.T, configuration string) (f *app.Factory, in, errOut *bytes.Buffer) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, ".config", "suokectl", "config.yaml")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
	ios, in, _, errOut := iostreams.Test()
	return &app.Factory{IO: ios, Dir: dir, Getenv: func(key string) string {
		return map[string]string{"HOME": dir}[key]
	}}, in, errOut
}

const protected = "current_context: prod\ncontexts:\n  prod:\n    env: prod\n    protected: true\n"

func TestGuard(t *testing.T) {
	for _, test := range []struct {
		name, configuration, confirm, typed string
		tty                                 bool
		code                                int
		says                                string
	}{
		{"an open context lets pass", strings.Replace(protected, "true", "false", 1), "", "", false, 0, ""},
		{"--confirm with the name", protected, "prod", "", false, 0, ""},
		{"--confirm with another name", protected, "test", "", false, 2, `"test" does not name`},
		{"nobody to ask", protected, "", "", false, 2, "replay 3 letters"},
		{"the name typed", protected, "", "prod\n", true, 0, ""},
		{"something else typed", protected, "", "yes\n", true, 1, "nothing was changed"},
		{"nothing typed", protected, "", "", true, 1, "nothing was changed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f, in, _ := machine(t, test.configuration)
			f.ConfirmName = test.confirm
			f.IO.SetTTY(test.tty, test.tty, test.tty)
			in.WriteString(test.typed)
			err := f.Guard(context.Background(), "replay 3 letters")
			if code := failure.Code(context.Background(), err); code != test.code {
				t.Errorf("exit code %d (%v), want %d", code, err, test.code)
			}
			if err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v, want %q", err, test.says)
			}
		})
	}
}

func TestGuardHintsAtTheFlag(t *testing.T) {
	f, _, _ := machine(t, protected)
	err := f.Guard(context.Background(), "delete a topic")
	if got := failure.Hint(err); got != "add --confirm prod" {
		t.Errorf("hint %q", got)
	}
}

func TestMissingSettingsSayHowToSetThem(t *testing.T) {
	f, _, _ := machine(t, protected)
	for name, ask := range map[string]func() error{
		"consul.address": func() error { _, err := f.Discover(); return err },
		"kafka.brokers":  func() error { _, err := f.Events(); return err },
		"registry.url":   func() error { _, err := f.Schemas(); return err },
	} {
		err := ask()
		if err == nil || !strings.Contains(err.Error(), `context "prod" has no `+name) {
			t.Errorf("%s: error %v", name, err)
		}
		if hint := failure.Hint(err); !strings.Contains(hint, "set-context NAME "+name+"=") {
			t.Errorf("%s: hint %q", name, hint)
		}
	}
}

func TestWithoutContextAndLab(t *testing.T) {
	f, _, _ := machine(t, "")
	if _, err := f.Context(); !errors.Is(err, config.ErrNoContext) || !strings.Contains(failure.Hint(err), "lab up") {
		t.Errorf("error %v with hint %q", err, failure.Hint(err))
	}
}

func TestThingsAreMadeOnce(t *testing.T) {
	f, _, _ := machine(t, "current_context: a\ncontexts:\n  a:\n    consul:\n      address: 127.0.0.1:1\n")
	first, err := f.Discover()
	if err != nil {
		t.Fatal(err)
	}
	if second, _ := f.Discover(); first != second {
		t.Error("a second client was made")
	}
	if err := errors.Join(f.Close(), f.Close()); err != nil {
		t.Errorf("closing, and closing again: %v", err)
	}
}
