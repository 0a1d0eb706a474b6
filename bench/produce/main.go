//go:build unix

// Command produce measures producing the events of an NDJSON file, each of them
// validated, against kcat tuned to its best, which validates nothing, and
// against a bare loop of the Kafka client, which is the floor, on a real Kafka in
// interleaved runs. All wait for the acknowledgement of every replica and are
// idempotent; the others linger for 5 ms, suokectl for 2. After each run the topic
// is read: its records must be the lines of the file.
//
//	go run ./bench/produce [-bytes 300000000] [-size 300] [-codec lz4] [-partitions 8] [-runs 7] [-json FILE]
//	go run ./bench/produce -matrix
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/suokelife/suokectl/bench/corpus"
	"github.com/suokelife/suokectl/bench/harness"
	"github.com/suokelife/suokectl/bench/topic"
	"github.com/suokelife/suokectl/internal/testenv"
)

// wallGoal is what is asked of a producer that validates: × kcat's wall time.
const wallGoal = 1.0

const linger = "5" // ms

type options struct {
	corpus.Setting
	runs     int
	matrix   bool
	jsonFile string
}

func main() {
	if len(os.Args) == 6 && os.Args[1] == floorArg {
		exit(floor(context.Background(), os.Args[2], os.Args[3], os.Args[4], os.Args[5]))
	}
	if printed, err := topic.Printed(context.Background(), os.Stdout); printed {
		exit(err)
	}
	var o options
	o.Bind(flag.CommandLine)
	o.BindBytes(flag.CommandLine)
	flag.IntVar(&o.runs, "runs", 7, "counted runs of each command")
	flag.BoolVar(&o.matrix, "matrix", false, "measure 100 B, 1 KiB and 16 KiB with each codec on 1 and 8 partitions")
	flag.StringVar(&o.jsonFile, "json", "", "write the results as JSON to this file")
	flag.Parse()
	exit(run(context.Background(), os.Stdout, o))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "produce:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func run(ctx context.Context, out io.Writer, o options) error {
	dir, err := os.MkdirTemp("", "suokectl-produce-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	kafka, err := testenv.StartKafka(dir)
	if err != nil {
		return err
	}
	defer kafka.Stop()
	b := &bench{dir: dir, brokers: strings.Join(kafka.Brokers, ","), options: o}
	if b.suokectl, err = harness.Build(ctx, dir); err != nil {
		return err
	}
	if b.kcat, err = testenv.InstallTool("kcat"); err != nil {
		return err
	}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	settings := []corpus.Setting{o.Setting}
	if o.matrix {
		settings = corpus.Matrix(o.Bytes)
	}
	var comparisons []harness.Comparison
	for _, s := range settings {
		c, err := b.comparison(s)
		if err != nil {
			return err
		}
		comparisons = append(comparisons, c)
	}
	return harness.Report(ctx, out, o.jsonFile, comparisons...)
}

type bench struct {
	options
	dir, brokers         string
	suokectl, kcat, self string
}

// comparison makes the file of a setting, and the contenders over it. Each has a
// fresh topic for each run, and what is verified is what the topic holds then.
func (b *bench) comparison(s corpus.Setting) (harness.Comparison, error) {
	kind := fmt.Sprintf("m%d", s.Size)
	file := filepath.Join(b.dir, fmt.Sprintf("events-%d.ndjson", s.Size))
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
		if err := write(file, s.Records(), s.Size, kind); err != nil {
			return harness.Comparison{}, err
		}
	}
	name := fmt.Sprintf("test.b.%s.v1", kind)
	contender := func(title string, argv ...string) harness.Contender {
		return harness.Contender{Name: title, Argv: argv, Env: append(harness.Home(b.dir), "SUOKECTL_KAFKA_BROKERS="+b.brokers),
			Prepare: func(ctx context.Context) error { return topic.Recreate(ctx, b.brokers, name, s.Partitions) },
			Examine: func(io.Reader) (harness.Evidence, error) {
				return topic.Examine(context.Background(), b.brokers, name)
			},
		}
	}
	return harness.Comparison{
		Name: s.String(), Runs: b.runs, SameOutput: true,
		Contenders: []harness.Contender{
			contender("suokectl", b.suokectl, "events", "produce", name, "-f", file, "--compression", s.Codec),
			contender("bare loop", b.self, floorArg, b.brokers, name, s.Codec, file),
			contender("kcat", b.kcat, "-P", "-b", b.brokers, "-t", name, "-z", s.Codec, "-l",
				"-X", "enable.idempotence=true", "-X", "acks=all", "-X", "linger.ms="+linger,
				"-X", "batch.num.messages=1000000", "-X", "batch.size=1000000",
				"-X", "queue.buffering.max.messages=1000000", "-X", "queue.buffering.max.kbytes=1000000", file),
		},
		Goals: []harness.Goal{{Of: "suokectl", To: "kcat", Metric: harness.Wall, AtMost: wallGoal}},
	}, nil
}

// write makes the file: valid events, each different, padded to size.
func write(path string, records, size int, eventType string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(file, 1<<20)
	for i := range records {
		_, _ = w.Write(event(i, size, eventType)) // the writer keeps its first error for Flush
		_ = w.WriteByte('\n')
	}
	return errors.Join(w.Flush(), file.Close())
}

// event is the text of a valid event.
func event(i, size int, eventType string) []byte {
	text := fmt.Sprintf(`{"meta":{"id":"%d","type":%q,"version":"v1","source":"b","time":"2026-01-31T12:00:00Z","correlation_id":"none"},"data":{"pad":"`, i, eventType)
	if pad := size - len(text) - 3; pad > 0 {
		text += strings.Repeat("abcdefghij", pad/10+1)[:pad]
	}
	return []byte(text + `"}}`)
}
