package load

import (
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// longest is the latency above which all are counted as the same.
const longest = time.Hour

// histogram counts latencies from a microsecond to [longest], and keeps their
// sum and bounds.
type histogram struct {
	counts   *hdrhistogram.Histogram
	sum      time.Duration
	min, max time.Duration
}

// newHistogram is exact to the given number of decimal digits: with 3 it takes
// 200 kB, with 2 30 kB.
func newHistogram(digits int) *histogram {
	return &histogram{counts: hdrhistogram.New(int64(time.Microsecond), int64(longest), digits), min: forever}
}

func (h *histogram) add(d time.Duration) {
	d = max(d, 0)
	_ = h.counts.RecordValue(int64(min(d, longest))) // which is in its bounds
	h.sum += d
	h.min, h.max = min(h.min, d), max(h.max, d)
}

func (h *histogram) merge(other *histogram) {
	h.counts.Merge(other.counts)
	h.sum += other.sum
	h.min, h.max = min(h.min, other.min), max(h.max, other.max)
}

func (h *histogram) reset() {
	h.counts.Reset()
	h.sum, h.min, h.max = 0, forever, 0
}

func (h *histogram) count() int { return int(h.counts.TotalCount()) }

// at returns the latency that the given percentage of all do not exceed.
func (h *histogram) at(percentile float64) time.Duration {
	switch {
	case h.count() == 0:
		return 0
	case percentile >= 100:
		return h.max
	}
	return min(max(time.Duration(h.counts.ValueAtPercentile(percentile)), h.min), h.max)
}

func (h *histogram) mean() time.Duration {
	if h.count() == 0 {
		return 0
	}
	return h.sum / time.Duration(h.count())
}

func (h *histogram) least() time.Duration {
	if h.count() == 0 {
		return 0
	}
	return h.min
}

// maxBuckets is how many a result has at most.
const maxBuckets = 60

// buckets spread over all latencies, each wider than the one before by the same
// factor.
func (h *histogram) buckets() []Bucket {
	list := []Bucket{}
	if h.count() == 0 {
		return list
	}
	least, most := float64(max(h.min, time.Microsecond)), float64(max(h.max, time.Microsecond))
	factor := math.Pow(most/least, 1/float64(maxBuckets-1))
	bound := least
	for _, bar := range h.counts.Distribution() {
		if bar.Count == 0 {
			continue
		}
		for len(list) == 0 || float64(bar.From) > bound && len(list) < maxBuckets {
			bound = least * math.Pow(factor, float64(len(list)))
			list = append(list, Bucket{UpToMS: milliseconds(time.Duration(bound))})
		}
		list[len(list)-1].Count += int(bar.Count)
	}
	list[len(list)-1].UpToMS = milliseconds(h.max)
	return list
}
