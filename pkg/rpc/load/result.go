package load

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/suokelife/suokectl/pkg/rpc"
)

// Result is what a run showed. Its JSON form is a documented contract. Times are
// in milliseconds; percentiles are exact to three digits over all calls, to two
// elsewhere.
type Result struct {
	// Target is for the caller to fill in.
	Target   string   `json:"target,omitempty"`
	Method   string   `json:"method"`
	Settings Settings `json:"settings"`
	// StartedAt is when the warm-up began, or the run if it had none.
	StartedAt time.Time `json:"started_at"`
	// Partial says that the run was ended before its time.
	Partial bool `json:"partial"`
	// ElapsedMS is from the end of the warm-up to the end of the last call.
	ElapsedMS float64 `json:"elapsed_ms"`
	// Calls were made and have ended, of which Failed not with OK.
	Calls  int `json:"calls"`
	Failed int `json:"failed"`
	// Missed calls of an open model could not start within their timeout, since
	// all callers were busy. They are in no percentile.
	Missed int `json:"missed"`
	// Late calls of an open model found no free caller when they were to start.
	Late int `json:"late"`
	// Aborted calls were in flight when the run was ended before its time.
	Aborted int `json:"aborted"`
	// Warmup calls were not counted.
	Warmup int `json:"warmup_calls"`
	// Rate is in calls a second, failed ones included.
	Rate float64 `json:"rate"`
	// The bytes of messages, without what gRPC and HTTP/2 add.
	BytesSent     int `json:"bytes_sent"`
	BytesReceived int `json:"bytes_received"`
	// Latency is of all calls, failed ones included. In an open model it counts
	// from the intended start, and Lag is how much of it passed before the call
	// was really sent.
	Latency Latency `json:"latency"`
	Lag     Latency `json:"lag"`
	// Percentiles and Histogram show all latencies.
	Percentiles []Percentile `json:"percentiles"`
	Histogram   []Bucket     `json:"histogram"`
	Codes       []Code       `json:"codes"`
	Instances   []Instance   `json:"instances"`
	// Series is how it went over time, in intervals of IntervalMS.
	IntervalMS float64    `json:"interval_ms"`
	Series     []Interval `json:"series"`
}

// Settings are those of the run.
type Settings struct {
	// Model is closed or open.
	Model       string   `json:"model"`
	Concurrency int      `json:"concurrency"`
	Connections int      `json:"connections"`
	Rate        float64  `json:"rate,omitempty"`
	Arrivals    Arrivals `json:"arrivals,omitempty"`
	Requests    int      `json:"requests,omitempty"`
	DurationMS  float64  `json:"duration_ms,omitempty"`
	WarmupMS    float64  `json:"warmup_ms,omitempty"`
	RampMS      float64  `json:"ramp_ms,omitempty"`
	RampSteps   int      `json:"ramp_steps,omitempty"`
	TimeoutMS   float64  `json:"timeout_ms,omitempty"`
	Seed        uint64   `json:"seed"`
}

// Latency sums up latencies.
type Latency struct {
	MeanMS float64 `json:"mean_ms"`
	MinMS  float64 `json:"min_ms"`
	P50MS  float64 `json:"p50_ms"`
	P75MS  float64 `json:"p75_ms"`
	P90MS  float64 `json:"p90_ms"`
	P95MS  float64 `json:"p95_ms"`
	P99MS  float64 `json:"p99_ms"`
	P999MS float64 `json:"p99_9_ms"`
	MaxMS  float64 `json:"max_ms"`
}

// Percentile says that so many percent of the calls took no longer.
type Percentile struct {
	Percentile float64 `json:"percentile"`
	MS         float64 `json:"ms"`
}

// Bucket counts the calls that took longer than the bucket before says, and no
// longer than UpToMS.
type Bucket struct {
	UpToMS float64 `json:"up_to_ms"`
	Count  int     `json:"count"`
}

// Code is what ended with one gRPC code.
type Code struct {
	Code  string `json:"code"`
	Calls int    `json:"calls"`
	// Message is that of the first of them.
	Message string  `json:"message,omitempty"`
	Latency Latency `json:"latency"`
}

// Instance is what one instance did.
type Instance struct {
	// Instance is its address, empty for calls that were sent to none.
	Instance string  `json:"instance"`
	Calls    int     `json:"calls"`
	Failed   int     `json:"failed"`
	Latency  Latency `json:"latency"`
}

