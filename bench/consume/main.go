//go:build unix

// Command consume measures reading a whole topic, to raw values and to NDJSON,
// against kcat tuned to its best, and against a bare poll loop of the Kafka
// client, which is the floor, on a real Kafka in interleaved runs.
//
//	go run ./bench/consume [-records 1000000] [-size 300] [-partitions 8] [-runs 7] [-json FILE]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/suokelife/suokectl/bench/harness"
	"github.com/suokelife/suokectl/internal/testenv"
)

// The goals: what is asked of a reader that passes values through.
const (
	wallGoal  = 0.67     // × kcat's wall time
	cpuGoal   = 0.5      // × kcat's CPU time
	floorGoal = 1 / 0.90 // × the wall time of the bare loop
)

const topic = "test.bench-service.read-measured.v1"

type options struct {
	records, size, runs int
	partitions          int
	jsonFile            string
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == floorArg {
		exit(floor(context.Background(), os.Stdout, os.Args[2]))
	}
	var o options
	flag.IntVar(&o.records, "records", 1_000_000, "events in the topic")
	flag.IntVar(&o.size, "size", 300, "bytes of an event")
	flag.IntVar(&o.partitions, "partitions", 8, "partitions of the topic")
	flag.IntVar(&o.runs, "runs", 7, "counted runs of each command")
	flag.StringVar(&o.jsonFile, "json", "", "write the results as JSON to this file")
	flag.Parse()
	exit(run(context.Background(), os.Stdout, o))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "consume:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func run(ctx context.Context, out io.Writer, o options) error {
	dir, err := os.MkdirTemp("", "suokectl-consume-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	kafka, err := testenv.StartKafka(dir)
	if err != nil {
		return err
	}
	defer kafka.Stop()
	brokers := strings.Join(kafka.Brokers, ",")
	if err := fill(ctx, kafka.Brokers, o); err != nil {
		return err
	}
	comparisons, err := comparisons(ctx, dir, brokers, o)
	if err != nil {
		return err
	}
	for i, comparison := range comparisons {
		result, err := comparison.Run(ctx)
		if err != nil {
			return err
		}
		if err := report(out, result, o.jsonFile, i == 0); err != nil {
			return err
		}
	}
	return nil
}

// comparisons are values alone, which all contenders print alike and which are
// verified, and NDJSON, which each tool writes in its own way: there the lines
// are counted, and only runs of one tool must agree.
func comparisons(ctx context.Context, dir, brokers string, o options) ([]harness.Comparison, error) {
	suokectl, err := harness.Build(ctx, dir)
	if err != nil {
		return nil, err
	}
	kcat, err := testenv.InstallTool("kcat")
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	env := []string{"HOME=" + dir, "XDG_CONFIG_HOME=", "XDG_STATE_HOME=", "XDG_CACHE_HOME=", "SUOKECTL_KAFKA_BROKERS=" + brokers}
	ours := func(format string) harness.Contender {
		return harness.Contender{Name: "suokectl -o " + format, Env: env,
			Argv: []string{suokectl, "events", "consume", topic, "--until", "now", "-o", format}}
	}
	tuned := []string{kcat, "-C", "-e", "-q", "-b", brokers, "-t", topic, "-X", "fetch.wait.max.ms=5", "-X", "queued.min.messages=2000000"}
	bare := harness.Contender{Name: "bare loop", Argv: []string{self, floorArg, brokers}}
	goals := func(format, peer string) []harness.Goal {
		return []harness.Goal{
			{Of: "suokectl -o " + format, To: peer, Metric: harness.Wall, AtMost: wallGoal},
			{Of: "suokectl -o " + format, To: peer, Metric: harness.CPU, AtMost: cpuGoal},
			{Of: "suokectl -o " + format, To: "bare loop", Metric: harness.Wall, AtMost: floorGoal},
		}
	}
	what := fmt.Sprintf("%d events of %d bytes, %d partitions", o.records, o.size, o.partitions)
	return []harness.Comparison{
		{Name: "values of " + what, Runs: o.runs, SameOutput: true, Goals: goals("raw", "kcat"),
			Contenders: []harness.Contender{ours("raw"), bare, {Name: "kcat", Argv: tuned}}},
		{Name: "NDJSON of " + what, Runs: o.runs, Goals: goals("ndjson", "kcat -J"),
			Contenders: []harness.Contender{ours("ndjson"), bare, {Name: "kcat -J", Argv: append(tuned, "-J")}}},
	}, nil
}

// report prints a table, and appends a line of JSON to the file if there is one.
func report(out io.Writer, result *harness.Result, jsonFile string, first bool) error {
	if err := result.WriteTable(out); err != nil || jsonFile == "" {
		return err
	}
	mode := os.O_CREATE | os.O_WRONLY | os.O_APPEND
	if first {
		mode = os.O_CREATE | os.O_WRONLY | os.O_TRUNC
	}
	file, err := os.OpenFile(jsonFile, mode, 0o644)
	if err != nil {
		return err
	}
	return errors.Join(result.WriteJSON(file), file.Close())
}
