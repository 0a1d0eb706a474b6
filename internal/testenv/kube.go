//go:build unix

package testenv

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// KubeVersion is the version of the API server and the controller manager.
const KubeVersion = "1.34.1"

// controllers are those that a podless Job and its dependents need.
const controllers = "job-controller,ttl-after-finished-controller,garbage-collector-controller,namespace-controller,resourcequota-controller"

// adminToken may do everything (group system:masters).
const adminToken = "suokectl-admin"

// KubeServer is a Kubernetes control plane without nodes: etcd, the API server
// with RBAC, and the controller manager with the controllers that delete.
// Istio's networking and security resources are defined in it.
type KubeServer struct {
	Kubeconfig string // path of a file whose only context is an administrator's

	bin, dir   string
	port       int
	etcd       *process
	apiserver  *process
	controller *process
}

// Kube starts a control plane that lives as long as the test.
func Kube(t testing.TB) *KubeServer {
	t.Helper()
	server, err := StartKube(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	tie(t, server.Stop, server.Log)
	return server
}

// StartKube starts a control plane which keeps everything in dir. The caller stops it.
func StartKube(dir string) (*KubeServer, error) {
	bin, err := installKube()
	if err != nil {
		return nil, err
	}
	s := &KubeServer{Kubeconfig: filepath.Join(dir, "kubeconfig"), bin: bin, dir: dir, port: freePort()}
	// The garbage collector looks for new resources every 30 s only: those that it shall collect are defined before it starts.
	for _, step := range []func() error{s.writeFiles, s.startEtcd, s.startAPIServer, s.defineIstio, s.StartControllerManager} {
		if err := step(); err != nil {
			s.Stop()
			return nil, fmt.Errorf("start kubernetes: %w", err)
		}
	}
	return s, nil
}

func buildKube(dir string) error {
	const version = "-X k8s.io/component-base/version."
	flags := []string{version + "gitVersion=v" + KubeVersion, version + "gitMajor=1", version + "gitMinor=34"}
	return errors.Join(
		goBuild(dir, "kube", "etcd", "go.etcd.io/etcd/server/v3"),
		goBuild(dir, "kube", "kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver", flags...),
		goBuild(dir, "kube", "kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager", flags...),
	)
}

// Config returns a client configuration with an administrator's rights.
func (s *KubeServer) Config() (*rest.Config, error) {
	return clientcmd.BuildConfigFromFlags("", s.Kubeconfig)
}

func (s *KubeServer) path(name string) string { return filepath.Join(s.dir, name) }

// writeFiles makes the administrator's token, the key that signs the tokens of
// service accounts, and the kubeconfig.
func (s *KubeServer) writeFiles() error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(s.path("sa.key"), pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}), 0o600),
		os.WriteFile(s.path("sa.pub"), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), 0o600),
		os.WriteFile(s.path("tokens.csv"), []byte(adminToken+`,admin,1,"system:masters"`+"\n"), 0o600),
		s.writeKubeconfig(),
	)
}

// writeKubeconfig trusts whatever certificate the API server has made for
// itself: it is another one with every start, and this is loopback.
func (s *KubeServer) writeKubeconfig() error {
	const name = "testenv"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: "https://" + loopback(s.port), InsecureSkipTLSVerify: true}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{Token: adminToken}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = name
	return clientcmd.WriteToFile(*config, s.Kubeconfig)
}

func (s *KubeServer) startEtcd() error {
	client, peer := "http://"+loopback(freePort()), "http://"+loopback(freePort())
	if err := os.WriteFile(s.path("etcd.url"), []byte(client), 0o600); err != nil {
		return err
	}
	proc, err := launch(s.dir, "etcd", exec.Command(filepath.Join(s.bin, "etcd"),
		"--data-dir", s.path("etcd"), "--unsafe-no-fsync",
		"--listen-client-urls", client, "--advertise-client-urls", client,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default="+peer))
	if err != nil {
		return err
	}
	s.etcd = proc
	return proc.awaitReady(func(ctx context.Context) error { return healthy(ctx, http.DefaultClient, client+"/health") })
}

func (s *KubeServer) startAPIServer() error {
	etcd, err := os.ReadFile(s.path("etcd.url"))
	if err != nil {
		return err
	}
	proc, err := launch(s.dir, "kube-apiserver", exec.Command(filepath.Join(s.bin, "kube-apiserver"),
		"--etcd-servers", string(etcd), "--secure-port", strconv.Itoa(s.port), "--bind-address", "127.0.0.1",
		"--cert-dir", s.path("certificates"), "--token-auth-file", s.path("tokens.csv"), "--authorization-mode", "RBAC",
		"--service-account-key-file", s.path("sa.pub"), "--service-account-signing-key-file", s.path("sa.key"),
		"--service-account-issuer", "https://kubernetes.default.svc", "--service-cluster-ip-range", "10.0.0.0/24",
		"--disable-admission-plugins", "ServiceAccount"))
	if err != nil {
		return err
	}
	s.apiserver = proc
	config, err := s.Config()
	if err != nil {
		return err
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	return proc.awaitReady(func(ctx context.Context) error { return healthy(ctx, client, config.Host+"/readyz") })
}

// StartControllerManager starts the controllers, at the beginning or after
// StopControllerManager.
func (s *KubeServer) StartControllerManager() error {
	port := freePort()
	proc, err := launch(s.dir, "kube-controller-manager", exec.Command(filepath.Join(s.bin, "kube-controller-manager"),
		"--kubeconfig", s.Kubeconfig, "--controllers", controllers, "--leader-elect=false",
		"--bind-address", "127.0.0.1", "--secure-port", strconv.Itoa(port), "--cert-dir", s.path("certificates"),
		"--authorization-always-allow-paths", "/healthz"))
	if err != nil {
		return err
	}
	s.controller = proc
	client, err := rest.HTTPClientFor(&rest.Config{TLSClientConfig: rest.TLSClientConfig{Insecure: true}})
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	return proc.awaitReady(func(ctx context.Context) error { return healthy(ctx, client, "https://"+loopback(port)+"/healthz") })
}

// StopControllerManager ends the controllers and waits: nothing is deleted from then on.
func (s *KubeServer) StopControllerManager() { s.controller.stop() }

// Stop shuts everything down and waits. It may be called twice.
func (s *KubeServer) Stop() {
	for _, proc := range []*process{s.controller, s.apiserver, s.etcd} {
		if proc != nil {
			proc.stop()
		}
	}
}

// Log returns the last lines of each process's log.
func (s *KubeServer) Log() []byte {
	var text []byte
	for _, proc := range []*process{s.etcd, s.apiserver, s.controller} {
		if proc != nil {
			text = fmt.Appendf(text, "--- %s\n%s\n", proc.name, proc.tail())
		}
	}
	return text
}

// healthy asks url and takes 200 for an answer.
func healthy(ctx context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, response.Status)
	}
	return nil
}
