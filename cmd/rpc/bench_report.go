package rpc

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/google/renameio/v2/maybe"

	"github.com/suokelife/suokectl/cmd/rpc/benchpage"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/rpc/load"
)

// measured is what -o json prints of a run: the result, and how it differs from
// an earlier one.
type measured struct {
	*load.Result
	Comparison *load.Comparison `json:"comparison,omitempty"`
}

// before returns the earlier result to compare with, or nil.
func (o *BenchOptions) before() (*load.Result, error) {
	if len(o.Compare) == 0 {
		return nil, nil //nolint:nilnil // it is not wanted
	}
	return readResult(o.Compare[0])
}

func readResult(path string) (*load.Result, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the earlier result: %w", err)
	}
	var r load.Result
	if err := json.Unmarshal(text, &r); err != nil || r.Method == "" {
		err = errors.Join(fmt.Errorf("%s is no result of rpc bench", path), err)
		return nil, failure.WithHint(err, "`suokectl rpc bench TARGET METHOD -o json > FILE` makes one")
	}
	return &r, nil
}

func compareFiles(o *BenchOptions) error {
	before, err := readResult(o.Compare[0])
	if err != nil {
		return err
	}
	after, err := readResult(o.Compare[1])
	if err != nil {
		return err
	}
	comparison := load.Compare(before, after)
	if err := o.page(after, before, &comparison); err != nil {
		return err
	}
	if o.Output.Human() {
		return o.showComparison(comparison)
	}
	view := output.View[load.Comparison]{Name: func(load.Comparison) string { return after.Method }}
	return output.One(o.IO, o.Output, view, comparison, nil)
}

// report writes the page and prints the result.
func (o *BenchOptions) report(r, before *load.Result) error {
	all := measured{Result: r}
	if before != nil {
		comparison := load.Compare(before, r)
		all.Comparison = &comparison
	}
	if err := o.page(r, before, all.Comparison); err != nil {
		return err
	}
	if o.Output.Human() {
		return o.show(all)
	}
	view := output.View[measured]{Name: func(m measured) string { return m.Method }}
	return output.One(o.IO, o.Output, view, all, nil)
}

func (o *BenchOptions) page(r, before *load.Result, c *load.Comparison) error {
	if o.HTML == "" {
		return nil
	}
	page, err := benchpage.Render(r, before, c)
	if err == nil {
		err = maybe.WriteFile(o.HTML, page, 0o644)
	}
	if err != nil {
		return fmt.Errorf("write the page %s: %w", o.HTML, err)
	}
	o.IO.Infof("wrote %s", o.HTML)
	return nil
}

func (o *BenchOptions) show(m measured) error {
	errs := []error{
		output.Text(o.IO, "%s\n\n", o.IO.Clean(strings.Join(summary(m.Result), "\n"))),
		output.List(o.IO, o.Output, latencyView(m.Settings.Model == "open"), latencies(m.Result)),
		output.Text(o.IO, "\n"),
		output.List(o.IO, o.Output, codeView(), m.Codes),
		output.Text(o.IO, "\n"),
		output.List(o.IO, o.Output, instanceView(), m.Instances),
	}
	if m.Comparison != nil {
		errs = append(errs, output.Text(o.IO, "\n"), o.showComparison(*m.Comparison))
	}
	return errors.Join(errs...)
}

// summary says in a few lines what was done and what came out.
func summary(r *load.Result) []string {
	s := r.Settings
	model := fmt.Sprintf("closed model, %s callers", number(s.Concurrency))
	if s.Model == "open" {
		model = fmt.Sprintf("open model, %v/s (%s), at most %s in flight", s.Rate, s.Arrivals, number(s.Concurrency))
	}
	elapsed := time.Duration(r.ElapsedMS * float64(time.Millisecond)).Round(time.Millisecond)
	lines := []string{
		fmt.Sprintf("%s of %s: %s", r.Method, r.Target, model),
		fmt.Sprintf("%s calls in %s: %s/s", number(r.Calls), elapsed, decimal(r.Rate)),
		fmt.Sprintf("%s failed (%s)", number(r.Failed), share(r.Failed, r.Calls)),
	}
	if s.Model == "open" {
		lines = append(lines, fmt.Sprintf("%s missed: nobody was free in time; %s began late", number(r.Missed), number(r.Late)))
	}
	lines = append(lines, fmt.Sprintf("%s sent, %s received", byteCount(r.BytesSent), byteCount(r.BytesReceived)))
	if r.Partial {
		lines = append(lines, fmt.Sprintf("PARTIAL: ended before its time, %s calls were in flight", number(r.Aborted)))
	}
	return lines
}

// latencyRow is one figure of the latencies of all calls, and of how much of
// them passed before a call was sent.
type latencyRow struct {
	name       string
	total, lag float64
}

