package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/suokelife/suokectl/internal/failure"
)

// kubeTimeout bounds one request to the Kubernetes API, so that a server that
// never answers is an error and not a standstill.
const kubeTimeout = 15 * time.Second

// Cluster is the context's Kubernetes API.
type Cluster struct {
	dynamic.Interface
	// Namespace that the context works in; "" when it names none.
	Namespace string
}

// Kube returns a client of the context's cluster. It dials nothing. A stray
// KUBECONFIG fills only what the context leaves empty.
func (f *Factory) Kube() (*Cluster, error) { return f.kube.get(f.makeKube) }

func (f *Factory) makeKube() (*Cluster, error) {
	context, err := f.Context()
	if err != nil {
		return nil, err
	}
	settings := context.Kube
	if settings.Config == "" {
		return nil, f.Missing("kube.config")
	}
	config, namespace, err := loadKubeconfig(settings.Config, settings.Context)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig %s: %w", settings.Config, err)
	}
	if settings.Namespace != "" {
		namespace = settings.Namespace
	}
	config.QPS, config.Burst = 50, 100 // client-go's default of 5 would be felt
	config.Timeout = kubeTimeout
	config.UserAgent = "suokectl/" + f.Version
	config.WarningHandler = rest.NoWarnings{}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("reach the cluster of kubeconfig %s: %w", settings.Config, err)
	}
	return &Cluster{Interface: client, Namespace: namespace}, nil
}

// loadKubeconfig reads one file, or several as KUBECONFIG lists them, and
// returns the configuration and the namespace of one of its contexts; "" is
// the current one.
func loadKubeconfig(paths, name string) (*rest.Config, string, error) {
	rules := &clientcmd.ClientConfigLoadingRules{Precedence: filepath.SplitList(paths)}
	if len(rules.Precedence) == 1 {
		rules.ExplicitPath = paths // must exist
	}
	loaded, err := rules.Load()
	if errors.Is(err, os.ErrNotExist) {
		return nil, "", failure.WithHint(err, "`suokectl config view --show-origin` says where the path comes from")
	}
	if err != nil {
		return nil, "", err
	}
	client := clientcmd.NewNonInteractiveClientConfig(*loaded, name, &clientcmd.ConfigOverrides{}, rules)
	config, err := client.ClientConfig()
	if err != nil {
		return nil, "", err
	}
	namespace := ""
	if name == "" {
		name = loaded.CurrentContext
	}
	if chosen := loaded.Contexts[name]; chosen != nil {
		namespace = chosen.Namespace
	}
	return config, namespace, nil
}
