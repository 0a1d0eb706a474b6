package load

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"pgregory.net/rapid"
)

func latencies(t *rapid.T, name string) []time.Duration {
	return rapid.SliceOfN(rapid.Map(rapid.Int64Range(0, int64(2*time.Hour)), func(n int64) time.Duration { return time.Duration(n) }), 1, 300).Draw(t, name)
}

// near reports whether a is b to so many parts, or to a microsecond.
func near(a, b time.Duration, parts int64) bool {
	return (a - b).Abs() <= max(time.Microsecond, time.Duration(int64(b)/parts))
}

func TestPercentilesAreThoseOfTheSortedLatencies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := latencies(t, "latencies")
		h := newHistogram(3)
		for _, d := range list {
			h.add(d)
		}
		slices.Sort(list)
		for _, percentile := range []float64{50, 75, 90, 99, 99.9} {
			rank := int(percentile/100*float64(len(list)) + 0.5)
			got := h.at(percentile)
			from, to := list[min(max(rank-2, 0), len(list)-1)], list[min(rank, len(list)-1)]
			if !(got >= from || near(got, min(from, longest), 500)) || !(got <= to || near(got, min(to, longest), 500)) {
				t.Errorf("p%v is %v, not between %v and %v", percentile, got, from, to)
			}
		}
		if h.min != list[0] || h.max != list[len(list)-1] || h.at(100) > h.max {
			t.Errorf("bounds %v %v, p100 %v", h.min, h.max, h.at(100))
		}
	})
}

func TestMergedHistogramsAreOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		one, other, all := newHistogram(2), newHistogram(2), newHistogram(2)
		for _, d := range latencies(t, "one") {
			one.add(d)
			all.add(d)
		}
		for _, d := range latencies(t, "other") {
			other.add(d)
			all.add(d)
		}
		one.merge(other)
		if one.latency() != all.latency() || one.count() != all.count() {
			t.Errorf("merged: %+v, at once: %+v", one.latency(), all.latency())
		}
	})
}

func TestBucketsHaveAllCallsInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistogram(3)
		for _, d := range latencies(t, "latencies") {
			h.add(d)
		}
		sum, last := 0, -1.0
		for _, b := range h.buckets() {
			if b.UpToMS < last {
				t.Errorf("%v comes after %v", b.UpToMS, last)
			}
			sum, last = sum+b.Count, b.UpToMS
		}
		if sum != h.count() || len(h.buckets()) > maxBuckets || last != milliseconds(h.max) {
			t.Errorf("%d of %d calls in %d buckets up to %v of %v", sum, h.count(), len(h.buckets()), last, h.max)
		}
	})
}

func TestPercentilesRise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistogram(3)
		for _, d := range latencies(t, "latencies") {
			h.add(d)
		}
		list := h.percentiles()
		for i := 1; i < len(list); i++ {
			if list[i].Percentile <= list[i-1].Percentile || list[i].MS < list[i-1].MS {
				t.Errorf("%v comes after %v", list[i], list[i-1])
			}
		}
		if list[len(list)-1] != (Percentile{100, milliseconds(h.max)}) {
			t.Errorf("percentiles: %v", list)
		}
	})
}

// However long a run is, its series is bounded and loses no call.
func TestTheSeriesKeepsAllCallsInBoundedRoom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := series{width: firstWidth}
		ends := rapid.SliceOfN(rapid.Int64Range(0, int64(3*time.Hour)), 1, 60).Draw(t, "ends")
		for i, end := range ends {
			at := s.at(time.Duration(end))
			at.latencies.add(time.Duration(i))
			at.failed++
			at.missed++
		}
		var calls, failed, missed int
		for i, one := range s.list(time.Duration(slices.Max(ends))) {
			calls, failed, missed = calls+one.Calls, failed+one.Failed, missed+one.Missed
			if one.AtMS != milliseconds(s.width)*float64(i) {
				t.Errorf("interval %d begins at %v", i, one.AtMS)
			}
		}
		if n := len(ends); calls != n || failed != n || missed != n || len(s.intervals) > maxIntervals {
			t.Errorf("%d calls, %d failed, %d missed in %d intervals of %v, want %d", calls, failed, missed, len(s.intervals), s.width, n)
		}
	})
}

func TestAMessageIsKeptInPart(t *testing.T) {
	p := part{latencies: newHistogram(2)}
	long := make([]rune, messageRunes*2)
	for i := range long {
		long[i] = 'ä'
	}
	p.add(0, false, string(long))
	p.add(0, false, "another")
	if got := []rune(p.message); len(got) != messageRunes+1 || got[0] != 'ä' {
		t.Errorf("message of %d runes", len(got))
	}
}

func TestRatesAreOfTheTimeThatWasCounted(t *testing.T) {
	tally := newTally(Config{Warmup: time.Second})
	for i := range 300 { // one each 10 ms, each takes 10 ms
		at := time.Duration(i) * 10 * time.Millisecond
		tally.add(&sample{start: at, sent: at, ended: at + 10*time.Millisecond, code: codes.OK, bytesSent: 3, bytesReceived: 5})
	}
	r := tally.result(time.Unix(0, 0))
	if r.Calls != 200 || r.Warmup != 100 || r.Rate != 100 || r.ElapsedMS != 2000 || r.BytesSent != 600 || r.BytesReceived != 1000 {
		t.Errorf("result: %+v", r)
	}
	for i, one := range r.Series[1 : len(r.Series)-1] {
		if one.Calls != 25 || one.Rate != 100 {
			t.Errorf("interval %d: %+v", i+1, one)
		}
	}
}
