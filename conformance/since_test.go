//go:build unix

package conformance

import (
	"context"
	"testing"
	"time"

	"github.com/suokelife/suokectl/pkg/discover"
)

// TestConsulExplainSince: a watch waits on real Consul while a check fails, and another process tells since when.
func TestConsulExplainSince(t *testing.T) {
	t.Parallel()
	const service = "since-service"
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	config := discover.Config{Address: sharedConsul.get(t).Addr, CacheDir: t.TempDir()}
	registrar := discoverClient(t, discover.Config{Address: config.Address})
	registerTTL(ctx, t, registrar, service, 1, discover.Passing)
	var failed time.Time
	for update := range discoverClient(t, config).Watch(ctx, service, discover.Query{Health: discover.Any}) {
		if len(update.Instances) == 1 && update.Instances[0].Health == discover.Critical {
			break
		}
		failed = time.Now()
		registerTTL(ctx, t, registrar, service, 1, discover.Critical)
	}
	all, err := discoverClient(t, config).Explain(ctx, service, discover.Query{}, discover.ExplainOptions{})
	if err != nil || len(all) != 1 || len(all[0].Causes) != 1 {
		t.Fatalf("got %+v, %v", all, err)
	}
	since := all[0].Causes[0].Since
	if since == nil || since.After.Before(failed) || since.Before.Before(since.After) || time.Now().Before(since.Before) {
		t.Fatalf("it failed at %v, and is told since %+v", failed, since)
	}
	t.Logf("told to fail at %v, seen failing %v later", failed, since.Before.Sub(failed))
}
