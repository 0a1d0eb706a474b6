//go:build unix

// Command consume measures reading a whole topic, to raw values and to NDJSON,
// against kcat tuned to its best, and against a bare poll loop of the Kafka
// client, which is the floor, on a real Kafka in interleaved runs.
//
//	go run ./bench/consume [-bytes 300000000] [-size 300] [-codec lz4] [-partitions 8] [-runs 7] [-json FILE]
//	go run ./bench/consume -matrix [-null]
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

// The goals: what is asked of a reader that passes values through.
const (
	wallGoal  = 0.67     // × kcat's wall time
	cpuGoal   = 0.5      // × kcat's CPU time
	floorGoal = 1 / 0.90 // × the wall time of the bare loop
)

type options struct {
	corpus.Setting
	runs     int
	matrix   bool
	null     bool
	jsonFile string
}

func main() {
	if len(os.Args) == 4 && os.Args[1] == floorArg {
		exit(floor(context.Background(), os.Stdout, os.Args[2], os.Args[3]))
	}
	var o options
	o.Bind(flag.CommandLine)
	o.BindBytes(flag.CommandLine)
	flag.IntVar(&o.runs, "runs", 7, "counted runs of each command")
	flag.BoolVar(&o.matrix, "matrix", false, "measure 100 B, 1 KiB and 16 KiB with each codec on 1 and 8 partitions")
	flag.BoolVar(&o.null, "null", false, "discard what is printed, unverified: a file costs more for NDJSON, which is longer")
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
	b := &bench{options: o, dir: dir, brokers: strings.Join(kafka.Brokers, ",")}
	if err := b.prepare(ctx); err != nil {
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
		comparisons = append(comparisons, b.values(s), b.lines(s))
	}
	return harness.Report(ctx, out, o.jsonFile, comparisons...)
}

type bench struct {
	options
	dir, brokers         string
	suokectl, kcat, self string
}

func (b *bench) prepare(ctx context.Context) (err error) {
	if b.suokectl, err = harness.Build(ctx, b.dir); err != nil {
		return err
	}
	if b.kcat, err = testenv.InstallTool("kcat"); err != nil {
		return err
	}
	b.self, err = os.Executable()
	return err
}

// values compares values alone, which all contenders print alike and which are
// verified.
func (b *bench) values(s corpus.Setting) harness.Comparison {
	return harness.Comparison{Name: "values of " + s.String(), Runs: b.runs, SameOutput: !b.null, Discard: b.null, Goals: goals("suokectl -o raw", "kcat"),
		Contenders: []harness.Contender{b.ours(s, "raw"), b.bare(s), b.kcats(s, "kcat")}}
}

// lines compares NDJSON, which each tool writes in its own way: there the lines
// are counted, and only runs of one tool must agree.
func (b *bench) lines(s corpus.Setting) harness.Comparison {
	return harness.Comparison{Name: "NDJSON of " + s.String(), Runs: b.runs, Discard: b.null, Goals: goals("suokectl -o ndjson", "kcat -J"),
		Contenders: []harness.Contender{b.ours(s, "ndjson"), b.bare(s), b.kcats(s, "kcat -J", "-J")}}
}

func (b *bench) ours(s corpus.Setting, format string) harness.Contender {
	return harness.Contender{Name: "suokectl -o " + format, Env: append(harness.Home(b.dir), "SUOKECTL_KAFKA_BROKERS="+b.brokers),
		Argv: []string{b.suokectl, "events", "consume", s.Topic(), "--until", "now", "-o", format}}
}

func (b *bench) bare(s corpus.Setting) harness.Contender {
	return harness.Contender{Name: "bare loop", Argv: []string{b.self, floorArg, b.brokers, s.Topic()}}
}

func (b *bench) kcats(s corpus.Setting, name string, more ...string) harness.Contender {
	return harness.Contender{Name: name, Argv: append([]string{b.kcat, "-C", "-e", "-q", "-b", b.brokers, "-t", s.Topic(),
		"-X", "fetch.wait.max.ms=5", "-X", "queued.min.messages=2000000"}, more...)}
}

func goals(ours, peer string) []harness.Goal {
	return []harness.Goal{
		{Of: ours, To: peer, Metric: harness.Wall, AtMost: wallGoal},
		{Of: ours, To: peer, Metric: harness.CPU, AtMost: cpuGoal},
		{Of: ours, To: "bare loop", Metric: harness.Wall, AtMost: floorGoal},
	}
}
