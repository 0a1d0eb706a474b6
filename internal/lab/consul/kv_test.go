package consul_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/suokelife/suokectl/internal/lab/consul"
)

// TestLocksAreRefused: a lock that nobody holds would be worse than none.
func TestLocksAreRefused(t *testing.T) {
	server := start(t, consul.Options{})
	defer stop(t, server)
	for _, query := range []string{"acquire=s", "release=s"} {
		got := do(t, server, "PUT", "/v1/kv/k?"+query, "x")
		if got != "400 Bad Request sessions and their locks are not part of the lab" {
			t.Errorf("%s: got %q", query, got)
		}
	}
	if got := do(t, server, "GET", "/v1/kv/k", ""); !strings.HasPrefix(got, "404 ") {
		t.Errorf("the key was written: %q", got)
	}
}

// TestCheckAndSetRace: of many that would replace one value only one does.
func TestCheckAndSetRace(t *testing.T) {
	server := start(t, consul.Options{})
	defer stop(t, server)
	answers := make([]string, 50)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() { answers[i] = do(t, server, "PUT", "/v1/kv/k?cas=0", fmt.Sprint(i)) })
	}
	all.Wait()
	if won := strings.Count(strings.Join(answers, " "), "true"); won != 1 {
		t.Errorf("%d of them wrote: %q", won, answers)
	}
}
