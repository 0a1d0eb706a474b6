//go:build unix

package harness

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"
)

// Result is what a Comparison measured.
type Result struct {
	Name       string    `json:"name"`
	Machine    Machine   `json:"machine"`
	Contenders []Summary `json:"contenders"` // in the comparison's order
	Goals      []Verdict `json:"goals"`
}

// Machine says where it was measured.
type Machine struct {
	OS   string `json:"os"`
	Arch string `json:"arch"`
	CPUs int    `json:"cpus"`
	Go   string `json:"go"`
}

// Summary is one contender's part of a Result.
type Summary struct {
	Name   string   `json:"name"`
	Median Sample   `json:"median"`
	Runs   []Sample `json:"runs"`
	Output Evidence `json:"output"` // zero when output was discarded
}

// Verdict is a goal and what came of it.
type Verdict struct {
	Goal
	Ratio float64 `json:"ratio"`
	Held  bool    `json:"held"`
}

func thisMachine() Machine {
	return Machine{OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), Go: runtime.Version()}
}

// Ratio divides the median of one contender by that of another, both by name.
// It panics when there is no such contender.
func (r *Result) Ratio(of, to string, metric Metric) float64 {
	return r.summary(of).Median.value(metric) / r.summary(to).Median.value(metric)
}

func (r *Result) summary(name string) Summary {
	i := slices.IndexFunc(r.Contenders, func(s Summary) bool { return s.Name == name })
	return r.Contenders[i]
}

// WriteJSON writes the result, every run included, as one JSON object.
func (r *Result) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

// WriteTable writes medians, the ratios to the last contender, and the goals.
func (r *Result) WriteTable(w io.Writer) error {
	base := r.Contenders[len(r.Contenders)-1].Name
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(table, "%s (median of %d)\twall ms\tCPU ms\tRSS MiB\twall ×\tCPU ×\tRSS ×\tlines\t\n", r.Name, len(r.Contenders[0].Runs))
	for _, s := range r.Contenders {
		fmt.Fprintf(table, "%s\t%.1f\t%.1f\t%.1f\t%.2f\t%.2f\t%.2f\t%d\t\n", s.Name,
			milliseconds(s.Median.Wall), milliseconds(s.Median.CPU), float64(s.Median.RSS)/(1<<20),
			r.Ratio(s.Name, base, Wall), r.Ratio(s.Name, base, CPU), r.Ratio(s.Name, base, RSS), s.Output.Lines)
	}
	for _, v := range r.Goals {
		fmt.Fprintf(table, "goal: %s of %s ≤ %.2f × %s\t%.2f\t%s\t\n", v.Metric, v.Of, v.AtMost, v.To, v.Ratio, held(v.Held))
	}
	return table.Flush()
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func held(yes bool) string {
	if yes {
		return "held"
	}
	return "MISSED"
}
