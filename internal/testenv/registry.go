//go:build unix

package testenv

import (
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// RegistryVersion is the version of Apicurio Registry, the last line of it that
// runs on a JDK 17.
const RegistryVersion = "2.6.13.Final"

var (
	//go:embed registry/pom.xml
	registryPOM []byte
	//go:embed registry/sha256sums
	registrySums []byte
)

// RegistryServer is one Apicurio Registry with its storage in memory.
type RegistryServer struct {
	URL string // base of the Confluent-compatible API, without a slash at its end

	base string // http://host:port
	home string
	dir  string
	port int
	proc *process
}

// Registry starts a schema registry that lives as long as the test.
func Registry(t testing.TB) *RegistryServer {
	t.Helper()
	server, err := StartRegistry(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	tie(t, server.Stop, server.Log)
	return server
}

// StartRegistry starts a schema registry whose log is in dir. The caller stops it.
func StartRegistry(dir string) (*RegistryServer, error) {
	home, err := installRegistry()
	if err != nil {
		return nil, err
	}
	port := freePort()
	base := "http://" + loopback(port)
	server := &RegistryServer{URL: base + "/apis/ccompat/v7", base: base, home: home, dir: dir, port: port}
	return server, server.start()
}

func unpackRegistry(dir string) error {
	temp, err := os.MkdirTemp("", "suokectl-registry-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	if err := maven(temp, registryPOM, registrySums); err != nil {
		return err
	}
	archive := filepath.Join(temp, "apicurio-registry-app-"+RegistryVersion+"-all.tar.gz")
	return run(dir, nil, "tar", "-xzf", archive)
}

func (s *RegistryServer) start() error {
	cmd := exec.Command("java", "-Xmx512m", "-jar", filepath.Join(s.home, "apicurio-registry-app-"+RegistryVersion+"-runner.jar"))
	cmd.Env = append(os.Environ(), "QUARKUS_HTTP_HOST=127.0.0.1", "QUARKUS_HTTP_PORT="+strconv.Itoa(s.port))
	proc, err := launch(s.dir, "registry", cmd)
	if err != nil {
		return err
	}
	s.proc = proc
	if err := proc.awaitReady(s.probe); err != nil {
		proc.kill()
		return err
	}
	return nil
}

func (s *RegistryServer) probe(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/subjects", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", s.URL, response.Status)
	}
	return nil
}

// Restart stops the registry if it runs and starts it again on the same port, empty.
func (s *RegistryServer) Restart() error {
	s.Stop()
	return s.start()
}

// Stop shuts the registry down and waits. It may be called twice.
func (s *RegistryServer) Stop() { s.proc.stop() }

// Log returns the last lines of the registry's log.
func (s *RegistryServer) Log() []byte { return s.proc.tail() }
