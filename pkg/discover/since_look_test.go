package discover

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestSightings looks at a check whose state changes at random, and compares with what was seen.
func TestSightings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(1_800_000_000, 0)
		var seen sightings
		var was Health
		var want Since
		for range rapid.IntRange(1, 20).Draw(t, "looks") {
			last := now
			now = now.Add(time.Duration(rapid.IntRange(1, 1000).Draw(t, "seconds")) * time.Second)
			is := rapid.SampledFrom([]Health{"", Passing, Warning, Critical}).Draw(t, "state") // empty: it is not there
			lasted := rapid.Bool().Draw(t, "lasted")
			instance := Instance{Node: "n", ID: "i"}
			check := Check{ID: "c", Status: is}
			if is != "" {
				instance.Checks = []Check{check}
			}
			if is != was {
				want = Since{After: last, Before: now}
				if seen.Read.IsZero() {
					want.After = time.Time{}
				}
				if lasted {
					want.After = now
				}
			}
			was = is
			seen = seen.look([]Instance{instance}, now, lasted)
			got := seen.of(instance, &check)
			switch {
			case is == "" || is == Passing || want.After.IsZero() && want.Before.Equal(now):
				if got != nil {
					t.Fatalf("of %q: %+v", is, got)
				}
			case got == nil || *got != want:
				t.Fatalf("of %q: %+v, want %+v", is, got, want)
			}
		}
	})
}

// TestSightingsWhenTheClockWasSetBack: nothing is told by times that are still to come.
func TestSightingsWhenTheClockWasSetBack(t *testing.T) {
	now := time.Now()
	check := Check{ID: "c", Status: Critical}
	instance := Instance{Node: "n", ID: "i", Checks: []Check{check}}
	seen := sightings{}.look([]Instance{instance}, now.Add(time.Hour), false)
	seen = seen.look([]Instance{instance}, now, false)
	if since := seen.of(instance, &check); since != nil {
		t.Errorf("at the first look after that: %+v", since)
	}
	seen = seen.look([]Instance{instance}, now.Add(time.Minute), false)
	if since := seen.of(instance, &check); since == nil || !since.After.IsZero() || !since.Before.Equal(now) {
		t.Errorf("at the second: %+v", since)
	}
}

func TestSinceInWords(t *testing.T) {
	now := time.Now()
	for _, row := range []struct {
		after, before time.Duration // ago; below 0 is never
		want          string
	}{
		{-1, 12 * time.Minute, "for 12m at least"},
		{15 * time.Minute, 12 * time.Minute, "for 12m to 15m"},
		{15 * time.Minute, 0, "for 15m at most"},
		{0, 0, "for 0s"},
		{8 * time.Second, 8 * time.Second, "for 8s"},
		{90 * time.Second, 61 * time.Second, "for 1m"},
		{26 * time.Hour, 25*time.Hour + 5*time.Minute, "for 25h05m to 26h00m"},
		{100 * 24 * time.Hour, 49 * time.Hour, "for 2d to 100d"},
		{-time.Hour, -time.Hour, "for 0s"}, // the clock was set back
	} {
		since := Since{Before: now.Add(-row.before), After: now.Add(-row.after)}
		if row.after == -1 {
			since.After = time.Time{}
		}
		if got := fmt.Sprint(since.at(now)); got != row.want {
			t.Errorf("%v: got %q", row, got)
		}
	}
}
