//go:build unix

package conformance

import (
	"testing"

	contract "github.com/suokelife/suokectl/internal/contract/kafka"
)

func TestKafka(t *testing.T) {
	t.Parallel()
	contract.Run(t, sharedKafka.get(t).Brokers)
}
