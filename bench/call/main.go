//go:build unix

// Command call measures one unary call by name and JSON, with descriptors that
// an earlier call has kept on disk, against the grpcurl command, which asks for
// them by reflection, in interleaved runs:
//   - the lab's auth-service on the loopback, and 5 ms away; both send the same service token;
//   - a service of 101 proto files 30 ms away.
//
// What was kept is used without a question for a while; then the server is asked
// whether it still holds, beside the call. Both are measured. Distance is that of
// a proxy, see package served.
//
//	go run ./bench/call [-runs 41] [-json FILE]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/suokelife/suokectl/bench/harness"
	"github.com/suokelife/suokectl/bench/served"
	"github.com/suokelife/suokectl/internal/lab/services"
)

// The goals, × grpcurl's wall time.
const (
	nearGoal = 1.2
	farGoal  = 0.75
	manyGoal = 0.1
)

const (
	far     = 5 * time.Millisecond
	farther = 30 * time.Millisecond

	// manyRuns are enough where a run of grpcurl takes seconds.
	manyRuns = 7
)

func main() {
	runs := flag.Int("runs", 41, "counted runs of each command")
	jsonFile := flag.String("json", "", "write the results as JSON to this file")
	flag.Parse()
	if err := run(context.Background(), os.Stdout, *runs, *jsonFile); err != nil {
		fmt.Fprintln(os.Stderr, "call:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, runs int, jsonFile string) (err error) {
	dir, err := os.MkdirTemp("", "suokectl-call-")
	if err != nil {
		return err
	}
	var open closers
	defer func() { err = errors.Join(err, open.close(), os.RemoveAll(dir)) }()
	programs, err := programsIn(ctx, dir)
	if err != nil {
		return err
	}
	auth, err := services.Start(services.Options{Name: "auth-service", Secret: []byte(secret)})
	if err != nil {
		return err
	}
	open.add(auth)
	many, err := served.ManyFiles()
	if err != nil {
		return err
	}
	open.add(many)
	distantAuth, err := open.delay(auth.Addr(), far)
	if err != nil {
		return err
	}
	distantMany, err := open.delay(many.Addr(), farther)
	if err != nil {
		return err
	}
	verify, err := verifyToken(ctx, dir, auth.Addr())
	if err != nil {
		return err
	}
	return harness.Report(ctx, out, jsonFile,
		programs.compare("one unary call, loopback", runs, nearGoal, verify, auth.Addr()),
		programs.compare(fmt.Sprintf("one unary call, %s away", far), runs, farGoal, verify, distantAuth),
		programs.compare(fmt.Sprintf("one unary call, %d files, %s away", served.Files, farther), min(runs, manyRuns), manyGoal, echo, distantMany),
	)
}

// closers are what ends with the benchmark.
type closers []io.Closer

func (c *closers) add(closer io.Closer) { *c = append(*c, closer) }

// delay returns the address at which target is so far away.
func (c *closers) delay(target string, rtt time.Duration) (string, error) {
	proxy, err := served.Delay(target, rtt)
	if err != nil {
		return "", err
	}
	c.add(proxy)
	return proxy.Addr(), nil
}

// close closes the youngest first.
func (c *closers) close() error {
	var errs []error
	for i := len(*c) - 1; i >= 0; i-- {
		errs = append(errs, (*c)[i].Close())
	}
	return errors.Join(errs...)
}
