package events

import "time"

// Trend is how the work of a group goes, measured by two looks at it.
type Trend struct {
	// Window is the time between the looks, in seconds.
	Window float64 `json:"window_seconds"`
	// Produced and Consumed are records a second: by how much the ends of the
	// logs and the committed offsets moved.
	Produced float64 `json:"produced_per_second"`
	Consumed float64 `json:"consumed_per_second"`
	// Lag is by how many records a second the lag grows; it shrinks below 0.
	Lag     float64 `json:"lag_per_second"`
	Verdict Verdict `json:"verdict"`
	// CatchUp is after how many seconds nothing would be left to read; nil when
	// the group does not catch up.
	CatchUp *float64 `json:"catch_up_seconds,omitempty"`
}

// Verdict is a trend in a word.
type Verdict string

// The verdicts. A group that commits more seldom than the window is long seems
// to stand still.
const (
	// VerdictIdle: nothing to read, nothing produced.
	VerdictIdle Verdict = "idle"
	// VerdictKeepingUp: what is produced is consumed.
	VerdictKeepingUp Verdict = "keeping-up"
	// VerdictCatchingUp: the lag shrinks.
	VerdictCatchingUp Verdict = "catching-up"
	// VerdictFallingBehind: the lag grows, though some is consumed.
	VerdictFallingBehind Verdict = "falling-behind"
	// VerdictStuck: there is something to read, and nothing was committed.
	VerdictStuck Verdict = "stuck"
)

// Since compares a group with an earlier look at it. Partitions that only one
// of them has are left out.
func (g Group) Since(earlier Group) Trend {
	before := make(map[string]map[int32]GroupPartition)
	for _, p := range earlier.Partitions {
		put(before, p.Topic, p.Partition, p)
	}
	var produced, consumed int64
	for _, p := range g.Partitions {
		old, ok := before[p.Topic][p.Partition]
		if !ok || p.Lag < 0 || old.Lag < 0 {
			continue
		}
		produced += p.End - old.End
		consumed += (p.End - p.Lag) - (old.End - old.Lag)
	}
	return newTrend(produced, consumed, g.Lag, g.At.Sub(earlier.At))
}

func newTrend(produced, consumed, lag int64, window time.Duration) Trend {
	seconds := window.Seconds()
	if seconds <= 0 {
		return Trend{Verdict: verdict(produced, consumed, lag)}
	}
	t := Trend{
		Window: seconds, Produced: float64(produced) / seconds, Consumed: float64(consumed) / seconds,
		Lag: float64(produced-consumed) / seconds, Verdict: verdict(produced, consumed, lag),
	}
	if t.Lag < 0 {
		left := float64(lag) / -t.Lag
		t.CatchUp = &left
	}
	return t
}

func verdict(produced, consumed, lag int64) Verdict {
	switch {
	case lag == 0 && produced == 0 && consumed == 0:
		return VerdictIdle
	case consumed <= 0 && lag > 0:
		return VerdictStuck
	case consumed > produced && lag > 0:
		return VerdictCatchingUp
	case consumed >= produced:
		return VerdictKeepingUp
	default:
		return VerdictFallingBehind
	}
}
