package benchpage

import (
	"fmt"
	"math"
	"strings"

	"github.com/suokelife/suokectl/pkg/rpc/load"
)

// The size of a plot in the units of its own, and of the frame in it.
const (
	width, height = 640, 280
	left, right   = 62, width - 14
	top, bottom   = 14, height - 44
)

// plot is what the template draws.
type plot struct {
	Title, About   string
	XLabel, YLabel string
	XTicks, YTicks []tick
	Names          bool // YTicks are names of rows, with no lines
	Height, Bottom int
	Shapes         []shape
	Legend         []legend
}

// shape is an SVG path; Hint is shown when the pointer rests on it.
type shape struct {
	Class string
	Path  string
	Hint  string
}

type legend struct{ Class, Name string }

func newPlot(title, about, xLabel, yLabel string) plot {
	return plot{Title: title, About: about, XLabel: xLabel, YLabel: yLabel, Height: height, Bottom: bottom}
}

type point struct{ x, y float64 }

func (p *plot) line(class string, points []point) {
	if len(points) == 1 { // one point is no line
		points = append(points, point{points[0].x + 2, points[0].y})
	}
	var path strings.Builder
	for i, at := range points {
		command := "L"
		if i == 0 {
			command = "M"
		}
		fmt.Fprintf(&path, "%s%v %v", command, round(at.x), round(at.y))
	}
	p.Shapes = append(p.Shapes, shape{Class: class, Path: path.String()})
}

func (p *plot) box(class string, x0, y0, x1, y1 float64, hint string) {
	path := fmt.Sprintf("M%v %vH%vV%vH%vZ", round(x0), round(y0), round(x1), round(y1), round(x0))
	p.Shapes = append(p.Shapes, shape{Class: class, Path: path, Hint: hint})
}

// spread shows how many calls took how long.
func spread(r *load.Result) plot {
	p := newPlot("How long calls took", "calls by latency", "latency, ms", "calls")
	if len(r.Histogram) == 0 {
		return p
	}
	most := 0
	for _, b := range r.Histogram {
		most = max(most, b.Count)
	}
	x := logarithmic(r.Latency.MinMS, r.Latency.MaxMS, left, right)
	y := linear(float64(most), bottom, top)
	p.XTicks, p.YTicks = x.ticks(), y.ticks()
	from := r.Latency.MinMS
	for _, b := range r.Histogram {
		if b.Count > 0 {
			hint := fmt.Sprintf("%d calls up to %s ms", b.Count, label(b.UpToMS))
			p.box("bar", x.at(from), bottom, max(x.at(b.UpToMS), x.at(from)+1.5), min(y.at(float64(b.Count)), bottom-1), hint)
		}
		from = b.UpToMS
	}
	for _, mark := range []struct {
		name string
		at   float64
	}{{"p50", r.Latency.P50MS}, {"p99", r.Latency.P99MS}} {
		p.line("mark", []point{{x.at(mark.at), top}, {x.at(mark.at), bottom}})
		p.Shapes[len(p.Shapes)-1].Hint = fmt.Sprintf("%s: %s ms", mark.name, label(mark.at))
	}
	p.Legend = []legend{{"mark", "p50 and p99"}}
	return p
}

// curve shows the latency at each percentile, stretched towards 100.
func curve(r, before *load.Result) plot {
	p := newPlot("Latency by percentile", "the latency that so many percent of the calls did not exceed", "percentile", "ms")
	if len(r.Percentiles) == 0 {
		return p
	}
	runs := []*load.Result{r}
	if before != nil && len(before.Percentiles) > 0 {
		runs = append(runs, before)
	}
	least, most, nines := math.Inf(1), 0.0, 1.0
	for _, run := range runs {
		least, most = min(least, run.Percentiles[0].MS), max(most, run.Latency.MaxMS)
		nines = max(nines, lastNine(run))
	}
	x, y := linear(nines, left, right), logarithmic(least, most, bottom, top)
	p.YTicks = y.ticks()
	for _, at := range []float64{0, 50, 90, 99, 99.9, 99.99, 99.999} {
		if stretched(at) <= nines {
			p.XTicks = append(p.XTicks, tick{At: round(x.at(stretched(at))), Label: label99(at)})
		}
	}
	for i, run := range runs {
		points := make([]point, len(run.Percentiles))
		for j, at := range run.Percentiles {
			points[j] = point{x.at(min(stretched(at.Percentile), lastNine(run))), y.at(at.MS)}
		}
		p.line([]string{"first", "before"}[i], points)
	}
	p.Legend = []legend{{"first", "this run"}, {"before", "the earlier run"}}[:len(runs)]
	return p
}

func label99(percentile float64) string { return fmt.Sprint(percentile) }

// stretched gives each nine of a percentile the same room.
func stretched(percentile float64) float64 { return -math.Log10(1 - percentile/100) }

// lastNine is where the greatest latency stands, whose percentile is 100.
func lastNine(r *load.Result) float64 {
	last := 0.5
	for _, at := range r.Percentiles {
		if at.Percentile < 100 {
			last = max(last, stretched(at.Percentile))
		}
	}
	return last + 0.15
}

// timeAxis is in seconds.
func timeAxis(r *load.Result) scale {
	return linear(float64(len(r.Series))*r.IntervalMS/1000, left, right)
}

