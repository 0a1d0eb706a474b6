package dlq_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/pkg/events/dlq"
)

func TestOffsetRangeIsWhatItPrints(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := rapid.Int64Range(0, 1<<62).Draw(t, "first")
		want := dlq.OffsetRange{
			Partition: rapid.Int32Range(0, 1<<30).Draw(t, "partition"),
			First:     first, Last: first + rapid.Int64Range(0, 1000).Draw(t, "more"),
		}
		if got, err := dlq.ParseOffsetRange(want.String()); err != nil || got != want {
			t.Fatalf("%s is read as %+v, %v", want, got, err)
		}
	})
}

func TestParseOffsetRangeRefuses(t *testing.T) {
	for _, text := range []string{"", ":", "1", "1:", ":1", "-1:2", "1:-2", "1:5-4", "1:2-", "x:1", "1:1-x", "4294967296:1", "0:9223372036854775808", "1:2:3", " 1:2", "1:+2"} {
		if got, err := dlq.ParseOffsetRange(text); err == nil {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}

// TestSelectionIsTheUnionOfItsParts against the plainest statement of it.
func TestSelectionIsTheUnionOfItsParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hex := rapid.StringMatching(`[ab]{12}`)
		l := dlq.Letter{
			Partition: rapid.Int32Range(0, 3).Draw(t, "partition"), Offset: rapid.Int64Range(0, 20).Draw(t, "offset"),
			Fingerprint: hex.Draw(t, "fingerprint"),
		}
		var s dlq.Selection
		want := false
		for range rapid.IntRange(0, 3).Draw(t, "fingerprints") {
			f := hex.Draw(t, "selected")[:rapid.IntRange(4, 12).Draw(t, "length")]
			s.Fingerprints = append(s.Fingerprints, f)
			want = want || l.Fingerprint[:len(f)] == f
		}
		for range rapid.IntRange(0, 3).Draw(t, "ranges") {
			first := rapid.Int64Range(0, 20).Draw(t, "first")
			r := dlq.OffsetRange{Partition: rapid.Int32Range(0, 3).Draw(t, "in"), First: first, Last: first + rapid.Int64Range(0, 5).Draw(t, "more")}
			s.Offsets = append(s.Offsets, r)
			for o := r.First; o <= r.Last; o++ {
				want = want || l.Partition == r.Partition && l.Offset == o
			}
		}
		if s.Has(&l) != want {
			t.Fatalf("%+v of %+v: %t", s, l, !want)
		}
		if s.Empty() && s.Has(&l) {
			t.Fatal("an empty selection has a letter")
		}
		if s.All = true; !s.Has(&l) {
			t.Fatal("All has not all")
		}
	})
}

func TestParseFingerprint(t *testing.T) {
	for text, want := range map[string]string{"ABCD": "abcd", "0123456789ab": "0123456789ab", "abc": "", "0123456789abc": "", "wxyz": "", "": ""} {
		if got, err := dlq.ParseFingerprint(text); got != want || (err == nil) != (want != "") {
			t.Errorf("%q is read as %q, %v", text, got, err)
		}
	}
}
