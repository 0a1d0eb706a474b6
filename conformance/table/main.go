// Command table runs the contract suites, on the embedded lab and on the real
// engines, and prints a row for each case: engine, case, lab, real. It is run in
// the conformance folder:
//
//	go run ./table
//
// It exits with 1 when a test failed, or when a case failed, was skipped or is
// missing on one side: the lab may not lie. What failed is shown as it happens.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
)

func main() {
	if err := compare(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func compare(ctx context.Context, out io.Writer) error {
	lab, labErr := goTest(ctx, out, labCase, "..", "-run=^TestContract$", "./internal/lab/...")
	genuine, realErr := goTest(ctx, out, realCase, ".", "-count=1", "-timeout=40m", ".")
	if err := write(out, join(lab, genuine)); err != nil {
		return err
	}
	if labErr != nil {
		return labErr
	}
	return realErr
}

// goTest runs go test -json in dir and reads the results. The results that there
// are come back with the error as well.
func goTest(ctx context.Context, out io.Writer, naming naming, dir string, args ...string) (results, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-json"}, args...)...)
	cmd.Dir = dir
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	found, readErr := read(io.TeeReader(stdout, &echo{out: out}), naming)
	if err := cmd.Wait(); err != nil {
		return found, fmt.Errorf("%s: %w", cmd, err)
	}
	return found, readErr
}
