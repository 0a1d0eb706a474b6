//go:build unix

package harness_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/suokelife/suokectl/bench/harness"
)

func sh(name, script string) harness.Contender {
	return harness.Contender{Name: name, Argv: []string{"sh", "-c", script}}
}

func TestRunInterleavesAndCounts(t *testing.T) {
	t.Parallel()
	var order []string
	note := func(name string) harness.Contender {
		c := sh(name, "echo one; echo two")
		c.Prepare = func(context.Context) error { order = append(order, name); return nil }
		return c
	}
	result, err := harness.Comparison{
		Name: "test", Runs: 2, Warmup: 1, SameOutput: true,
		Contenders: []harness.Contender{note("a"), note("b")},
	}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(order, ""); got != "ababab" {
		t.Errorf("order %q, want ababab", got)
	}
	for _, s := range result.Contenders {
		if len(s.Runs) != 2 || s.Output.Lines != 2 || s.Output.Bytes != 8 {
			t.Errorf("%s: %d runs, output %+v; want 2 runs of 2 lines, 8 bytes", s.Name, len(s.Runs), s.Output)
		}
	}
}

func TestRunFails(t *testing.T) {
	t.Parallel()
	counter := t.TempDir() + "/n"
	for name, test := range map[string]struct {
		contenders []harness.Contender
		goals      []harness.Goal
		want       error
		text       string
	}{
		"other output":       {[]harness.Contender{sh("a", "echo x"), sh("b", "echo y")}, nil, harness.ErrOutput, "b gave 1 lines"},
		"output that varies": {[]harness.Contender{sh("a", "echo >> "+counter+"; wc -l < "+counter)}, nil, harness.ErrOutput, ""},
		"exit status":        {[]harness.Contender{sh("a", "echo oops >&2; exit 3")}, nil, nil, "exit status 3: oops"},
		"no contender":       {nil, nil, harness.ErrComparison, ""},
		"same name":          {[]harness.Contender{sh("a", "true"), sh("a", "true")}, nil, harness.ErrComparison, `"a"`},
		"goal of nobody": {
			[]harness.Contender{sh("a", "true")},
			[]harness.Goal{{Of: "a", To: "z", Metric: harness.Wall, AtMost: 1}}, harness.ErrComparison, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := harness.Comparison{Name: "test", Runs: 1, SameOutput: true, Contenders: test.contenders, Goals: test.goals}.Run(t.Context())
			if err == nil || !strings.Contains(err.Error(), test.text) {
				t.Fatalf("error %v, want one with %q", err, test.text)
			}
			if test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
		})
	}
}

func TestRunMeasures(t *testing.T) {
	t.Parallel()
	result, err := harness.Comparison{
		Name: "test", Runs: 1,
		Contenders: []harness.Contender{sh("nap", "sleep 0.2"), sh("burn", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done")},
		Goals:      []harness.Goal{{Of: "nap", To: "burn", Metric: harness.CPU, AtMost: 1}},
	}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	nap, burn := result.Contenders[0].Median, result.Contenders[1].Median
	if nap.Wall < 200*time.Millisecond {
		t.Errorf("sleep 0.2 took %s", nap.Wall)
	}
	if burn.CPU <= nap.CPU || !result.Goals[0].Held {
		t.Errorf("the loop used %s of CPU, the sleep %s", burn.CPU, nap.CPU)
	}
	if nap.RSS < 100<<10 || nap.RSS > 1<<30 {
		t.Errorf("peak memory %d bytes is not that of a shell", nap.RSS)
	}
}

func TestResultIsTableAndJSON(t *testing.T) {
	t.Parallel()
	result := &harness.Result{
		Name: "test",
		Contenders: []harness.Summary{
			{Name: "ours", Median: harness.Sample{Wall: 2 * time.Second, CPU: time.Second, RSS: 1 << 20}},
			{Name: "peer", Median: harness.Sample{Wall: 4 * time.Second, CPU: 4 * time.Second, RSS: 4 << 20}},
		},
		Goals: []harness.Verdict{{Goal: harness.Goal{Of: "ours", To: "peer", Metric: harness.Wall, AtMost: 0.4}, Ratio: 0.5}},
	}
	var table, text bytes.Buffer
	if err := result.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"0.50", "0.25", "MISSED", "2000.0"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("table lacks %q:\n%s", want, &table)
		}
	}
	if err := result.WriteJSON(&text); err != nil {
		t.Fatal(err)
	}
	var back harness.Result
	if err := json.Unmarshal(text.Bytes(), &back); err != nil || back.Contenders[1].Median != result.Contenders[1].Median {
		t.Errorf("JSON does not come back: %v\n%s", err, &text)
	}
}

func TestExamineIgnoresOrderOnly(t *testing.T) {
	t.Parallel()
	digest := func(text string) string {
		evidence, err := harness.Examine(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		return evidence.Digest
	}
	if digest("a\nb\n") != digest("b\na") {
		t.Error("order or the last newline changes the digest")
	}
	for _, other := range []string{"a\n", "a\nb\nb\n", "a\nc\n", "ab\n", "a\na\nb\nb\n"} {
		if digest("a\nb\n") == digest(other) {
			t.Errorf("%q has the digest of another text", other)
		}
	}
}
