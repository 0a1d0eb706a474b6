//go:build unix

package conformance

import (
	"testing"

	contract "github.com/suokelife/suokectl/internal/contract/registry"
	"github.com/suokelife/suokectl/internal/testenv"
)

func TestRegistry(t *testing.T) {
	t.Parallel()
	contract.Run(t, contract.Apicurio, testenv.Registry(t).URL)
}
