//go:build unix

package root

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// interruptible is set in the process that TestASignalThatComesTwiceIsOne sends signals to.
const interruptible = "SUOKECTL_TEST_INTERRUPTIBLE"

// TestASignalThatComesTwiceIsOne: a process that is told to end once, and at once again by the same hand, ends by
// itself and does what it has to do before.
func TestASignalThatComesTwiceIsOne(t *testing.T) {
	if os.Getenv(interruptible) != "" {
		ctx, _ := withSignals(context.Background())
		fmt.Println("ready")
		<-ctx.Done()
		fmt.Println("told")
		_, _ = io.Copy(io.Discard, os.Stdin) // until the second signal was sent
		os.Exit(0)                           // it may still be on its way
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), interruptible+"=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewScanner(stdout)
	for _, want := range []string{"ready", "told"} {
		if !said.Scan() || said.Text() != want {
			t.Errorf("it said %q, not %s", said.Text(), want)
		}
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
	}
	_ = stdin.Close() // ends it
	for said.Scan() { // else Wait could close the pipe before all is read
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it was killed: %v", err)
	}
}
