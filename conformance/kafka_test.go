//go:build unix

package conformance

import (
	"testing"

	contract "github.com/suokelife/suokectl/internal/contract/kafka"
	"github.com/suokelife/suokectl/internal/testenv"
)

func TestKafka(t *testing.T) {
	t.Parallel()
	contract.Run(t, sharedKafka.get(t).Brokers)
	server := testenv.KafkaSecured(t)
	trust, err := server.Client("")
	if err != nil {
		t.Fatal(err)
	}
	contract.RunSecured(t, contract.Secured{
		Brokers: []string{server.SASL}, TLS: trust,
		Admin: testenv.KafkaAdmin, AdminPassword: testenv.KafkaAdminPassword,
		User: testenv.KafkaUser, UserPassword: testenv.KafkaUserPassword,
	})
}
