package load

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// run makes a result whose intervals spread around a rate and a latency.
func madeUp(seed uint64, rate, ms float64, intervals int) *Result {
	random := rand.New(rand.NewPCG(seed, 1))
	r := &Result{Method: "a.B/C", Calls: 1000, Rate: rate, IntervalMS: 250, Latency: Latency{P50MS: ms, P90MS: ms * 2, P99MS: ms * 4, P999MS: ms * 8}}
	for range intervals {
		noise := 1 + 0.05*random.NormFloat64()
		r.Series = append(r.Series, Interval{Calls: 100, Rate: rate * noise, P50MS: ms * noise, P99MS: 4 * ms * noise})
	}
	return r
}

func TestCompare(t *testing.T) {
	base := madeUp(1, 1000, 2, 40)
	for name, test := range map[string]struct {
		after *Result
		want  map[string]Verdict
	}{
		"the same load again":   {madeUp(2, 1001, 2.001, 40), map[string]Verdict{"rate": Noise, "p50_ms": Noise, "p99_ms": Noise}},
		"slower":                {madeUp(3, 800, 2.5, 40), map[string]Verdict{"rate": Worse, "p50_ms": Worse, "p99_ms": Worse, "p90_ms": Unknown}},
		"faster":                {madeUp(4, 1200, 1.6, 40), map[string]Verdict{"rate": Better, "p50_ms": Better, "p99_ms": Better}},
		"too short to tell":     {madeUp(5, 800, 2.5, 5), map[string]Verdict{"rate": Unknown, "p50_ms": Unknown}},
		"the very same":         {base, map[string]Verdict{"rate": Noise, "p99_9_ms": Noise, "failed": Noise}},
		"nothing came of it":    {&Result{Method: "a.B/C", IntervalMS: 250}, map[string]Verdict{"rate": Unknown}},
		"intervals that differ": {&Result{Method: "a.B/D", IntervalMS: 500, Rate: 1, Series: base.Series}, map[string]Verdict{"rate": Unknown}},
	} {
		t.Run(name, func(t *testing.T) {
			got := map[string]Change{}
			for _, change := range Compare(base, test.after).Changes {
				got[change.Figure] = change
			}
			for figure, want := range test.want {
				if got[figure].Verdict != want {
					t.Errorf("%s: %+v, want %s", figure, got[figure], want)
				}
			}
		})
	}
	if notes := Compare(base, &Result{Partial: true, Missed: 1, Settings: Settings{Concurrency: 7}}).Notes; len(notes) != 5 {
		t.Errorf("notes: %q", notes)
	}
}

func TestMannWhitneyByHand(t *testing.T) {
	// U is 17 of 20, its deviation √(50/3): z = 6.5/√(50/3).
	p := mannWhitney([]float64{19, 22, 16, 29, 24}, []float64{20, 11, 17, 12})
	if math.Abs(p-0.11135) > 0.00005 {
		t.Errorf("p = %v", p)
	}
	if p := mannWhitney([]float64{1, 1, 1}, []float64{1, 1}); p != 1 {
		t.Errorf("all the same: p = %v", p)
	}
}

func TestMannWhitneyIsFair(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(-10, 10), 1, 40)
		a, b := values.Draw(t, "a"), values.Draw(t, "b")
		p := mannWhitney(a, b)
		if p < 0 || p > 1 || math.Abs(p-mannWhitney(b, a)) > 1e-9 {
			t.Errorf("p = %v one way, %v the other", p, mannWhitney(b, a))
		}
	})
}
