package load

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func ramps(t *rapid.T) Ramp {
	return Ramp{
		Over:  time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "over")),
		Steps: rapid.IntRange(0, 12).Draw(t, "steps"),
	}
}

// integral of a rate that grows by the ramp, by adding up its steps or thin
// slices.
func integral(r Ramp, rate float64, until time.Duration) float64 {
	const slices = 20_000
	sum, width := 0.0, until.Seconds()/slices
	for i := range slices {
		at := (float64(i) + 0.5) * width
		share := 1.0
		if over := r.Over.Seconds(); at < over {
			share = at / over
			if r.Steps > 0 {
				share = math.Floor(share*float64(r.Steps)+1) / float64(r.Steps)
			}
		}
		sum += rate * share * width
	}
	return sum
}

func TestArrivalIsTheInverseOfTheRampedRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := ramps(t)
		rate := rapid.Float64Range(0.1, 10_000).Draw(t, "rate")
		number := rapid.Float64Range(0, 2*rate*(r.Over.Seconds()+1)).Draw(t, "number")
		got := integral(r, rate, r.arrival(number, rate))
		const nanosecond = 1e-9 // of which a time is a whole number
		if math.Abs(got-number) > 0.01*(number+rate*r.Over.Seconds())+1e-6+rate*nanosecond {
			t.Errorf("by %v there are %v arrivals, want %v", r.arrival(number, rate), got, number)
		}
	})
}

func TestArrivalsComeInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Config{
			Rate: rapid.Float64Range(0.1, MaxRate).Draw(t, "rate"), Ramp: ramps(t), Seed: rapid.Uint64().Draw(t, "seed"),
			Arrivals: rapid.SampledFrom([]Arrivals{Constant, Poisson}).Draw(t, "arrivals"),
			Requests: rapid.IntRange(0, 200).Draw(t, "requests"),
			Warmup:   time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "warmup")),
		}
		end := time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "end"))
		s, again := newSchedule(c, end), newSchedule(c, end)
		last, counted := time.Duration(0), 0
		for range 500 {
			start, ok := s.next()
			if same, sameOK := again.next(); same != start || sameOK != ok {
				t.Fatalf("the same seed gave %v and %v", start, same)
			}
			if !ok {
				break
			}
			if start < last || start >= end {
				t.Fatalf("%v comes after %v, before the end at %v", start, last, end)
			}
			last = start
			if start >= c.Warmup {
				counted++
			}
		}
		if c.Requests > 0 && counted > c.Requests {
			t.Errorf("%d calls are counted of %d", counted, c.Requests)
		}
	})
}

func TestPoissonArrivalsHaveTheRate(t *testing.T) {
	s := newSchedule(Config{Rate: 1000, Arrivals: Poisson, Seed: 7}, 100*time.Second)
	n := 0
	for _, ok := s.next(); ok; _, ok = s.next() {
		n++
	}
	if math.Abs(float64(n)-100_000) > 5*math.Sqrt(100_000) {
		t.Errorf("%d arrivals in 100 s at 1000/s", n)
	}
}

func TestCallersStartWithinTheRamp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, n := ramps(t), rapid.IntRange(1, 500).Draw(t, "callers")
		starts := map[time.Duration]bool{}
		last := time.Duration(0)
		for i := range n {
			start := r.caller(i, n)
			if start < last || start > r.Over || i == 0 && start != 0 {
				t.Fatalf("caller %d of %d starts at %v after %v, in a ramp of %v", i, n, start, last, r.Over)
			}
			last = start
			starts[start] = true
		}
		if r.Steps > 0 && len(starts) > r.Steps {
			t.Errorf("%d steps became %d", r.Steps, len(starts))
		}
	})
}

func TestRampByHand(t *testing.T) {
	steps := Ramp{Over: 4 * time.Second, Steps: 4} // 25, 50, 75, 100 a second
	for number, want := range map[float64]time.Duration{0: 0, 25: time.Second, 50: 1500 * time.Millisecond, 250: 4 * time.Second, 350: 5 * time.Second} {
		if got := steps.arrival(number, 100); (got - want).Abs() > time.Microsecond {
			t.Errorf("arrival %v comes at %v, want %v", number, got, want)
		}
	}
	even := Ramp{Over: 10 * time.Second} // half the rate on average
	for number, want := range map[float64]time.Duration{0: 0, 125: 5 * time.Second, 500: 10 * time.Second, 600: 11 * time.Second} {
		if got := even.arrival(number, 100); (got - want).Abs() > time.Microsecond {
			t.Errorf("arrival %v comes at %v, want %v", number, got, want)
		}
	}
}
