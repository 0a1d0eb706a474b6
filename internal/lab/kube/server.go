package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Options of a Server. The zero value serves on a free loopback port, without authentication, with the namespace "default".
type Options struct {
	// Address to listen on, host:port. Default "127.0.0.1:0".
	Address string
	// Namespaces that exist from the start besides "default".
	Namespaces []string
	// SuspendJobs makes every new Job suspended, as a queueing system's admission webhook does.
	SuspendJobs bool
	// Deny refuses a request as the role-based authorizer would. Default: nothing is refused.
	Deny func(verb, resource, namespace string) bool
}

// A Server is a running API with its controllers. All methods are safe for concurrent use.
type Server struct {
	options  Options
	store    *store
	schemas  map[*resource]*structural
	listener net.Listener
	http     *http.Server
	stop     context.CancelFunc
	running  sync.WaitGroup
}

// Start serves until Close.
func Start(options Options) (*Server, error) {
	if options.Address == "" {
		options.Address = "127.0.0.1:0"
	}
	schemas, err := loadSchemas()
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", options.Address)
	if err != nil {
		return nil, fmt.Errorf("start the Kubernetes API: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Server{options: options, store: newStore(), schemas: schemas, listener: listener, stop: stop}
	s.http = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	for _, name := range append([]string{"default"}, options.Namespaces...) {
		s.addNamespace(name)
	}
	s.running.Go(func() { s.control(ctx) })
	s.running.Go(func() { _ = s.http.Serve(listener) }) // always ErrServerClosed, by Close
	return s, nil
}

// URL of the API, for example "http://127.0.0.1:40123".
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Config for clients of this server.
func (s *Server) Config() *rest.Config { return &rest.Config{Host: s.URL()} }

// WriteKubeconfig writes a kubeconfig file for this server, readable by its owner only.
func (s *Server) WriteKubeconfig(path string) error {
	config := clientcmdapi.NewConfig()
	config.Clusters["lab"] = &clientcmdapi.Cluster{Server: s.URL()}
	config.Contexts["lab"] = &clientcmdapi.Context{Cluster: "lab", Namespace: "default"}
	config.CurrentContext = "lab"
	content, err := clientcmd.Write(*config)
	if err != nil {
		return fmt.Errorf("write kubeconfig: %w", err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return fmt.Errorf("write kubeconfig: %w", err)
	}
	return os.Chmod(path, 0o600)
}

// Close ends all watches, stops the controllers and waits for them.
func (s *Server) Close() error {
	s.stop()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close()
	}
	s.running.Wait()
	return err
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // fails only when the client is gone
}
