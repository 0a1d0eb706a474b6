package lab_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/suokelife/suokectl/internal/lab"
	"github.com/suokelife/suokectl/internal/lab/state"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStartIsFoundAndCloseLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	l, err := lab.Start(context.Background(), lab.Options{StateDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	s, err := state.Load(dir)
	if err != nil || s == nil || s.PID != os.Getpid() {
		t.Fatalf("the running lab is not found: %+v, %v", s, err)
	}
	if s.Context.Consul.Address != l.Context().Consul.Address {
		t.Errorf("the state names Consul at %q, the lab at %q", s.Context.Consul.Address, l.Context().Consul.Address)
	}
	if _, err := lab.Start(context.Background(), lab.Options{StateDir: dir}); !errors.Is(err, state.ErrRunning) {
		t.Errorf("a second lab: %v, want ErrRunning", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err := state.Load(dir); err != nil || s != nil {
		t.Errorf("a closed lab is found: %+v, %v", s, err)
	}
	for _, name := range []string{"token-secret", "kubeconfig"} {
		if info, err := os.Stat(dir + "/" + name); err == nil && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", name, info.Mode().Perm())
		}
	}
}

func TestAStateFolderThatCannotBeWritten(t *testing.T) {
	file := t.TempDir() + "/file"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := lab.Start(context.Background(), lab.Options{StateDir: file + "/lab"}); err == nil {
		t.Error("no error")
	}
}
