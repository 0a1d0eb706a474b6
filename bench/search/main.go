//go:build unix

// Command search measures finding one event of a topic against kcat, tuned to
// its best, whose output ripgrep reads, on a real Kafka in interleaved runs.
//
//	go run ./bench/search [-bytes 300000000] [-size 300] [-codec lz4] [-partitions 8] [-runs 7] [-json FILE]
//	go run ./bench/search -matrix
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/suokelife/suokectl/bench/corpus"
	"github.com/suokelife/suokectl/bench/harness"
	"github.com/suokelife/suokectl/internal/testenv"
)

// The goals: what is asked of a search that parses no record but the one found.
const (
	wallGoal = 0.5  // × the wall time of kcat | rg
	cpuGoal  = 0.33 // × its CPU time
)

type options struct {
	corpus.Setting
	runs     int
	matrix   bool
	jsonFile string
}

func main() {
	var o options
	o.Bind(flag.CommandLine)
	o.BindBytes(flag.CommandLine)
	flag.IntVar(&o.runs, "runs", 7, "counted runs of each command")
	flag.BoolVar(&o.matrix, "matrix", false, "measure 100 B, 1 KiB and 16 KiB with each codec on 1 and 8 partitions")
	flag.StringVar(&o.jsonFile, "json", "", "write the results as JSON to this file")
	flag.Parse()
	if err := run(context.Background(), os.Stdout, o); err != nil {
		fmt.Fprintln(os.Stderr, "search:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, o options) error {
	dir, err := os.MkdirTemp("", "suokectl-search-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	kafka, err := testenv.StartKafka(dir)
	if err != nil {
		return err
	}
	defer kafka.Stop()
	suokectl, err := harness.Build(ctx, dir)
	if err != nil {
		return err
	}
	settings := []corpus.Setting{o.Setting}
	if o.matrix {
		settings = corpus.Matrix(o.Bytes)
	}
	var comparisons []harness.Comparison
	for _, s := range settings {
		if err := s.Fill(ctx, kafka.Brokers); err != nil {
			return err
		}
		c, err := compare(s, suokectl, dir, strings.Join(kafka.Brokers, ","))
		if err != nil {
			return err
		}
		c.Runs = o.runs
		comparisons = append(comparisons, c)
	}
	return harness.Report(ctx, out, o.jsonFile, comparisons...)
}

func compare(s corpus.Setting, suokectl, dir, brokers string) (harness.Comparison, error) {
	kcat, err := testenv.InstallTool("kcat")
	if err != nil {
		return harness.Comparison{}, err
	}
	rg, err := testenv.InstallTool("rg")
	if err != nil {
		return harness.Comparison{}, err
	}
	pipeline := fmt.Sprintf("%s -C -e -q -b %s -t %s -X fetch.wait.max.ms=5 -X queued.min.messages=2000000 | %s -F %s",
		kcat, brokers, s.Topic(), rg, s.Needle())
	return harness.Comparison{
		Name: "one of " + s.String(), SameOutput: true,
		Contenders: []harness.Contender{
			{Name: "suokectl search", Env: append(harness.Home(dir), "SUOKECTL_KAFKA_BROKERS="+brokers),
				Argv: []string{suokectl, "events", "search", s.Topic(), "--contains", s.Needle(), "-o", "raw"}},
			{Name: "kcat | rg", Argv: []string{"sh", "-c", pipeline}},
		},
		Goals: []harness.Goal{
			{Of: "suokectl search", To: "kcat | rg", Metric: harness.Wall, AtMost: wallGoal},
			{Of: "suokectl search", To: "kcat | rg", Metric: harness.CPU, AtMost: cpuGoal},
		},
	}, nil
}
