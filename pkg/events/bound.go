package events

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Bound is a place in every partition of a topic: its start, its end as of the
// beginning of a scan, an offset, a distance before the end, or the first record
// at or after a time. The zero value is the start.
type Bound struct {
	kind   boundKind
	offset int64
	time   time.Time
	each   *map[int32]int64 // bounds are compared
}

type boundKind uint8

const (
	boundStart boundKind = iota
	boundEnd
	boundOffset
	boundTime
	boundTail
	boundEach
)

// Start is the first offset that is still there.
func Start() Bound { return Bound{} }

// End is the end of each partition when the scan begins: for a reader of
// committed records, the last stable offset.
func End() Bound { return Bound{kind: boundEnd} }

// AtOffset is one offset in every partition. Where that is not there any more
// or not yet, it is the start or the end.
func AtOffset(offset int64) Bound { return Bound{kind: boundOffset, offset: offset} }

// AtOffsets is an offset of each partition, and the start of those that are not
// named. The map must not be changed afterwards.
func AtOffsets(each map[int32]int64) Bound { return Bound{kind: boundEach, each: &each} }

// Tail is n offsets before the end of each partition, or its start where it has
// fewer. Compaction and transactions leave gaps, so that fewer than n records
// may follow. A negative n is taken as 0.
func Tail(n int64) Bound { return Bound{kind: boundTail, offset: max(n, 0)} }

// AtTime is the first record whose timestamp is t or later. Timestamps are the
// producers' own by default and need not ascend.
func AtTime(t time.Time) Bound { return Bound{kind: boundTime, time: t} }

// ParseBound reads start, end, now (which is end), an offset, a time as
// RFC 3339 has it, or a time before now as a duration: -15m, -2h, -7d. The
// present is used for durations only.
func ParseBound(text string, now time.Time) (Bound, error) {
	switch text {
	case "start":
		return Start(), nil
	case "end", "now":
		return End(), nil
	}
	if ago, ok := parseAgo(text); ok {
		return AtTime(now.Add(-ago)), nil
	}
	if offset, err := strconv.ParseInt(text, 10, 64); err == nil && offset >= 0 {
		return AtOffset(offset), nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return AtTime(t), nil
	}
	return Bound{}, fmt.Errorf("%q is no place in a topic: use start, end, now, an offset such as 1200, a time such as 2026-01-31T15:04:05Z, or -15m for a quarter of an hour ago", text)
}

// parseAgo reads a negative duration; unlike Go's own they may be in days.
func parseAgo(text string) (time.Duration, bool) {
	ago, negative := strings.CutPrefix(text, "-")
	if !negative {
		return 0, false
	}
	if days, ok := strings.CutSuffix(ago, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * 24 * time.Hour, err == nil
	}
	d, err := time.ParseDuration(ago)
	return d, err == nil && d >= 0
}

// offsets resolves the bound to an offset a partition, within start and end.
func (b Bound) offsets(ctx context.Context, c *Client, topic string, edges map[int32]edge) (map[int32]int64, error) {
	resolved := make(map[int32]int64, len(edges))
	for id, e := range edges {
		switch b.kind {
		case boundStart:
			resolved[id] = e.start
		case boundEnd:
			resolved[id] = e.end
		case boundTail:
			resolved[id] = max(e.end-b.offset, e.start)
		case boundEach:
			resolved[id] = min(max((*b.each)[id], e.start), e.end)
		default:
			resolved[id] = min(max(b.offset, e.start), e.end)
		}
	}
	if b.kind != boundTime {
		return resolved, nil
	}
	listed, err := c.admin.ListOffsetsAfterMilli(ctx, b.time.UnixMilli(), topic)
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("find the offsets of %s at %s: %w", topic, b.time.Format(time.RFC3339), err)
	}
	for id, e := range edges {
		resolved[id] = min(max(listed[topic][id].Offset, e.start), e.end)
	}
	return resolved, nil
}

// edge is where the log of a partition starts and ends for one reader.
type edge struct{ start, end int64 }

// endless is the bound of a partition that is followed.
const endless = math.MaxInt64

// After reports whether the bound is a time that lies behind now.
func (b Bound) After(now time.Time) bool { return b.kind == boundTime && b.time.After(now) }