// Interval is what ended in one interval. The last one may be cut short.
type Interval struct {
	// AtMS is when it begins, since the end of the warm-up.
	AtMS   float64 `json:"at_ms"`
	Calls  int     `json:"calls"`
	Failed int     `json:"failed"`
	Missed int     `json:"missed"`
	Rate   float64 `json:"rate"`
	P50MS  float64 `json:"p50_ms"`
	P99MS  float64 `json:"p99_ms"`
	MaxMS  float64 `json:"max_ms"`
}

func milliseconds(d time.Duration) float64 {
	return float64(d.Round(time.Microsecond)) / float64(time.Millisecond)
}

func (c Config) settings() Settings {
	s := Settings{
		Model: "closed", Concurrency: c.Concurrency, Connections: len(c.Conns), Requests: c.Requests, Seed: c.Seed,
		DurationMS: milliseconds(c.Duration), WarmupMS: milliseconds(c.Warmup), TimeoutMS: milliseconds(c.Timeout),
		RampMS: milliseconds(c.Ramp.Over), RampSteps: c.Ramp.Steps,
	}
	if c.Rate > 0 {
		s.Model, s.Rate, s.Arrivals = "open", c.Rate, c.Arrivals
	}
	return s
}

func (t *tally) result(begin time.Time) *Result {
	elapsed := t.elapsed()
	r := &Result{
		Method: t.config.Method, Settings: t.config.settings(), StartedAt: begin.UTC(), ElapsedMS: milliseconds(elapsed),
		Calls: t.latencies.count(), Failed: t.failed, Missed: t.missed, Late: t.late, Aborted: t.aborted, Warmup: t.warmup,
		BytesSent: t.bytesSent, BytesReceived: t.bytesReceived,
		Latency: t.latencies.latency(), Lag: t.lags.latency(),
		Percentiles: t.latencies.percentiles(), Histogram: t.latencies.buckets(),
		Codes: []Code{}, Instances: []Instance{},
		IntervalMS: milliseconds(t.series.width), Series: t.series.list(elapsed),
	}
	if elapsed > 0 {
		r.Rate = float64(r.Calls) / elapsed.Seconds()
	}
	for _, code := range slices.Sorted(maps.Keys(t.codes)) {
		p := t.codes[code]
		r.Codes = append(r.Codes, Code{Code: rpc.CodeName(code), Calls: p.latencies.count(), Message: p.message, Latency: p.latencies.latency()})
	}
	for _, name := range slices.Sorted(maps.Keys(t.instances)) {
		p := t.instances[name]
		r.Instances = append(r.Instances, Instance{Instance: name, Calls: p.latencies.count(), Failed: p.failed, Latency: p.latencies.latency()})
	}
	return r
}

func (h *histogram) latency() Latency {
	at := func(percentile float64) float64 { return milliseconds(h.at(percentile)) }
	return Latency{
		MeanMS: milliseconds(h.mean()), MinMS: milliseconds(h.least()), P50MS: at(50), P75MS: at(75), P90MS: at(90), P95MS: at(95),
		P99MS: at(99), P999MS: at(99.9), MaxMS: milliseconds(h.max),
	}
}

// percentiles go up in steps that grow finer towards 100, as far as there are
// calls to tell them apart.
func (h *histogram) percentiles() []Percentile {
	list := []Percentile{}
	if h.count() == 0 {
		return list
	}
	add := func(p float64) { list = append(list, Percentile{p, milliseconds(h.at(p))}) }
	for p := 0.0; p < 90; p += 5 {
		add(p)
	}
	for rest := 10.0; rest*float64(h.count()) >= 100; rest /= 10 {
		for _, part := range []float64{1, 0.75, 0.5, 0.25} {
			add(100 - rest*part)
		}
	}
	add(100)
	return list
}

func (s *series) list(elapsed time.Duration) []Interval {
	list := make([]Interval, len(s.intervals))
	for i, one := range s.intervals {
		begin := time.Duration(i) * s.width
		length := cmp.Or(min(s.width, max(elapsed-begin, 0)), s.width)
		list[i] = Interval{
			AtMS: milliseconds(begin), Calls: one.latencies.count(), Failed: one.failed, Missed: one.missed,
			Rate:  float64(one.latencies.count()) / length.Seconds(),
			P50MS: milliseconds(one.latencies.at(50)), P99MS: milliseconds(one.latencies.at(99)), MaxMS: milliseconds(one.latencies.max),
		}
	}
	return list
}
