//go:build unix

package conformance

import (
	"testing"

	contract "github.com/suokelife/suokectl/internal/contract/registry"
)

func TestRegistry(t *testing.T) {
	t.Parallel()
	contract.Run(t, contract.Apicurio, sharedRegistry.get(t).URL)
}
