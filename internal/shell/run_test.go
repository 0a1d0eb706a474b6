//go:build unix

package shell_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/suokelife/suokectl/internal/shell"
)

func TestRun(t *testing.T) {
	var out strings.Builder
	prepare := func(cmd *exec.Cmd) { cmd.Stdin, cmd.Stdout, cmd.Env = strings.NewReader("in"), &out, []string{"A=b"} }
	if err := shell.Run(t.Context(), `cat; echo " $A"`, prepare); err != nil || out.String() != "in b\n" {
		t.Errorf("printed %q, %v", out.String(), err)
	}
	var exit *exec.ExitError
	if err := shell.Run(t.Context(), "exit 3", prepare); !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Errorf("got %v", err)
	}
}

// TestAllOfItEndsWithTheContext: the pipe is at its end when the last process that holds it is gone.
func TestAllOfItEndsWithTheContext(t *testing.T) {
	for what, line := range map[string]string{
		"a child":                "sleep 1000 & echo up; wait",
		"one that does not heed": `trap "" TERM; echo up; sleep 1000; sleep 1000`,
	} {
		t.Run(what, func(t *testing.T) {
			read, write := io.Pipe()
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				err := shell.Run(ctx, line, func(cmd *exec.Cmd) { cmd.Stdout = write })
				_ = write.Close() // never fails
				done <- err
			}()
			lines := bufio.NewReader(read)
			if text, err := lines.ReadString('\n'); err != nil || text != "up\n" {
				t.Fatalf("printed %q, %v", text, err)
			}
			start := time.Now()
			cancel()
			if _, err := lines.ReadString('\n'); !errors.Is(err, io.EOF) {
				t.Errorf("got %v", err)
			}
			if err := <-done; err == nil || time.Since(start) > 20*time.Second {
				t.Errorf("ended with %v after %v", err, time.Since(start))
			}
		})
	}
}
