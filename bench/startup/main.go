//go:build unix

// Command startup measures what suokectl costs before it does anything: the
// verb version against the grpcurl command, both stripped, in interleaved runs,
// and the dearest package initialisations.
//
//	go run ./bench/startup [-runs 41] [-json FILE]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/suokelife/suokectl/bench/harness"
	"github.com/suokelife/suokectl/internal/testenv"
)

const (
	goal      = 1.3 // × grpcurl's wall time
	initGoal  = 1.0 // ms
	initsSeen = 12  // rows of the table of initialisations
)

func main() {
	runs := flag.Int("runs", 41, "counted runs of each command")
	jsonFile := flag.String("json", "", "write the result as JSON to this file")
	flag.Parse()
	if err := run(context.Background(), os.Stdout, *runs, *jsonFile); err != nil {
		fmt.Fprintln(os.Stderr, "startup:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, runs int, jsonFile string) error {
	grpcurl, err := testenv.InstallTool("grpcurl")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "suokectl-startup-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	suokectl, err := harness.Build(ctx, dir)
	if err != nil {
		return err
	}
	result, err := harness.Comparison{
		Name:   "start-up",
		Runs:   runs,
		Warmup: 3,
		Contenders: []harness.Contender{
			{Name: "suokectl version", Argv: []string{suokectl, "version"}},
			{Name: "grpcurl -version", Argv: []string{grpcurl, "-version"}},
		},
		Goals: []harness.Goal{{Of: "suokectl version", To: "grpcurl -version", Metric: harness.Wall, AtMost: goal}},
	}.Run(ctx)
	if err != nil {
		return err
	}
	return errors.Join(report(out, result, jsonFile), reportSizes(out, suokectl, grpcurl), reportInits(ctx, out, suokectl))
}

func report(out io.Writer, result *harness.Result, jsonFile string) error {
	if err := result.WriteTable(out); err != nil {
		return err
	}
	if jsonFile == "" {
		return nil
	}
	file, err := os.Create(jsonFile)
	if err != nil {
		return err
	}
	return errors.Join(result.WriteJSON(file), file.Close())
}

func reportSizes(out io.Writer, paths ...string) error {
	var sizes []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		sizes = append(sizes, fmt.Sprintf("%s %.1f MB", filepath.Base(path), float64(info.Size())/1e6))
	}
	_, err := fmt.Fprintf(out, "\nsize: %s\n", strings.Join(sizes, ", "))
	return err
}

func reportInits(ctx context.Context, out io.Writer, binary string) error {
	inits, err := traceInits(ctx, binary, "version")
	if err != nil {
		return err
	}
	total := 0.0
	for _, i := range inits {
		total += i.ms
	}
	fmt.Fprintf(out, "\ndearest of %d package initialisations, %.2f ms in all (medians)\n", len(inits), total)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, i := range inits[:min(initsSeen, len(inits))] {
		mark := ""
		if i.ms > initGoal {
			mark = "  above 1 ms"
		}
		fmt.Fprintf(table, "%.3f ms\t%d kB\t  %s%s\n", i.ms, i.bytes/1000, i.pkg, mark)
	}
	return table.Flush()
}
