//go:build unix

// Command discover measures what finding services in a real Consul costs.
//
//	go run ./bench/discover [-runs 41] [-part NAME]
//
// The parts are
//   - command: `discover instances` against `consul catalog nodes -service`;
//   - latency: from a change of a check to a Watch, against a blocking query that is read by hand;
//   - picker: from a change of a check to the picker of a gRPC connection, against the same;
//   - watched: memory and processor time of a process in which 1,000 services are watched and nothing changes;
//   - list: 10,000 instances, against encoding/json alone on the same reply.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/suokelife/suokectl/internal/testenv"
)

// part is a thing to measure.
type part struct {
	name    string
	measure func(context.Context, bench) error
}

// bench is what the parts share.
type bench struct {
	out  io.Writer
	runs int
	dir  string
}

var errMissed = errors.New("a goal was missed")

func main() {
	runs := flag.Int("runs", 41, "counted runs of each contender")
	part := flag.String("part", "", "only this part: command, latency, picker, watched or list")
	idle := flag.String("idle", "", "internal: watch the services of the Consul at this address")
	waiting := flag.Int("waiting", 0, "internal: how many watches of -idle may wait at a time")
	flag.Parse()
	ctx := context.Background()
	var err error
	if *idle != "" {
		err = watchIdle(ctx, os.Stdout, *idle, *waiting)
	} else {
		err = run(ctx, os.Stdout, *runs, *part)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "discover:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, runs int, only string) error {
	parts := []part{{"command", command}, {"latency", latency}, {"picker", picker}, {"watched", watched}, {"list", list}}
	if only != "" {
		parts = slices.DeleteFunc(parts, func(p part) bool { return p.name != only })
	}
	var errs []error
	for _, p := range parts {
		dir, err := os.MkdirTemp("", "suokectl-discover-")
		if err != nil {
			return err
		}
		err = p.measure(ctx, bench{out: out, runs: runs, dir: dir})
		errs = append(errs, err, os.RemoveAll(dir))
	}
	return errors.Join(errs...)
}

// consul starts a Consul in the bench's folder for as long as use runs.
func (b bench) consul(use func(*testenv.ConsulServer) error, options ...testenv.ConsulOption) error {
	server, err := testenv.StartConsul(b.dir, options...)
	if err != nil {
		return err
	}
	defer server.Stop()
	return use(server)
}

// verdict writes a measured number beside its goal.
func (b bench) verdict(what string, got, atMost float64, unit string) error {
	_, err := fmt.Fprintf(b.out, "  goal: %s ≤ %.2f%s: %.2f%s\n", what, atMost, unit, got, unit)
	if err == nil && got > atMost {
		err = fmt.Errorf("%w: %s", errMissed, what)
	}
	return err
}
