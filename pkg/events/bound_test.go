package events_test

import (
	"testing"
	"time"

	"github.com/suokelife/suokectl/pkg/events"
)

func TestParseBound(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]events.Bound{
		"start":                  events.Start(),
		"end":                    events.End(),
		"now":                    events.End(),
		"0":                      events.AtOffset(0),
		"1200":                   events.AtOffset(1200),
		"-15m":                   events.AtTime(now.Add(-15 * time.Minute)),
		"-1h30m":                 events.AtTime(now.Add(-90 * time.Minute)),
		"-7d":                    events.AtTime(now.AddDate(0, 0, -7)),
		"2026-01-31T15:04:05Z":   events.AtTime(time.Date(2026, 1, 31, 15, 4, 5, 0, time.UTC)),
		"2026-01-31T15:04:05.5Z": events.AtTime(time.Date(2026, 1, 31, 15, 4, 5, 5e8, time.UTC)),
	} {
		if got, err := events.ParseBound(text, now); err != nil || got != want {
			t.Errorf("%s: got %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "-5", "15m", "-", "-d", "-1.5d", "--15m", "yesterday", "2026-01-31", "99999999999999999999", "0x10"} {
		if got, err := events.ParseBound(text, now); err == nil {
			t.Errorf("%q was read as %+v", text, got)
		}
	}
}