func middle(r *load.Result, i int) float64 { return (float64(i) + 0.5) * r.IntervalMS / 1000 }

// course shows latencies over time. Intervals in which no call ended are gaps.
func course(r *load.Result) plot {
	p := newPlot("Latency over time", "p50, p99 and the longest, by when calls ended", "time, s", "ms")
	least, most := math.Inf(1), 0.0
	for _, i := range r.Series {
		if i.Calls > 0 {
			least, most = min(least, i.P50MS), max(most, i.MaxMS)
		}
	}
	if most == 0 {
		return p
	}
	x, y := timeAxis(r), logarithmic(least, most, bottom, top)
	p.XTicks, p.YTicks = x.ticks(), y.ticks()
	for _, figure := range []struct {
		class string
		of    func(load.Interval) float64
	}{
		{"third", func(i load.Interval) float64 { return i.MaxMS }},
		{"second", func(i load.Interval) float64 { return i.P99MS }},
		{"first", func(i load.Interval) float64 { return i.P50MS }},
	} {
		for _, points := range runsOf(r, func(i int) point { return point{x.at(middle(r, i)), y.at(figure.of(r.Series[i]))} }) {
			p.line(figure.class, points)
		}
	}
	p.Legend = []legend{{"first", "p50"}, {"second", "p99"}, {"third", "max"}}
	return p
}

// runsOf returns the points of intervals that follow each other without a gap.
func runsOf(r *load.Result, at func(i int) point) [][]point {
	var list [][]point
	gap := true
	for i, interval := range r.Series {
		if interval.Calls == 0 {
			gap = true
			continue
		}
		if gap {
			list = append(list, nil)
		}
		gap = false
		list[len(list)-1] = append(list[len(list)-1], at(i))
	}
	return list
}

// flow shows the rate, and what failed or was missed.
func flow(r *load.Result) plot {
	p := newPlot("Rate and failures over time", "calls that ended a second, and how many of them failed or were missed", "time, s", "calls/s")
	most := r.Settings.Rate
	for _, i := range r.Series {
		most = max(most, i.Rate)
	}
	if len(r.Series) == 0 {
		return p
	}
	x, y := timeAxis(r), linear(most*1.05, bottom, top)
	p.XTicks, p.YTicks = x.ticks(), y.ticks()
	points := make([]point, len(r.Series))
	var failed, missed bool
	for i, interval := range r.Series {
		points[i] = point{x.at(middle(r, i)), y.at(interval.Rate)}
		from, to := x.at(float64(i)*r.IntervalMS/1000), x.at(float64(i+1)*r.IntervalMS/1000)
		bad := 0.0
		if interval.Calls > 0 {
			bad = interval.Rate * float64(interval.Failed) / float64(interval.Calls)
		}
		gone := float64(interval.Missed) * 1000 / r.IntervalMS
		if bad > 0 {
			failed = true
			p.box("bad", from, bottom, to, min(y.at(bad), bottom-1), fmt.Sprintf("%d failed", interval.Failed))
		}
		if gone > 0 {
			missed = true
			p.box("gone", from, y.at(bad), to, y.at(bad+gone), fmt.Sprintf("%d missed", interval.Missed))
		}
	}
	p.line("first", points)
	p.Legend = []legend{{"first", "calls"}}
	if failed {
		p.Legend = append(p.Legend, legend{"bad", "failed"})
	}
	if missed {
		p.Legend = append(p.Legend, legend{"gone", "missed"})
	}
	return p
}

// maxInstances is how many a plot has room for; the tables have all.
const maxInstances = 40

// instances shows how the instances spread: a bar from p50 to p99, and a mark at
// the longest.
func instances(r *load.Result) plot {
	p := newPlot("Instances", "from p50 to p99, and the longest call of each", "latency, ms", "")
	list := r.Instances[:min(len(r.Instances), maxInstances)]
	if len(list) == 0 {
		return p
	}
	p.Names = true
	least, most := math.Inf(1), 0.0
	for _, i := range list {
		least, most = min(least, i.Latency.P50MS), max(most, i.Latency.MaxMS)
	}
	const row, from = 24, 180
	p.Bottom = top + row*len(list)
	p.Height = p.Bottom + height - bottom
	x := logarithmic(least, most, from, right)
	p.XTicks = x.ticks()
	for n, i := range list {
		y := float64(top + row*n)
		p.YTicks = append(p.YTicks, tick{At: y + row/2, Label: instanceName(i)})
		class := "bar"
		if i.Failed > 0 {
			class = "bad"
		}
		hint := fmt.Sprintf("p50 %s ms, p99 %s ms, %d of %d failed", label(i.Latency.P50MS), label(i.Latency.P99MS), i.Failed, i.Calls)
		p.box(class, x.at(i.Latency.P50MS), y+5, max(x.at(i.Latency.P99MS), x.at(i.Latency.P50MS)+2), y+row-5, hint)
		p.line("mark", []point{{x.at(i.Latency.MaxMS), y + 4}, {x.at(i.Latency.MaxMS), y + row - 4}})
		p.Shapes[len(p.Shapes)-1].Hint = fmt.Sprintf("max %s ms", label(i.Latency.MaxMS))
	}
	p.Legend = []legend{{"bar", "p50 to p99"}, {"mark", "max"}}
	return p
}
