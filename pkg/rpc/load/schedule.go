package load

import (
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// MaxRate is the greatest [Config.Rate], in calls a second.
const MaxRate = 1e6

// forever is later than any run ends.
const forever = time.Duration(math.MaxInt64)

// Ramp lets load grow from the beginning of a run, and stay when it is full.
type Ramp struct {
	// Over is how long it grows; 0 begins with the full load.
	Over time.Duration
	// Steps is in how many equal steps, the last of them the full load. With 0 it
	// grows evenly.
	Steps int
}

// caller returns when caller i of n starts.
func (r Ramp) caller(i, n int) time.Duration {
	share := float64(i) / float64(n)
	if r.Steps > 0 {
		share = math.Floor(share*float64(r.Steps)) / float64(r.Steps)
	}
	return time.Duration(share * float64(r.Over))
}

// arrival returns when the time comes by which a rate, in calls a second, would
// have brought about the given number of arrivals: the inverse of the integral
// over the rate as it grows.
func (r Ramp) arrival(number, rate float64) time.Duration {
	over := r.Over.Seconds()
	switch during := r.arrivals(rate); {
	case number >= during:
		return seconds(over + (number-during)/rate)
	case r.Steps == 0: // number = rate·t²/(2·over)
		return seconds(math.Sqrt(2 * over * number / rate))
	}
	length := over / float64(r.Steps)
	for step := 1; ; step++ {
		speed := rate * float64(step) / float64(r.Steps)
		if number < speed*length || step == r.Steps {
			return seconds(float64(step-1)*length + number/speed)
		}
		number -= speed * length
	}
}

// arrivals returns how many there are while the load grows.
func (r Ramp) arrivals(rate float64) float64 {
	full := rate * r.Over.Seconds()
	if r.Steps == 0 {
		return full / 2
	}
	return full * float64(r.Steps+1) / float64(2*r.Steps)
}

func seconds(s float64) time.Duration {
	if s >= forever.Seconds() {
		return forever
	}
	return time.Duration(s * float64(time.Second))
}

// schedule hands out the intended starts of an open model's calls, in order.
type schedule struct {
	config Config
	end    time.Duration

	mu      sync.Mutex
	random  *rand.Rand
	number  float64 // of arrivals; of a Poisson process at rate 1, its time
	counted int     // after the warm-up
	reached bool    // the end
}

func newSchedule(c Config, end time.Duration) *schedule {
	return &schedule{config: c, end: end, random: rand.New(rand.NewPCG(c.Seed, 0))} //nolint:gosec // hides nothing
}

// next returns the next intended start, since the beginning of the run. It is
// not ok when there is none before the end.
func (s *schedule) next() (start time.Duration, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &s.config
	if c.Requests > 0 && s.counted == c.Requests {
		return 0, false
	}
	if c.Arrivals == Poisson {
		s.number += s.random.ExpFloat64()
	}
	start = c.Ramp.arrival(s.number, c.Rate)
	if c.Arrivals == Constant {
		s.number++
	}
	if start >= c.Warmup {
		s.counted++
	}
	s.reached = start >= s.end
	return start, !s.reached
}
