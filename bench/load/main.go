//go:build unix

// Command load measures the callers' processor time of the same closed load, by
// suokectl rpc bench and by ghz, with equal requests, callers and connections, in
// interleaved runs. The server is another process than either.
//
//	go run ./bench/load [-calls 200000] [-concurrency 50] [-connections 1] [-size 0] [-runs 7] [-json FILE]
//
// -size adds so many bytes to each request.
package main

import (
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

// goal is × ghz's processor time: 1.4 times its requests in a CPU second.
const goal = 1 / 1.4

type options struct {
	calls, concurrency, connections, size, runs int
	jsonFile                                    string
}

func main() {
	var o options
	flag.IntVar(&o.calls, "calls", 200_000, "calls of a run")
	flag.IntVar(&o.concurrency, "concurrency", 50, "callers")
	flag.IntVar(&o.connections, "connections", 1, "connections that they share")
	flag.IntVar(&o.size, "size", 0, "bytes to add to each request")
	flag.IntVar(&o.runs, "runs", 7, "counted runs of each command")
	flag.StringVar(&o.jsonFile, "json", "", "write the results as JSON to this file")
	flag.Parse()
	if err := run(context.Background(), os.Stdout, o); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, o options) error {
	dir, err := os.MkdirTemp("", "suokectl-load-")
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
	request := filepath.Join(dir, "request.json")
	text := fmt.Sprintf(`{"user_id":%q}`, served.UserID+strings.Repeat(" ", o.size))
	if err := os.WriteFile(request, []byte(text), 0o600); err != nil {
		return harness.Comparison{}, err
	}
	load := []string{"-n", strconv.Itoa(o.calls), "-c", strconv.Itoa(o.concurrency), "--connections", strconv.Itoa(o.connections)}
	contenders := []harness.Contender{
		{
			Name: "suokectl rpc bench", Env: harness.Home(dir), Examine: ours(o.calls),
			Argv: append([]string{suokectl, "rpc", "bench", address, served.GetProfile, "--plaintext", "-d", "@" + request, "-o", "json"}, load...),
		},
		{
			Name: "ghz", Examine: theirs(o.calls),
			Argv: append(append([]string{ghz, "--insecure", "--call", served.GetProfile, "-D", request}, load...), address),
		},
	}
	return harness.Comparison{
		Name: fmt.Sprintf("%d calls by %d callers", o.calls, o.concurrency), Runs: o.runs, Contenders: contenders,
		Goals: []harness.Goal{{Of: contenders[0].Name, To: contenders[1].Name, Metric: harness.CPU, AtMost: goal}},
	}, nil
}

// ours wants the result to count so many calls, all of them OK.
func ours(want int) func(io.Reader) (harness.Evidence, error) {
	return func(stdout io.Reader) (harness.Evidence, error) {
		var result struct {
			Calls  int `json:"calls"`
			Failed int `json:"failed"`
		}
		err := json.NewDecoder(stdout).Decode(&result)
		if err == nil && (result.Calls != want || result.Failed != 0) {
			err = fmt.Errorf("%d good answers are not counted: %+v", want, result)
		}
		return harness.Evidence{Lines: int64(want)}, err
	}
}

// theirs wants ghz to have counted the same.
func theirs(want int) func(io.Reader) (harness.Evidence, error) {
	return func(stdout io.Reader) (harness.Evidence, error) {
		text, err := io.ReadAll(stdout)
		if err == nil && !strings.Contains(string(text), fmt.Sprintf("[OK]   %d responses", want)) {
			err = fmt.Errorf("ghz did not count %d good answers:\n%s", want, text)
		}
		return harness.Evidence{Lines: int64(want)}, err
	}
}
