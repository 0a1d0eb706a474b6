//go:build unix

// Command copy measures copying a topic exactly once, with its keys, partitions
// and timestamps, against a bare loop of the Kafka client that uses no
// transactions, which is the floor, and against two kcats in a pipe tuned to
// their best, which keep keys alone and copy at least once, on a real Kafka in
// interleaved runs. After each run the target is read: its values must be the
// source's.
//
//	go run ./bench/copy [-records 1000000] [-size 300] [-codec lz4] [-partitions 8] [-runs 7] [-json FILE]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/suokelife/suokectl/bench/corpus"
	"github.com/suokelife/suokectl/bench/harness"
	"github.com/suokelife/suokectl/bench/topic"
	"github.com/suokelife/suokectl/internal/testenv"
)

const (
	source = "test.bench-service.copied.v1"
	target = "test.bench-service.copy.v1"

	// floorGoal is × the bare loop's wall time: 0.7 of its rate.
	floorGoal = 1 / 0.7
	kcatGoal  = 1.0
)

type options struct {
	records, size, partitions, runs int
	codec, jsonFile                 string
}

func main() {
	if len(os.Args) == 4 && os.Args[1] == floorArg {
		exit(floor(context.Background(), os.Args[2], os.Args[3]))
	}
	if printed, err := topic.Printed(context.Background(), os.Stdout); printed {
		exit(err)
	}
	var o options
	flag.IntVar(&o.records, "records", 1_000_000, "events of the topic")
	flag.IntVar(&o.size, "size", 300, "bytes of an event; the smallest has about 200")
	flag.StringVar(&o.codec, "codec", "lz4", "none, lz4 or zstd")
	flag.IntVar(&o.partitions, "partitions", 8, "partitions of both topics")
	flag.IntVar(&o.runs, "runs", 7, "counted runs of each command")
	flag.StringVar(&o.jsonFile, "json", "", "write the results as JSON to this file")
	flag.Parse()
	exit(run(context.Background(), os.Stdout, o))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "copy:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func run(ctx context.Context, out io.Writer, o options) error {
	compression, err := corpus.Codec(o.codec)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "suokectl-copy-")
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
	kcat, err := testenv.InstallTool("kcat")
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := fill(ctx, kafka.Brokers, o, compression); err != nil {
		return err
	}
	brokers := strings.Join(kafka.Brokers, ",")
	contender := func(name string, argv ...string) harness.Contender {
		return harness.Contender{Name: name, Argv: argv, Env: append(harness.Home(dir), "SUOKECTL_KAFKA_BROKERS="+brokers),
			Prepare: func(ctx context.Context) error { return topic.Recreate(ctx, brokers, target, o.partitions) },
			Examine: func(io.Reader) (harness.Evidence, error) { return topic.Examine(context.Background(), brokers, target) },
		}
	}
	comparison := harness.Comparison{
		Name: fmt.Sprintf("%d events of %d bytes, %s, %d partitions", o.records, o.size, o.codec, o.partitions),
		Runs: o.runs, SameOutput: true,
		Contenders: []harness.Contender{
			contender("suokectl", suokectl, "events", "copy", source, target, "--compression", o.codec),
			contender("bare loop", self, floorArg, brokers, o.codec),
			contender("kcat | kcat", "sh", "-c", piped(kcat, brokers, o.codec)),
		},
		Goals: []harness.Goal{
			{Of: "suokectl", To: "bare loop", Metric: harness.Wall, AtMost: floorGoal},
			{Of: "suokectl", To: "kcat | kcat", Metric: harness.Wall, AtMost: kcatGoal},
		},
	}
	return errors.Join(harness.Report(ctx, out, o.jsonFile, comparison))
}

// piped is the two kcats. The key goes along before a tab, which no value has.
func piped(kcat, brokers, codec string) string {
	read := []string{kcat, "-C", "-q", "-e", "-b", brokers, "-t", source, "-K", `"$(printf '\t')"`,
		"-X", "fetch.wait.max.ms=5", "-X", "queued.min.messages=2000000"}
	write := []string{kcat, "-P", "-b", brokers, "-t", target, "-z", codec, "-K", `"$(printf '\t')"`,
		"-X", "enable.idempotence=true", "-X", "acks=all", "-X", "linger.ms=" + strconv.Itoa(lingerMillis),
		"-X", "batch.num.messages=1000000", "-X", "batch.size=1000000",
		"-X", "queue.buffering.max.messages=1000000", "-X", "queue.buffering.max.kbytes=1000000"}
	return strings.Join(read, " ") + " | " + strings.Join(write, " ")
}
