//go:build unix

package conformance

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/suokelife/suokectl/internal/testenv"
)

// The engines that most tests share. Each starts when a test first asks for it;
// a test that stops or restarts an engine starts one of its own by testenv.
var (
	sharedKafka    = engine[*testenv.KafkaServer]{name: "kafka", start: testenv.StartKafka}
	sharedRegistry = engine[*testenv.RegistryServer]{name: "registry", start: testenv.StartRegistry}
	sharedConsul   = engine[*testenv.ConsulServer]{name: "consul", start: func(dir string) (*testenv.ConsulServer, error) { return testenv.StartConsul(dir) }}
	sharedPostgres = engine[*testenv.PostgresServer]{name: "postgres", start: testenv.StartPostgres}
	sharedKube     = engine[*testenv.KubeServer]{name: "kube", start: testenv.StartKube}
)

func TestMain(m *testing.M) {
	if isInstance() {
		serveInstance() // and nothing else: this process is no test
		return
	}
	logFatally()
	dir, err := os.MkdirTemp("", "suokectl-conformance-")
	if err != nil {
		panic(err)
	}
	dataDir = dir
	code := m.Run()
	for _, stop := range []func(){sharedKafka.stop, sharedRegistry.stop, sharedConsul.stop, sharedPostgres.stop, sharedKube.stop} {
		stop()
	}
	if code == 0 {
		err = os.RemoveAll(dir)
	} else {
		println("the engines' logs are kept in", dir)
	}
	if err != nil {
		panic(err)
	}
	os.Exit(code)
}

// dataDir holds a folder for each shared engine.
var dataDir string

// engine is started once and stopped by TestMain.
type engine[S interface {
	Stop()
	Log() []byte
}] struct {
	name   string
	start  func(dir string) (S, error)
	once   sync.Once
	server S
	err    error
	up     bool
}

// get returns the shared engine; the end of its log is shown when t fails.
func (e *engine[S]) get(t testing.TB) S {
	t.Helper()
	e.once.Do(func() {
		dir := filepath.Join(dataDir, e.name)
		if e.err = os.Mkdir(dir, 0o700); e.err == nil {
			e.server, e.err = e.start(dir)
			e.up = e.err == nil
		}
	})
	if e.err != nil {
		t.Fatal(e.err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("end of the shared %s's log:\n%s", e.name, e.server.Log())
		}
	})
	return e.server
}

func (e *engine[S]) stop() {
	if e.up {
		e.server.Stop()
	}
}
