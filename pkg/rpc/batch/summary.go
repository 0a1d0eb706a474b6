package batch

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Summary counts what a run wrote.
type Summary struct {
	// Lines is how many results there are, Replayed how many of them were taken
	// from the journal.
	Lines    int
	Replayed int
	// Codes counts them by gRPC code, and where there is none by outcome.
	Codes map[string]int
	// InFlight is how many calls were given up when the run ended early: they have
	// no result.
	InFlight int
	// Elapsed is how long the run took. P50 and P99 are percentiles of how long its
	// calls took.
	Elapsed  time.Duration
	P50, P99 time.Duration
}

// Failed returns how many lines ended other than with OK.
func (s Summary) Failed() int { return s.Lines - s.Codes[codeOK] }

const codeOK = "OK"

// Rate returns how many lines this run brought to a result in a second.
func (s Summary) Rate() float64 {
	if s.Elapsed <= 0 {
		return 0
	}
	return float64(s.Lines-s.Replayed) / s.Elapsed.Seconds()
}

// CodeNames returns the keys of Codes: OK first, then the most frequent.
func (s Summary) CodeNames() []string {
	return slices.SortedFunc(maps.Keys(s.Codes), func(a, b string) int {
		switch codeOK {
		case a:
			return -1
		case b:
			return +1
		}
		return cmp.Or(s.Codes[b]-s.Codes[a], cmp.Compare(a, b))
	})
}

// tally makes a Summary. It is safe for concurrent use.
type tally struct {
	start     time.Time
	mu        sync.Mutex
	summary   Summary
	durations *hdrhistogram.Histogram
}

// The bounds of the durations that are told apart, in microseconds.
const (
	shortest = 1
	longest  = int64(time.Hour / time.Microsecond)
)

func newTally() *tally {
	return &tally{
		start: time.Now(), summary: Summary{Codes: map[string]int{}},
		durations: hdrhistogram.New(shortest, longest, 3),
	}
}

func (t *tally) count(code, outcome string, ms float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.summary.Lines++
	t.summary.Codes[cmp.Or(code, outcome)]++
	if code != "" {
		_ = t.durations.RecordValue(min(int64(ms*1000), longest)) // within its bounds
	}
}

// replay counts a result of an earlier run.
func (t *tally) replay(text []byte) error {
	var r struct{ Code, Outcome string }
	if err := json.Unmarshal(text, &r); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.summary.Lines++
	t.summary.Replayed++
	t.summary.Codes[cmp.Or(r.Code, r.Outcome)]++
	return nil
}

func (t *tally) abandon() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.summary.InFlight++
}

func (t *tally) soFar() Summary {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.summary
	s.Codes = maps.Clone(s.Codes)
	s.Elapsed = time.Since(t.start)
	s.P50 = time.Duration(t.durations.ValueAtQuantile(50)) * time.Microsecond
	s.P99 = time.Duration(t.durations.ValueAtQuantile(99)) * time.Microsecond
	return s
}
