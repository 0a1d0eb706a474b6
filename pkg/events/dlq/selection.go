package dlq

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Selection says which letters are meant: those that one of its parts names. The zero value selects none.
type Selection struct {
	All          bool
	Fingerprints []string // whole, or a beginning of at least 4 digits
	Offsets      []OffsetRange
}

// OffsetRange is a stretch of a partition, both ends included.
type OffsetRange struct {
	Partition int32
	First     int64
	Last      int64
}

// Empty reports that nothing is selected.
func (s Selection) Empty() bool { return !s.All && len(s.Fingerprints) == 0 && len(s.Offsets) == 0 }

// Has reports whether the letter is selected.
func (s Selection) Has(l *Letter) bool {
	return s.All ||
		slices.ContainsFunc(s.Offsets, func(r OffsetRange) bool {
			return r.Partition == l.Partition && r.First <= l.Offset && l.Offset <= r.Last
		}) ||
		slices.ContainsFunc(s.Fingerprints, func(f string) bool { return strings.HasPrefix(l.Fingerprint, f) })
}

// ParseOffsetRange reads "PARTITION:OFFSET" or "PARTITION:FIRST-LAST".
func ParseOffsetRange(text string) (OffsetRange, error) {
	fail := func() (OffsetRange, error) {
		return OffsetRange{}, fmt.Errorf("%q is neither PARTITION:OFFSET nor PARTITION:FIRST-LAST", text)
	}
	partition, offsets, ok := strings.Cut(text, ":")
	p, err := strconv.ParseUint(partition, 10, 31)
	if !ok || err != nil {
		return fail()
	}
	first, last, ranged := strings.Cut(offsets, "-")
	if !ranged {
		last = first
	}
	from, err1 := strconv.ParseUint(first, 10, 63)
	to, err2 := strconv.ParseUint(last, 10, 63)
	if err1 != nil || err2 != nil || from > to {
		return fail()
	}
	return OffsetRange{Partition: int32(p), First: int64(from), Last: int64(to)}, nil
}

// String is the form that ParseOffsetRange reads.
func (r OffsetRange) String() string {
	if r.First == r.Last {
		return fmt.Sprintf("%d:%d", r.Partition, r.First)
	}
	return fmt.Sprintf("%d:%d-%d", r.Partition, r.First, r.Last)
}

// ParseFingerprint checks a fingerprint or its beginning.
func ParseFingerprint(text string) (string, error) {
	text = strings.ToLower(text)
	if len(text) < 4 || len(text) > 12 || !isHex(text) {
		return "", fmt.Errorf("%q is not a fingerprint: want 4 to 12 hexadecimal digits", text)
	}
	return text, nil
}
