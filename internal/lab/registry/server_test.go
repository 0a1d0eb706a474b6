package registry_test

import (
	"testing"

	"go.uber.org/goleak"

	contract "github.com/suokelife/suokectl/internal/contract/registry"
	"github.com/suokelife/suokectl/internal/lab/registry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	server, err := registry.Start(registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	}()
	contract.Run(t, contract.Lab, server.URL())
}

func TestStartSaysWhichAddressIsTaken(t *testing.T) {
	first, err := registry.Start(registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if _, err := registry.Start(registry.Options{Addr: first.URL()[len("http://"):]}); err == nil {
		t.Fatal("two servers on one address")
	}
}
