//go:build unix

package conformance

import (
	"testing"
	"time"

	contract "github.com/suokelife/suokectl/internal/contract/consul"
	"github.com/suokelife/suokectl/internal/testenv"
)

// stockOutput has the agent pass on new output of an old status as late as it does out of the box.
func stockOutput(config map[string]any, _ *testenv.ConsulServer) { delete(config, "check_update_interval") }

func TestConsul(t *testing.T) {
	t.Parallel()
	server := testenv.Consul(t, stockOutput)
	contract.Run(t, contract.Target{
		Addr: server.Addr,
		Restart: func() {
			if err := server.Restart(true); err != nil {
				t.Fatal(err)
			}
		},
		DeregisterWithin: 3 * time.Minute,
	})
}
