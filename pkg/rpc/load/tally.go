package load

import (
	"strings"
	"time"

	"google.golang.org/grpc/codes"
)

// tally has all that is counted in a run. It has one user at a time.
type tally struct {
	config    Config
	latencies *histogram // of all calls that were counted
	lags      *histogram // between the intended start and the real one
	codes     map[codes.Code]*part
	instances map[string]*part
	series    series
	recent    *histogram // since the last report

	failed, missed, aborted, warmup, late int
	bytesSent, bytesReceived              int
	reported, last                        time.Duration // last is when the last call ended
}

// part is what is counted of the calls of one code, or of one instance.
type part struct {
	latencies *histogram
	failed    int
	message   string // of the first failure
}

func newTally(c Config) *tally {
	return &tally{
		config: c, latencies: newHistogram(3), lags: newHistogram(2), recent: newHistogram(2),
		codes: map[codes.Code]*part{}, instances: map[string]*part{}, series: series{width: firstWidth},
	}
}

func (t *tally) add(s *sample) {
	switch {
	case s.aborted:
		t.aborted++
		return
	case s.start < t.config.Warmup:
		t.warmup++
		return
	}
	at := t.series.at(s.ended - t.config.Warmup)
	if s.missed {
		t.missed++
		at.missed++
		return
	}
	latency := s.ended - s.start
	for _, h := range []*histogram{t.latencies, t.recent, at.latencies} {
		h.add(latency)
	}
	t.lags.add(s.sent - s.start)
	ok := s.code == codes.OK
	get(t.codes, s.code).add(latency, ok, s.message)
	get(t.instances, s.instance).add(latency, ok, s.message)
	if s.late {
		t.late++
	}
	if !ok {
		t.failed++
		at.failed++
	}
	t.bytesSent += s.bytesSent
	t.bytesReceived += s.bytesReceived
	t.last = max(t.last, s.ended)
}

func get[K comparable](parts map[K]*part, key K) *part {
	p := parts[key]
	if p == nil {
		p = &part{latencies: newHistogram(2)}
		parts[key] = p
	}
	return p
}

// messageRunes is how much is kept of an error's message.
const messageRunes = 200

func (p *part) add(latency time.Duration, ok bool, message string) {
	p.latencies.add(latency)
	if ok {
		return
	}
	p.failed++
	if p.message == "" {
		if runes := []rune(strings.ToValidUTF8(message, "�")); len(runes) > messageRunes {
			message = string(runes[:messageRunes]) + "…"
		}
		p.message = message
	}
}

func (t *tally) progress(now time.Duration) Progress {
	p := Progress{
		Elapsed: now, Warming: now < t.config.Warmup,
		Calls: t.latencies.count(), Failed: t.failed, Missed: t.missed,
		P50: t.recent.at(50), P99: t.recent.at(99),
	}
	if since := now - max(t.reported, t.config.Warmup); since > 0 {
		p.Rate = float64(t.recent.count()) / since.Seconds()
	}
	t.reported = now
	t.recent.reset()
	return p
}

// elapsed is how long calls were counted.
func (t *tally) elapsed() time.Duration {
	return max(0, t.last-t.config.Warmup)
}

const (
	// firstWidth is how long an interval of the series is at first. Whenever there
	// are more than maxIntervals, two become one.
	firstWidth   = 250 * time.Millisecond
	maxIntervals = 240
)

// series is how a run went over time.
type series struct {
	width     time.Duration
	intervals []*interval
}

// interval counts the calls that ended in it.
type interval struct {
	latencies      *histogram
	failed, missed int
}

// at returns the interval of a time since the warm-up.
func (s *series) at(when time.Duration) *interval {
	for when >= s.width*maxIntervals {
		s.halve()
	}
	i := int(when / s.width)
	for len(s.intervals) <= i {
		s.intervals = append(s.intervals, &interval{latencies: newHistogram(2)})
	}
	return s.intervals[i]
}

func (s *series) halve() {
	s.width *= 2
	for i := 0; i < len(s.intervals); i += 2 {
		one := s.intervals[i]
		if i+1 < len(s.intervals) {
			other := s.intervals[i+1]
			one.latencies.merge(other.latencies)
			one.failed += other.failed
			one.missed += other.missed
		}
		s.intervals[i/2] = one
	}
	clear(s.intervals[(len(s.intervals)+1)/2:])
	s.intervals = s.intervals[:(len(s.intervals)+1)/2]
}
