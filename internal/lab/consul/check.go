package consul

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/hashicorp/consul/api"
)

// minInterval is the shortest interval a check is run at, as on a real agent.
const minInterval = time.Second

// ttlCheck is the heartbeat half of a TTL check.
type ttlCheck struct {
	ttl      time.Duration
	deadline time.Time // when the check turns critical unless somebody reports before
	last     string    // the last report's text
}

// thresholds counts results in a row, for checks that turn only after several.
type thresholds struct {
	passing, warning, critical int // how many in a row it takes
	good, bad                  int // how many there were
}

// newThresholds fills what is left out as the agent does: warn when the check would turn critical.
func newThresholds(def *checkDefinition) *thresholds {
	t := &thresholds{passing: def.SuccessBeforePassing, warning: def.FailuresBeforeWarning, critical: def.FailuresBeforeCritical}
	if t.warning == 0 {
		t.warning = t.critical
	}
	return t
}

// take counts a result and returns the status it leads to, or "" when there were not enough of it.
func (t *thresholds) take(status string) string {
	if status != api.HealthCritical {
		t.good, t.bad = t.good+1, 0
		if t.good < t.passing {
			return ""
		}
		return status
	}
	t.good, t.bad = 0, t.bad+1
	switch {
	case t.bad >= t.critical:
		return api.HealthCritical
	case t.bad >= t.warning:
		return api.HealthWarning
	}
	return ""
}

// startCheck sets the check going until it is stopped or the server closes. The caller holds the store's mutex.
func (s *Server) startCheck(check *checkState, def *checkDefinition) {
	ctx, cancel := context.WithCancel(s.ctx)
	check.stop = cancel
	if def.TTL > 0 {
		ttl := time.Duration(def.TTL)
		check.ttl = &ttlCheck{ttl: ttl, deadline: time.Now().Add(ttl)}
		s.running.Go(func() { s.expire(ctx, check) })
		return
	}
	probe, counts := newProbe(def), newThresholds(def)
	interval := max(time.Duration(def.Interval), minInterval)
	s.running.Go(func() {
		// An agent begins anywhere within the first interval; the lab at once, so that its world is soon up.
		for wait := time.Duration(0); sleep(ctx, wait); wait = interval {
			status, output := probe(ctx)
			if status = counts.take(status); status != "" && ctx.Err() == nil {
				s.report(check, status, output)
			}
		}
	})
}

// expire turns a TTL check critical whenever its deadline passed without a report.
func (s *Server) expire(ctx context.Context, check *checkState) {
	for wait := check.ttl.ttl; sleep(ctx, wait); {
		s.store.mu.Lock()
		wait = time.Until(check.ttl.deadline)
		last := check.ttl.last
		s.store.mu.Unlock()
		if wait > 0 {
			continue
		}
		output := "TTL expired"
		if last != "" {
			output += " (last output before timeout follows): " + last
		}
		s.report(check, api.HealthCritical, output)
		wait = check.ttl.ttl
	}
}

// report records a check's result unless the check was removed meanwhile.
func (s *Server) report(check *checkState, status, output string) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	if s.store.checks[check.catalog.CheckID] == check {
		s.store.setStatus(check, status, output, s.options.UpdateInterval)
	}
}

// housekeep does, once an interval, what waits for no request: it writes deferred output to the catalogue and
// deregisters services whose checks were critical for too long.
func (s *Server) housekeep() {
	for sleep(s.ctx, s.options.ReapInterval) {
		now := time.Now()
		s.store.mu.Lock()
		for _, check := range s.store.checks {
			if !check.flushAt.IsZero() && now.After(check.flushAt) {
				s.store.flush(check)
			}
			if check.reapAfter > 0 && !check.criticalSince.IsZero() && now.Sub(check.criticalSince) > check.reapAfter {
				s.store.deleteService(check.catalog.ServiceID)
			}
		}
		s.store.mu.Unlock()
	}
}

// sleep waits, and tells whether it was let to.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// stagger spreads what would happen all at once over d.
func stagger(d time.Duration) time.Duration {
	return rand.N(max(d, 1)) //nolint:gosec // no secret is made of it
}
