package rpc

import (
	"fmt"
	"strings"
	"time"

	"github.com/suokelife/suokectl/pkg/rpc/load"
)

// loadProgress says on one line how a run goes.
func loadProgress(c load.Config, p load.Progress) string {
	when := p.Elapsed.Round(time.Second / 10).String()
	if c.Duration > 0 {
		when += " of " + (c.Warmup + c.Duration).String()
	}
	parts := []string{when}
	if p.Warming {
		parts = append(parts, "warming up")
	}
	parts = append(parts,
		number(p.Calls)+" calls", fmt.Sprintf("%s/s", number(int(p.Rate))), number(p.Failed)+" failed",
	)
	if p.P99 > 0 { // there were calls since the report before
		parts = append(parts, "p50 "+p.P50.Round(time.Microsecond).String(), "p99 "+p.P99.Round(time.Microsecond).String())
	}
	if p.Missed > 0 {
		parts = append(parts, number(p.Missed)+" missed")
	}
	return strings.Join(parts, "  ")
}
