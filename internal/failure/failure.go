// Package failure says how a command ended: the terminal's error types, and
// the one function that maps an error to an exit code.
//
//	0 done · 1 failed · 2 misuse · 64 + gRPC code · 100 findings ·
//	101 a hypothesis did not hold · 124 --timeout ran out · 130 interrupted
//
// Errors carry their code as a type, never as a text that is matched.
package failure

import (
	"context"
	"errors"
	"fmt"
)

// The exit codes of every command.
const (
	CodeDone        = 0
	CodeFailed      = 1
	CodeMisuse      = 2
	CodeRPC         = 64 // plus the gRPC code
	CodeFindings    = 100
	CodeHypothesis  = 101
	CodeTimeout     = 124
	CodeInterrupted = 130
)

// ErrTimeout is the cause of a context that --timeout ended.
var ErrTimeout = errors.New("--timeout ran out")

// ErrInterrupted is the cause of a context that a signal ended.
var ErrInterrupted = errors.New("interrupted")

// UsageError says that the command line itself was wrong: exit code 2.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap returns what was wrong.
func (e *UsageError) Unwrap() error { return e.Err }

// Usagef makes a UsageError.
func Usagef(format string, args ...any) error {
	return &UsageError{Err: fmt.Errorf(format, args...)}
}

// HintError adds to an error what to do next; the hint is printed on a line
// of its own.
type HintError struct {
	Err  error
	Hint string
}

func (e *HintError) Error() string { return e.Err.Error() }

// Unwrap returns the error that the hint belongs to.
func (e *HintError) Unwrap() error { return e.Err }

// WithHint adds a hint to err; a nil err stays nil.
func WithHint(err error, hint string) error {
	if err == nil {
		return nil
	}
	return &HintError{Err: err, Hint: hint}
}

// Hint returns the outermost hint in err's chain, or "".
func Hint(err error) string {
	var h *HintError
	if errors.As(err, &h) {
		return h.Hint
	}
	return ""
}

// CodeError fixes the exit code of an error. A nil Err prints nothing: the
// command has said all there is to say.
type CodeError struct {
	Err  error
	Code int
}

func (e *CodeError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

// Unwrap returns the error whose exit code this is; it may be nil.
func (e *CodeError) Unwrap() error { return e.Err }

// WithCode fixes the exit code of err; a nil err stays nil.
func WithCode(err error, code int) error {
	if err == nil {
		return nil
	}
	return &CodeError{Err: err, Code: code}
}

// Silent ends the command with code and prints nothing more.
func Silent(code int) error { return &CodeError{Code: code} }

// Findings ends the command with exit code 100 when n is positive, and is nil
// when there was nothing to find.
func Findings(n int) error {
	if n <= 0 {
		return nil
	}
	return Silent(CodeFindings)
}

// IsSilent reports whether err is to be printed by nobody.
func IsSilent(err error) bool {
	var c *CodeError
	return errors.As(err, &c) && c.Err == nil
}

// Code maps how a command ended to its exit code. An explicit code wins over
// the context's cause, so that a call that ended by --timeout with a gRPC
// status keeps its 64 + code.
func Code(ctx context.Context, err error) int {
	var coded *CodeError
	var usage *UsageError
	switch {
	case err == nil:
		return CodeDone
	case errors.Is(context.Cause(ctx), ErrInterrupted):
		return CodeInterrupted
	case errors.As(err, &coded):
		return coded.Code
	case errors.As(err, &usage):
		return CodeMisuse
	case errors.Is(err, ErrTimeout), errors.Is(context.Cause(ctx), ErrTimeout):
		return CodeTimeout
	default:
		return CodeFailed
	}
}
