package benchpage_test

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/cmd/rpc/benchpage"
	"github.com/suokelife/suokectl/pkg/rpc/load"
)

func render(t rapid.TB, r, before *load.Result, c *load.Comparison) string {
	t.Helper()
	page, err := benchpage.Render(r, before, c)
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// plots are the page's SVG elements, each of which is well-formed XML whose
// coordinates are numbers within it.
func plots(t rapid.TB, page string) []string {
	t.Helper()
	list := regexp.MustCompile(`(?s)<svg .*?</svg>`).FindAllString(page, -1)
	for _, svg := range list {
		decoder := xml.NewDecoder(strings.NewReader(svg))
		for {
			if _, err := decoder.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%v in %s", err, svg)
			}
		}
		for _, path := range regexp.MustCompile(` d="([^"]*)"`).FindAllStringSubmatch(svg, -1) {
			for _, number := range regexp.MustCompile(`[^MLHVZ ]+`).FindAllString(path[1], -1) {
				if v, err := strconv.ParseFloat(number, 64); err != nil || math.IsNaN(v) || v < 0 || v > 1100 {
					t.Fatalf("%q in the path %q", number, path[1])
				}
			}
		}
	}
	return list
}

const script = `<script>alert("1")</script>`

func TestTextsAreEscaped(t *testing.T) {
	r := &load.Result{
		Target: script, Method: script, Settings: load.Settings{Arrivals: script, Model: "open"},
		Codes:     []load.Code{{Code: script, Calls: 1, Message: script}},
		Instances: []load.Instance{{Instance: script, Calls: 1, Latency: load.Latency{P50MS: 1, P99MS: 2, MaxMS: 3}}},
	}
	page := render(t, r, r, &load.Comparison{Changes: []load.Change{{Figure: script, Verdict: `x" onclick="y`}}, Notes: []string{script}})
	if strings.Contains(page, "<script") || strings.Contains(page, `" onclick="`) {
		t.Error(page)
	}
	if n := strings.Count(page, "&lt;script&gt;"); n < 9 {
		t.Errorf("%d of the texts are shown", n)
	}
	plots(t, page)
}

func TestThePageNeedsNothingElse(t *testing.T) {
	page := render(t, &load.Result{Method: "a.B/C"}, nil, nil)
	if found := regexp.MustCompile(`(?i)https?:|src=|@import|url\(|<link|<script`).FindString(page); found != "" {
		t.Errorf("the page refers to %q", found)
	}
}

// Whatever a result has, or a file that says it is one, the page can be drawn.
func TestAnyResultCanBeDrawn(t *testing.T) {
	ms := rapid.Float64Range(0, 1e7)
	count := rapid.IntRange(0, 1e9)
	latency := rapid.Custom(func(t *rapid.T) load.Latency {
		return load.Latency{MinMS: ms.Draw(t, "min"), P50MS: ms.Draw(t, "p50"), P99MS: ms.Draw(t, "p99"), MaxMS: ms.Draw(t, "max")}
	})
	result := rapid.Custom(func(t *rapid.T) *load.Result {
		return &load.Result{
			Method: rapid.String().Draw(t, "method"), Calls: count.Draw(t, "calls"), Failed: count.Draw(t, "failed"),
			Missed: count.Draw(t, "missed"), Partial: rapid.Bool().Draw(t, "partial"), StartedAt: time.Unix(1, 0),
			Settings: load.Settings{Model: rapid.SampledFrom([]string{"open", "closed"}).Draw(t, "model"), Rate: ms.Draw(t, "rate")},
			Latency:  latency.Draw(t, "latency"), IntervalMS: rapid.Float64Range(1, 1e6).Draw(t, "interval"),
			Histogram: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) load.Bucket {
				return load.Bucket{UpToMS: ms.Draw(t, "up to"), Count: count.Draw(t, "count")}
			}), 0, 5).Draw(t, "histogram"),
			Percentiles: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) load.Percentile {
				return load.Percentile{Percentile: rapid.Float64Range(0, 100).Draw(t, "percentile"), MS: ms.Draw(t, "ms")}
			}), 0, 5).Draw(t, "percentiles"),
			Series: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) load.Interval {
				return load.Interval{
					Calls: count.Draw(t, "calls"), Failed: count.Draw(t, "failed"), Missed: count.Draw(t, "missed"),
					Rate: ms.Draw(t, "rate"), P50MS: ms.Draw(t, "p50"), P99MS: ms.Draw(t, "p99"), MaxMS: ms.Draw(t, "max"),
				}
			}), 0, 5).Draw(t, "series"),
			Instances: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) load.Instance {
				return load.Instance{Instance: rapid.StringMatching(`[ -~]*`).Draw(t, "instance"), Calls: count.Draw(t, "calls"), Latency: latency.Draw(t, "latency")}
			}), 0, 60).Draw(t, "instances"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		plots(t, render(t, result.Draw(t, "result"), rapid.OneOf(result, rapid.Just[*load.Result](nil)).Draw(t, "before"), nil))
	})
}

func TestAPageOfARunHasFivePlots(t *testing.T) {
	latency := load.Latency{MeanMS: 2, MinMS: 1, P50MS: 2, P99MS: 8, MaxMS: 9}
	r := &load.Result{
		Method: "a.B/C", Calls: 30, Failed: 3, Missed: 4, IntervalMS: 250, Latency: latency,
		Percentiles: []load.Percentile{{Percentile: 0, MS: 1}, {Percentile: 50, MS: 2}, {Percentile: 99, MS: 8}, {Percentile: 100, MS: 9}},
		Histogram:   []load.Bucket{{UpToMS: 1, Count: 10}, {UpToMS: 3, Count: 15}, {UpToMS: 9, Count: 5}},
		Instances:   []load.Instance{{Instance: "10.0.0.1:80", Calls: 30, Failed: 3, Latency: latency}, {Calls: 1, Failed: 1}},
		Series:      []load.Interval{{Calls: 20, Rate: 80, P50MS: 2, P99MS: 8, MaxMS: 9}, {}, {AtMS: 500, Calls: 10, Failed: 3, Missed: 4, Rate: 40, P50MS: 1, P99MS: 3, MaxMS: 3}},
	}
	comparison := load.Compare(r, r)
	page := render(t, r, r, &comparison)
	if n := len(plots(t, page)); n != 5 {
		t.Errorf("%d plots", n)
	}
	for _, want := range []string{"the earlier run", ">failed<", ">missed<", "10.0.0.1:80", "sent to none", "3 failed", "10.00 %", "prefers-color-scheme: dark"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}
