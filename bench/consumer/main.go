//go:build unix

// Command consumer measures the consumer library on a real Kafka in interleaved
// runs: what it adds to a record over a bare poll loop, with per-key order; how
// its rate grows with its workers when each event takes a while; and its memory
// over topics of different lengths.
//
//	go run ./bench/consumer [-records 1000000] [-size 300] [-codec lz4] [-partitions 8] [-runs 7] [-scaling] [-json FILE]
//	go run ./bench/consumer -matrix
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/suokelife/suokectl/bench/corpus"
	"github.com/suokelife/suokectl/bench/harness"
	"github.com/suokelife/suokectl/internal/testenv"
)

// The goals.
const (
	overGoal   = 2 * time.Microsecond // a record over the bare loop
	linearGoal = 0.9                  // × as many workers
	memoryGoal = 200 << 20
)

const (
	workers = 10
	nap     = 10 * time.Millisecond // of a handler that waits
	// napped is how many events a worker handles that waits.
	napped = 300
)

type options struct {
	corpus.Setting
	records, runs int
	matrix        bool
	scaling       bool
	jsonFile      string
}

func main() {
	if len(os.Args) > 2 && os.Args[1] == programArg {
		exit(program(context.Background(), os.Args[2:]))
	}
	var o options
	flag.IntVar(&o.records, "records", 1_000_000, "events in the topic")
	o.Bind(flag.CommandLine)
	flag.IntVar(&o.runs, "runs", 7, "counted runs of each")
	flag.BoolVar(&o.matrix, "matrix", false, "measure 100 B, 1 KiB and 16 KiB with each codec on 1 and 8 partitions")
	flag.BoolVar(&o.scaling, "scaling", false, "measure too how the rate grows with the workers")
	flag.StringVar(&o.jsonFile, "json", "", "write the results as JSON to this file")
	flag.Parse()
	exit(run(context.Background(), os.Stdout, o))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "consumer:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func run(ctx context.Context, out io.Writer, o options) error {
	dir, err := os.MkdirTemp("", "suokectl-consumer-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	kafka, err := testenv.StartKafka(dir)
	if err != nil {
		return err
	}
	defer kafka.Stop()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	b := &bench{brokers: strings.Join(kafka.Brokers, ","), self: self, options: o}
	settings := []corpus.Setting{o.Setting}
	if o.matrix {
		settings = corpus.Matrix(0)
	}
	var comparisons []harness.Comparison
	for _, s := range settings {
		c, err := b.overBare(ctx, s)
		if err != nil {
			return err
		}
		comparisons = append(comparisons, c)
	}
	if o.scaling {
		comparisons = append(comparisons, b.scalingOf())
	}
	for i, comparison := range comparisons {
		result, err := comparison.Run(ctx)
		if err != nil {
			return err
		}
		if err := report(out, result, o, i == 0); err != nil {
			return err
		}
	}
	return nil
}

type bench struct {
	options
	brokers, self string
}

// overBare compares handling a whole topic, and one of a quarter of the length,
// with polling the whole.
func (b *bench) overBare(ctx context.Context, s corpus.Setting) (harness.Comparison, error) {
	records := b.records
	if s.Size > 4<<10 {
		records /= 10
	}
	topic := fmt.Sprintf("test.b.m%d-%d-%s.v1", s.Size, s.Partitions, s.Codec)
	if err := fill(ctx, b.brokers, topic, records, s); err != nil {
		return harness.Comparison{}, err
	}
	return harness.Comparison{
		Name: fmt.Sprintf("%d events of %d bytes, %s, %d partitions", records, s.Size, s.Codec, s.Partitions),
		Runs: b.runs,
		Contenders: []harness.Contender{
			b.contender("library", topic, records, workers, 0),
			b.contender("a quarter of it", topic, records/4, workers, 0),
			b.contender("bare loop", topic, records, 0, 0),
		},
	}, nil
}

// scalingOf compares numbers of workers whose handlers wait: each has as much to
// do in each run.
func (b *bench) scalingOf() harness.Comparison {
	c := harness.Comparison{Name: fmt.Sprintf("%d events a worker that waits for %s", napped, nap), Runs: min(b.runs, 3)}
	topic := fmt.Sprintf("test.b.m%d-%d-%s.v1", b.Size, b.Partitions, b.Codec)
	for _, n := range []int{1, 2, 5, 10, 20, 50} {
		c.Contenders = append(c.Contenders, b.contender(fmt.Sprintf("%d workers", n), topic, n*napped, n, nap))
	}
	for i := len(c.Contenders) - 1; i > 0; i-- { // as fast as one worker with as much
		c.Goals = append(c.Goals, harness.Goal{Of: c.Contenders[i].Name, To: c.Contenders[0].Name, Metric: harness.Wall, AtMost: 1 / linearGoal})
	}
	return c
}

// contender is this program as a consumer; with no workers it is the bare loop.
func (b *bench) contender(name, topic string, records, workers int, wait time.Duration) harness.Contender {
	return harness.Contender{Name: name, Argv: []string{
		b.self, programArg, b.brokers, topic, strconv.Itoa(records), strconv.Itoa(workers), wait.String(),
	}}
}

// report prints the table, and for a comparison with the bare loop what the
// library adds to a record.
func report(out io.Writer, result *harness.Result, o options, first bool) error {
	if !first {
		fmt.Fprintln(out)
	}
	if err := result.WriteTable(out); err != nil {
		return err
	}
	bare := result.Contenders[len(result.Contenders)-1]
	if bare.Name == "bare loop" {
		library := result.Contenders[0]
		over := (library.Median.Wall - bare.Median.Wall) / time.Duration(library.Output.Lines)
		fmt.Fprintf(out, "goal: %s a record over the bare loop, at most %s: %s\n", over, overGoal, held(over <= overGoal))
		fmt.Fprintf(out, "goal: %d MiB at most %d: %s\n", library.Median.RSS>>20, memoryGoal>>20, held(library.Median.RSS <= memoryGoal))
	}
	if o.jsonFile == "" {
		return nil
	}
	return appendJSON(result, o.jsonFile, first)
}

func held(yes bool) string {
	if yes {
		return "held"
	}
	return "MISSED"
}
