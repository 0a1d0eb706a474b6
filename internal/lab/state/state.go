// Package state is how a running lab is found: a file that says where its
// parts are, beside a lock that the lab's process holds for as long as it
// lives. The lock, not the file, says whether a lab runs, so a file left by a
// killed process deceives nobody.
package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2/maybe"

	"github.com/suokelife/suokectl/internal/config"
)

// ErrRunning is returned by Acquire when another lab of this user runs.
var ErrRunning = errors.New("a lab is already running")

// State is what a running lab says of itself.
type State struct {
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	// Context is the whole context that reaches the lab. It holds the secret
	// of the lab's service tokens, so the file is readable by its owner alone.
	Context config.Context `json:"context"`
	// Endpoints maps the name of each part to its address.
	Endpoints map[string]string `json:"endpoints"`
}

// Dir is the folder, under the program's state folder, that the lab keeps its
// state in.
func Dir(paths config.Paths) string { return filepath.Join(paths.State, "lab") }

func file(dir string) string { return filepath.Join(dir, "lab.json") }

func lock(dir string) *flock.Flock { return flock.New(filepath.Join(dir, "lab.lock")) }

// Load returns the state of the running lab, or nil when none runs.
func Load(dir string) (*State, error) {
	b, err := os.ReadFile(file(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the lab's state: %w", err)
	}
	l := lock(dir)
	free, err := l.TryRLock()
	if err != nil {
		return nil, fmt.Errorf("read the lab's state: %w", err)
	}
	if free {
		return nil, l.Unlock()
	}
	var s State
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("read the lab's state in %s: %w", file(dir), err)
	}
	return &s, nil
}

// Holder is the running lab's claim on its state.
type Holder struct {
	dir  string
	lock *flock.Flock
}

// Acquire claims the state folder for this process. It returns ErrRunning
// when another lab holds it.
func Acquire(dir string) (*Holder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the lab's state folder: %w", err)
	}
	l := lock(dir)
	ours, err := l.TryLock()
	if err != nil {
		return nil, fmt.Errorf("claim the lab's state: %w", err)
	}
	if !ours {
		return nil, ErrRunning
	}
	return &Holder{dir: dir, lock: l}, os.RemoveAll(file(dir))
}

// Publish writes the state whole or not at all; from then on the lab is found.
func (h *Holder) Publish(s State) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("write the lab's state: %w", err)
	}
	if err := maybe.WriteFile(file(h.dir), b, 0o600); err != nil {
		return fmt.Errorf("write the lab's state: %w", err)
	}
	return nil
}

// Release gives the state up; the lab is not found any more.
func (h *Holder) Release() error {
	return errors.Join(os.RemoveAll(file(h.dir)), h.lock.Unlock())
}

// WaitGone waits until no lab runs, or ctx ends.
func WaitGone(ctx context.Context, dir string) error {
	l := lock(dir)
	if _, err := l.TryLockContext(ctx, 20*time.Millisecond); err != nil {
		return fmt.Errorf("wait for the lab to end: %w", err)
	}
	return l.Unlock()
}

// WaitReady waits until the lab of process pid has published its state, or
// ctx ends.
func WaitReady(ctx context.Context, dir string, pid int) (*State, error) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		s, err := Load(dir)
		if err != nil || s != nil && s.PID == pid {
			return s, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
