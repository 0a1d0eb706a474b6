//go:build unix

// Command batch measures ten thousand unary calls, one for each line of a file,
// by suokectl rpc batch against ghz at the same concurrency, and against a shell
// loop over the lines that runs grpcurl for each, in interleaved runs. The loop
// makes a fiftieth of the calls, and its goal is fifty times nearer.
//
// ghz makes its one request many times and counts the answers; batch reads and
// decodes each request, and prints each answer in the order of the requests.
//
//	go run ./bench/batch [-calls 10000] [-concurrency 50] [-runs 11] [-json FILE]
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/suokelife/suokectl/bench/harness"
	"github.com/suokelife/suokectl/bench/served"
	"github.com/suokelife/suokectl/internal/testenv"
)

// The goals: × the wall time of ghz, and of a loop that makes all the calls.
const (
	ghzGoal  = 1.0
	loopGoal = 0.01
)

// fraction is how much shorter the measured loop is.
const fraction = 50

const request = `{"user_id":"` + served.UserID + `"}`

type options struct {
	calls, concurrency, runs int
	jsonFile                 string
}

func main() {
	var o options
	flag.IntVar(&o.calls, "calls", 10_000, "calls of a run, a multiple of 50")
	flag.IntVar(&o.concurrency, "concurrency", 50, "calls at a time")
	flag.IntVar(&o.runs, "runs", 11, "counted runs of each command")
	flag.StringVar(&o.jsonFile, "json", "", "write the results as JSON to this file")
	flag.Parse()
	if err := run(context.Background(), os.Stdout, o); err != nil {
		fmt.Fprintln(os.Stderr, "batch:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, o options) error {
	dir, err := os.MkdirTemp("", "suokectl-batch-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	server, err := served.Users()
	if err != nil {
		return err
	}
	comparison, err := compare(ctx, dir, server.Addr(), o)
	if err == nil {
		err = harness.Report(ctx, out, o.jsonFile, comparison)
	}
	return errors.Join(err, server.Close())
}

func compare(ctx context.Context, dir, address string, o options) (harness.Comparison, error) {
	suokectl, err := harness.Build(ctx, dir)
	if err != nil {
		return harness.Comparison{}, err
	}
	ghz, err := testenv.InstallTool("ghz")
	if err != nil {
		return harness.Comparison{}, err
	}
	grpcurl, err := testenv.InstallTool("grpcurl")
	if err != nil {
		return harness.Comparison{}, err
	}
	some := o.calls / fraction
	all, few := filepath.Join(dir, "all.ndjson"), filepath.Join(dir, "few.ndjson")
	if err := errors.Join(writeLines(all, o.calls), writeLines(few, some)); err != nil {
		return harness.Comparison{}, err
	}
	concurrency := strconv.Itoa(o.concurrency)
	contenders := []harness.Contender{
		{
			Name: "suokectl rpc batch", Env: harness.Home(dir), Examine: answers(o.calls, batchLine),
			Argv: []string{suokectl, "rpc", "batch", all, address, served.GetProfile, "--plaintext", "-c", concurrency},
		},
		{
			Name: fmt.Sprintf("loop of %d × grpcurl", some), Examine: answers(some, grpcurlAnswer), Stdin: few,
			Argv: []string{"sh", "-c", `while read -r line; do "$0" -plaintext -d "$line" "$@" || exit 1; done`, grpcurl, address, served.GetProfile},
		},
		{
			Name: "ghz", Examine: ghzSummary(o.calls),
			Argv: []string{ghz, "--insecure", "--call", served.GetProfile, "-d", request, "-n", strconv.Itoa(o.calls), "-c", concurrency, address},
		},
	}
	return harness.Comparison{
		Name: fmt.Sprintf("%d calls, %s at a time", o.calls, concurrency), Runs: o.runs, Contenders: contenders,
		Goals: []harness.Goal{
			{Of: contenders[0].Name, To: contenders[1].Name, Metric: harness.Wall, AtMost: loopGoal * fraction},
			{Of: contenders[0].Name, To: contenders[2].Name, Metric: harness.Wall, AtMost: ghzGoal},
		},
	}, nil
}

func writeLines(path string, n int) error {
	return os.WriteFile(path, bytes.Repeat([]byte(request+"\n"), n), 0o600)
}

// profile is the message of the answer in JSON.
type profile struct {
	UserID string `json:"userId"`
	Email  string `json:"email"`
}

var right = profile{served.UserID, served.Email}

// answers wants so many JSON values of which each is good.
func answers(want int, good func(json.RawMessage) bool) func(io.Reader) (harness.Evidence, error) {
	return func(stdout io.Reader) (harness.Evidence, error) {
		var evidence harness.Evidence
		decoder := json.NewDecoder(stdout)
		for {
			var value json.RawMessage
			err := decoder.Decode(&value)
			switch {
			case errors.Is(err, io.EOF) && evidence.Lines == int64(want):
				return evidence, nil
			case err != nil:
				return evidence, fmt.Errorf("after %d answers of %d: %w", evidence.Lines, want, err)
			case !good(value):
				return evidence, fmt.Errorf("an answer that is not right: %s", value)
			}
			evidence.Lines++
		}
	}
}

func batchLine(value json.RawMessage) bool {
	var line struct {
		Code     string  `json:"code"`
		Response profile `json:"response"`
	}
	return json.Unmarshal(value, &line) == nil && line.Code == "OK" && line.Response == right
}

func grpcurlAnswer(value json.RawMessage) bool {
	var answer profile
	return json.Unmarshal(value, &answer) == nil && answer == right
}

// ghzSummary wants ghz to have counted so many answers that were OK. It shows
// none of them.
func ghzSummary(want int) func(io.Reader) (harness.Evidence, error) {
	return func(stdout io.Reader) (harness.Evidence, error) {
		text, err := io.ReadAll(stdout)
		if err == nil && !strings.Contains(string(text), fmt.Sprintf("[OK]   %d responses", want)) {
			err = fmt.Errorf("ghz did not count %d good answers:\n%s", want, text)
		}
		return harness.Evidence{Lines: int64(want)}, err
	}
}
