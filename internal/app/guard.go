package app

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"github.com/suokelife/suokectl/internal/failure"
)

// Guard stands before what changes a shared system. In a context that is
// marked protected it wants the context's name, typed at the terminal or
// given with --confirm; elsewhere it lets everything pass. what says what is
// about to happen, such as "replay 120 letters to prod.auth-service.…".
func (f *Factory) Guard(ctx context.Context, what string) error {
	c, err := f.Context()
	if err != nil || !c.Protected {
		return err
	}
	switch {
	case f.ConfirmName == c.Name:
		return nil
	case f.ConfirmName != "":
		return failure.Usagef("--confirm %q does not name the protected context %q", f.ConfirmName, c.Name)
	case !f.IO.StdinTTY() || !f.IO.StderrTTY():
		return failure.WithHint(failure.Usagef("context %q is protected: %s", c.Name, what), "add --confirm "+c.Name)
	}
	return f.ask(ctx, c.Name, what)
}

func (f *Factory) ask(ctx context.Context, name, what string) error {
	f.IO.Infof("context %q is protected: %s", name, what)
	f.IO.Infof("type the context's name to go on:")
	answer := make(chan string, 1)
	// The read cannot be interrupted; it ends with the process.
	go func() {
		line, _ := bufio.NewReader(f.IO.In).ReadString('\n')
		answer <- strings.TrimSpace(line)
	}()
	select {
	case typed := <-answer:
		if typed == name {
			return nil
		}
		return fmt.Errorf("not confirmed: %q is not %q; nothing was changed", typed, name)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
