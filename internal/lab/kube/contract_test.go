package kube_test

import (
	"testing"

	"go.uber.org/goleak"

	contract "github.com/suokelife/suokectl/internal/contract/kube"
	"github.com/suokelife/suokectl/internal/lab/kube"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	t.Parallel()
	server := start(t, kube.Options{})
	contract.Run(t, server.Config())
}

func start(t *testing.T, options kube.Options) *kube.Server {
	t.Helper()
	server, err := kube.Start(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return server
}
