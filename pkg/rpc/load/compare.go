package load

import (
	"cmp"
	"math"
	"slices"
)

// Comparison says how a run differs from an earlier one. Its JSON form is a
// documented contract.
type Comparison struct {
	Changes []Change `json:"changes"`
	// Notes say what makes the comparison less than it seems, such as other
	// settings.
	Notes []string `json:"notes"`
}

// Change is how one figure differs.
type Change struct {
	// Figure is rate, p50_ms, p90_ms, p99_ms, p99_9_ms, or failed, a share of the
	// calls.
	Figure string  `json:"figure"`
	Before float64 `json:"before"`
	After  float64 `json:"after"`
	// Ratio is After / Before; 0 when Before is 0.
	Ratio float64 `json:"ratio"`
	// P is how probable so great a difference, or a greater one, were between
	// intervals of equal runs: a two-sided Mann-Whitney test over the intervals of
	// both. It is nil where there is no series of the figure, or too short a one.
	P       *float64 `json:"p,omitempty"`
	Verdict Verdict  `json:"verdict"`
}

// Verdict says what to think of a [Change].
type Verdict string

// The verdicts.
const (
	Better Verdict = "better"
	Worse  Verdict = "worse"
	// Noise is a difference that the intervals of one run show too.
	Noise Verdict = "noise"
	// Unknown is one of which the runs do not tell whether it is noise.
	Unknown Verdict = "unknown"
)

const (
	// significant is the P under which a difference is no noise.
	significant = 0.01
	// minIntervals of a run are needed for a test.
	minIntervals = 8
)

// Compare compares two results. Intervals that follow each other are alike, so
// P is smaller than it should be, and runs on a busy machine differ more from
// one another than within: a difference that matters should come again in
// another pair of runs.
func Compare(before, after *Result) Comparison {
	c := Comparison{Notes: notes(before, after)}
	add := func(figure string, get func(*Result) float64, series func(Interval) float64, moreIsBetter bool) {
		change := Change{Figure: figure, Before: get(before), After: get(after)}
		if change.Before != 0 {
			change.Ratio = change.After / change.Before
		}
		change.P = test(before, after, series)
		change.Verdict = change.verdict(moreIsBetter)
		c.Changes = append(c.Changes, change)
	}
	add("rate", func(r *Result) float64 { return r.Rate }, func(i Interval) float64 { return i.Rate }, true)
	add("p50_ms", func(r *Result) float64 { return r.Latency.P50MS }, func(i Interval) float64 { return i.P50MS }, false)
	add("p90_ms", func(r *Result) float64 { return r.Latency.P90MS }, nil, false)
	add("p99_ms", func(r *Result) float64 { return r.Latency.P99MS }, func(i Interval) float64 { return i.P99MS }, false)
	add("p99_9_ms", func(r *Result) float64 { return r.Latency.P999MS }, nil, false)
	add("failed", failedShare, func(i Interval) float64 { return float64(i.Failed) / float64(i.Calls) }, false)
	return c
}

func failedShare(r *Result) float64 {
	if r.Calls == 0 {
		return 0
	}
	return float64(r.Failed) / float64(r.Calls)
}

func (c Change) verdict(moreIsBetter bool) Verdict {
	switch {
	case c.Before == c.After:
		return Noise
	case c.P == nil:
		return Unknown
	case *c.P >= significant:
		return Noise
	case (c.After > c.Before) == moreIsBetter:
		return Better
	default:
		return Worse
	}
}

func notes(before, after *Result) []string {
	list := []string{}
	if before.Method != after.Method {
		list = append(list, "the methods differ: "+before.Method+" and "+after.Method)
	}
	if before.Settings != after.Settings {
		list = append(list, "the settings differ")
	}
	if before.IntervalMS != after.IntervalMS {
		list = append(list, "the runs differ so much in length that their intervals do")
	}
	if before.Partial || after.Partial {
		list = append(list, "a run was ended before its time")
	}
	if before.Missed+after.Missed > 0 {
		list = append(list, "calls were missed: the rates and percentiles are of those that were made")
	}
	return list
}

// test returns nil when there is nothing to test.
func test(before, after *Result, of func(Interval) float64) *float64 {
	if of == nil || before.IntervalMS != after.IntervalMS {
		return nil
	}
	a, b := whole(before, of), whole(after, of)
	if min(len(a), len(b)) < minIntervals {
		return nil
	}
	p := mannWhitney(a, b)
	return &p
}

// whole returns the figures of the intervals that are whole: all but the first
// and the last, without those in which nothing ended.
func whole(r *Result, of func(Interval) float64) []float64 {
	var list []float64
	for i, interval := range r.Series {
		if i > 0 && i < len(r.Series)-1 && interval.Calls > 0 {
			list = append(list, of(interval))
		}
	}
	return list
}

// mannWhitney returns the two-sided p of the test by Mann and Whitney (1947), by
// its normal approximation with the correction for ties and for continuity.
func mannWhitney(a, b []float64) float64 {
	type value struct {
		v     float64
		first bool
	}
	all := make([]value, 0, len(a)+len(b))
	for _, v := range a {
		all = append(all, value{v, true})
	}
	for _, v := range b {
		all = append(all, value{v, false})
	}
	slices.SortFunc(all, func(x, y value) int { return cmp.Compare(x.v, y.v) })
	var ranks, ties float64 // ranks of the first
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j].v == all[i].v {
			j++
		}
		same := float64(j - i)
		ties += same*same*same - same
		for ; i < j; i++ {
			if all[i].first {
				ranks += float64(j) - (same-1)/2
			}
		}
	}
	n, m := float64(len(a)), float64(len(b))
	total := n + m
	u := ranks - n*(n+1)/2
	deviation := math.Sqrt(n * m / 12 * (total + 1 - ties/(total*(total-1))))
	if deviation == 0 {
		return 1
	}
	z := max(0, math.Abs(u-n*m/2)-0.5) / deviation
	return math.Erfc(z / math.Sqrt2)
}