func latencies(r *load.Result) []latencyRow {
	row := func(name string, of func(load.Latency) float64) latencyRow {
		return latencyRow{name, of(r.Latency), of(r.Lag)}
	}
	return []latencyRow{
		row("mean", func(l load.Latency) float64 { return l.MeanMS }),
		row("p50", func(l load.Latency) float64 { return l.P50MS }),
		row("p75", func(l load.Latency) float64 { return l.P75MS }),
		row("p90", func(l load.Latency) float64 { return l.P90MS }),
		row("p95", func(l load.Latency) float64 { return l.P95MS }),
		row("p99", func(l load.Latency) float64 { return l.P99MS }),
		row("p99.9", func(l load.Latency) float64 { return l.P999MS }),
		row("max", func(l load.Latency) float64 { return l.MaxMS }),
	}
}

// latencyView has the lag in the open model alone: in the other there is none.
func latencyView(open bool) output.View[latencyRow] {
	columns := []output.Column[latencyRow]{
		{Name: "LATENCY", Value: func(r latencyRow) string { return r.name }},
		{Name: "MS", Value: func(r latencyRow) string { return decimal(r.total) }},
	}
	if open {
		columns = append(columns, output.Column[latencyRow]{Name: "OF THAT TILL SENT", Value: func(r latencyRow) string { return decimal(r.lag) }})
	}
	return output.View[latencyRow]{Columns: columns}
}

func codeView() output.View[load.Code] {
	return output.View[load.Code]{Empty: "no call has ended", Columns: []output.Column[load.Code]{
		{Name: "CODE", Value: func(c load.Code) string { return c.Code }, Whole: true, Style: codeStyle},
		{Name: "CALLS", Value: func(c load.Code) string { return number(c.Calls) }, Whole: true},
		{Name: "P50 MS", Value: func(c load.Code) string { return decimal(c.Latency.P50MS) }},
		{Name: "P99 MS", Value: func(c load.Code) string { return decimal(c.Latency.P99MS) }},
		{Name: "FIRST MESSAGE", Value: func(c load.Code) string { return c.Message }},
	}}
}

func codeStyle(st iostreams.Style, c load.Code, cell string) string {
	if c.Code == "OK" {
		return st.Good(cell)
	}
	return st.Bad(cell)
}

func instanceView() output.View[load.Instance] {
	return output.View[load.Instance]{Columns: []output.Column[load.Instance]{
		{Name: "INSTANCE", Value: instanceName, Whole: true},
		{Name: "CALLS", Value: func(i load.Instance) string { return number(i.Calls) }, Whole: true},
		{Name: "FAILED", Value: func(i load.Instance) string { return number(i.Failed) }, Whole: true},
		{Name: "P50 MS", Value: func(i load.Instance) string { return decimal(i.Latency.P50MS) }},
		{Name: "P99 MS", Value: func(i load.Instance) string { return decimal(i.Latency.P99MS) }},
		{Name: "MAX MS", Value: func(i load.Instance) string { return decimal(i.Latency.MaxMS) }},
	}}
}

func instanceName(i load.Instance) string {
	if i.Instance == "" {
		return "none"
	}
	return i.Instance
}

func (o *BenchOptions) showComparison(c load.Comparison) error {
	for _, note := range c.Notes {
		o.IO.Infof("note: %s", note)
	}
	view := output.View[load.Change]{Columns: []output.Column[load.Change]{
		{Name: "FIGURE", Value: func(c load.Change) string { return c.Figure }, Whole: true},
		{Name: "BEFORE", Value: func(c load.Change) string { return decimal(c.Before) }},
		{Name: "AFTER", Value: func(c load.Change) string { return decimal(c.After) }},
		{Name: "RATIO", Value: ratio},
		{Name: "P", Value: probability},
		{Name: "VERDICT", Value: func(c load.Change) string { return string(c.Verdict) }, Whole: true, Style: verdictStyle},
	}}
	return output.List(o.IO, o.Output, view, c.Changes)
}

func verdictStyle(st iostreams.Style, c load.Change, cell string) string {
	switch c.Verdict {
	case load.Better:
		return st.Good(cell)
	case load.Worse:
		return st.Bad(cell)
	default:
		return st.Dim(cell)
	}
}

func ratio(c load.Change) string {
	if c.Ratio == 0 {
		return ""
	}
	return strconv.FormatFloat(c.Ratio, 'f', 3, 64)
}

func probability(c load.Change) string {
	switch {
	case c.P == nil:
		return ""
	case *c.P < 0.001:
		return "<0.001"
	default:
		return strconv.FormatFloat(*c.P, 'f', 3, 64)
	}
}

// decimal has as many decimals as are worth reading.
func decimal(v float64) string {
	switch {
	case v >= 1000:
		return number(int(v + 0.5))
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case v >= 1 || v == 0:
		return strconv.FormatFloat(v, 'f', 2, 64)
	default:
		return strconv.FormatFloat(v, 'f', 3, 64)
	}
}

// number groups digits by thousands.
func number(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func share(part, of int) string {
	if of == 0 {
		return "0 %"
	}
	return strconv.FormatFloat(100*float64(part)/float64(of), 'f', 2, 64) + " %"
}

func byteCount(bytes int) string {
	const unit = 1000
	value, names := float64(bytes), []string{"B", "kB", "MB", "GB", "TB"}
	for ; value >= unit && len(names) > 1; names = names[1:] {
		value /= unit
	}
	return strings.TrimSuffix(strconv.FormatFloat(value, 'f', 1, 64), ".0") + " " + names[0]
}
