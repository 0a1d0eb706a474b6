package failure_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/suokelife/suokectl/internal/failure"
)

func TestCode(t *testing.T) {
	ended := func(cause error) context.Context {
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(cause)
		return ctx
	}
	boom := errors.New("boom")
	for _, test := range []struct {
		name string
		ctx  context.Context
		err  error
		want int
	}{
		{"done", context.Background(), nil, 0},
		{"failed", context.Background(), boom, 1},
		{"misuse, wrapped", context.Background(), fmt.Errorf("x: %w", failure.Usagef("bad flag")), 2},
		{"misuse with a hint", context.Background(), failure.WithHint(failure.Usagef("bad flag"), "use --good"), 2},
		{"a gRPC status", context.Background(), failure.WithCode(boom, failure.CodeRPC+14), 78},
		{"findings", context.Background(), failure.Findings(3), 100},
		{"no findings", context.Background(), failure.Findings(0), 0},
		{"--timeout", ended(fmt.Errorf("%w after 1s", failure.ErrTimeout)), context.DeadlineExceeded, 124},
		{"a call's status under --timeout", ended(failure.ErrTimeout), failure.WithCode(boom, 68), 68},
		{"Ctrl-C", ended(failure.ErrInterrupted), context.Canceled, 130},
		{"Ctrl-C in a call", ended(failure.ErrInterrupted), failure.WithCode(boom, 65), 130},
		{"a deadline of its own is no --timeout", context.Background(), context.DeadlineExceeded, 1},
		{"joined", context.Background(), errors.Join(failure.Usagef("x"), boom), 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := failure.Code(test.ctx, test.err); got != test.want {
				t.Errorf("Code(%v) = %d, want %d", test.err, got, test.want)
			}
		})
	}
}

func TestHintSurvivesWrapping(t *testing.T) {
	err := fmt.Errorf("outer: %w", failure.WithHint(errors.New("inner"), "do this"))
	if got := failure.Hint(err); got != "do this" {
		t.Errorf("Hint = %q", got)
	}
	if err.Error() != "outer: inner" {
		t.Errorf("the hint is in the message: %q", err)
	}
	if failure.WithHint(nil, "x") != nil || failure.WithCode(nil, 3) != nil {
		t.Error("a nil error does not stay nil")
	}
}

func TestSilent(t *testing.T) {
	if !failure.IsSilent(failure.Silent(100)) || failure.IsSilent(failure.WithCode(errors.New("x"), 3)) {
		t.Error("only an error without a message is silent")
	}
}
