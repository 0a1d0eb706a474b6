// Command table runs the contract suites, on the embedded lab and on the real
// engines, and prints a row for each case: engine, case, lab, real. It is run in
// the conformance folder:
//
//	go run ./table
//
// It exits with 1 when a test failed, or when a case failed, was skipped or is
// missing on one side: the lab may not lie. What failed is shown as it happens,
// and on a real engine is asked again.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

func main() {
	if err := compare(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

// tries is how often a real test may fail before it counts. Real engines on a
// shared machine are late now and then: what failed is shown, and asked again.
const tries = 3

func compare(ctx context.Context, out io.Writer) error {
	lab, err := goTest(ctx, out, labCase, "..", "-run=^TestContract$", "./internal/lab/...")
	if err != nil {
		return err
	}
	genuine, err := genuine(ctx, out)
	return errors.Join(write(out, join(lab.cases, genuine.cases)), err)
}

// genuine runs the tests of this folder until all have passed or their tries are
// used up.
func genuine(ctx context.Context, out io.Writer) (outcomes, error) {
	tests, err := list(ctx)
	if err != nil {
		return outcomes{}, err
	}
	all, err := goTest(ctx, out, realCase, ".", "-count=1", "-timeout=40m", ".")
	for range tries - 1 {
		left := all.lacks(tests)
		if len(left) == 0 {
			break
		}
		fmt.Fprintln(out, "asked again:", strings.Join(left, " "))
		var again outcomes
		again, err = goTest(ctx, out, realCase, ".", "-count=1", "-timeout=40m", "-run=^("+strings.Join(left, "|")+")$", ".")
		all.add(again)
	}
	return all, err
}

// list names the tests of this folder.
func list(ctx context.Context) ([]string, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-list=^Test", ".")
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cmd, err)
	}
	return slices.DeleteFunc(strings.Fields(string(text)), func(word string) bool { return !strings.HasPrefix(word, "Test") }), nil
}

// goTest runs go test -json in dir and reads the outcomes. Those that there are
// come back with the error as well.
func goTest(ctx context.Context, out io.Writer, naming naming, dir string, args ...string) (outcomes, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-json"}, args...)...)
	cmd.Dir = dir
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return outcomes{}, err
	}
	if err := cmd.Start(); err != nil {
		return outcomes{}, err
	}
	found, readErr := read(io.TeeReader(stdout, &echo{out: out}), naming)
	if err := cmd.Wait(); err != nil {
		return found, fmt.Errorf("%s: %w", cmd, err)
	}
	return found, readErr
}
