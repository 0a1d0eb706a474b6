package consul_test

import (
	"testing"
	"time"

	contract "github.com/suokelife/suokectl/internal/contract/consul"
	"github.com/suokelife/suokectl/internal/lab/consul"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, options consul.Options) *consul.Server {
	t.Helper()
	server, err := consul.Start(options)
	if err != nil {
		t.Fatal(err)
	}
	return server
}

func TestContract(t *testing.T) {
	options := consul.Options{ReapInterval: 100 * time.Millisecond, MinDeregister: time.Second}
	server := start(t, options)
	options.Addr = server.Addr()
	defer func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	}()
	contract.Run(t, contract.Target{
		Addr: server.Addr(),
		Restart: func() {
			if err := server.Close(); err != nil {
				t.Fatal(err)
			}
			server = start(t, options)
		},
		DeregisterWithin: 20 * time.Second,
	})
}
