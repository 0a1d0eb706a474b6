package app

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/suokelife/suokectl/internal/failure"
)

// unnamed is typed for a context that variables alone make.
const unnamed = "unnamed"

// Guard stands before what changes a shared system. In a context that is
// marked protected it wants the context's name, typed at the terminal or
// given with --confirm; elsewhere it lets everything pass. what says what is
// about to happen, such as "replay 120 letters to prod.auth-service.…".
func (f *Factory) Guard(ctx context.Context, what string) error {
	c, err := f.Context()
	if err != nil || !c.Protected {
		return err
	}
	name := cmp.Or(c.Name, unnamed)
	switch {
	case f.ConfirmName == name:
		return nil
	case f.ConfirmName != "":
		return failure.Usagef("--confirm %q does not name the protected context %q", f.ConfirmName, name)
	case !f.IO.StdinTTY() || !f.IO.StderrTTY():
		return failure.WithHint(failure.Usagef("context %q is protected: %s", name, what), "add --confirm "+name)
	}
	return f.ask(ctx, name, what)
}

func (f *Factory) ask(ctx context.Context, name, what string) error {
	f.IO.Infof("context %q is protected: %s", name, what)
	f.IO.Infof("type the context's name to go on:")
	line, err := bufio.NewReader(f.IO.In).ReadString('\n')
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if typed := strings.TrimSpace(line); typed != name {
		return fmt.Errorf("not confirmed: %q is not %q; nothing was changed", typed, name)
	}
	return nil
}
