package lab

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/client-go/rest"

	"github.com/suokelife/suokectl/internal/config"
	"github.com/suokelife/suokectl/internal/lab/consul"
	"github.com/suokelife/suokectl/internal/lab/kafka"
	"github.com/suokelife/suokectl/internal/lab/kube"
	"github.com/suokelife/suokectl/internal/lab/registry"
	"github.com/suokelife/suokectl/internal/lab/services"
	"github.com/suokelife/suokectl/internal/lab/state"
	"github.com/suokelife/suokectl/pkg/discover"
	"github.com/suokelife/suokectl/pkg/spec"
)

// Options say how a lab is started.
type Options struct {
	// StateDir is where the lab is found by others, see state.Dir. Required.
	StateDir string
}

// Lab is a running lab.
type Lab struct {
	context   config.Context
	endpoints map[string]string
	discover  *discover.Client
	kube      *rest.Config
	secret    []byte
	// users is the store of user-service, which also consumes events.
	users *services.Users
	// parts are closed in reverse order of their start.
	parts []io.Closer
	spec  spec.Conventions
}

// Start starts the whole world, waits until every instance's health is known
// and makes the lab known in the state folder. It returns state.ErrRunning
// when a lab of that folder runs. ctx bounds the start only.
func Start(ctx context.Context, o Options) (*Lab, error) {
	holder, err := state.Acquire(o.StateDir)
	if err != nil {
		return nil, err
	}
	l := &Lab{endpoints: map[string]string{}, spec: spec.Default()}
	l.keep(closerFunc(holder.Release))
	if err := l.start(ctx, o.StateDir); err != nil {
		return nil, errors.Join(fmt.Errorf("start the lab: %w", err), l.Close())
	}
	err = holder.Publish(state.State{
		PID: os.Getpid(), Started: time.Now(), Context: l.context, Endpoints: l.endpoints,
	})
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// Context is the configuration that reaches the lab.
func (l *Lab) Context() config.Context { return l.context }

// Close ends every part, the youngest first, and waits for them.
func (l *Lab) Close() error {
	var errs []error
	for i := len(l.parts) - 1; i >= 0; i-- {
		errs = append(errs, l.parts[i].Close())
	}
	l.parts = nil
	return errors.Join(errs...)
}

func (l *Lab) start(ctx context.Context, dir string) error {
	l.context = config.Context{Name: config.LabName, Env: env}
	for _, step := range []func(context.Context) error{
		l.startConsul, l.startKafka, l.startRegistry, l.startKube(dir),
		l.startServices(dir), l.startMesh, l.startConsumer, l.awaitHealth,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (l *Lab) startConsul(context.Context) error {
	s, err := consul.Start(consul.Options{})
	if err != nil {
		return err
	}
	l.keep(s)
	l.context.Consul.Address = s.Addr()
	l.endpoints["consul"] = s.Addr()
	l.discover, err = discover.New(discover.Config{Address: s.Addr()})
	if err != nil {
		return err
	}
	l.keep(l.discover)
	return nil
}

func (l *Lab) startKafka(context.Context) error {
	s, err := kafka.Start(kafka.Options{Topics: topics(l.spec)})
	if err != nil {
		return err
	}
	l.keep(s)
	l.context.Kafka.Brokers = s.Addrs()
	l.endpoints["kafka"] = strings.Join(s.Addrs(), ",")
	return nil
}

func (l *Lab) startRegistry(ctx context.Context) error {
	s, err := registry.Start(registry.Options{})
	if err != nil {
		return err
	}
	l.keep(s)
	l.context.Registry.URL = s.URL()
	l.endpoints["registry"] = s.URL()
	return l.registerSchema(ctx)
}

func (l *Lab) startKube(dir string) func(context.Context) error {
	return func(ctx context.Context) error {
		s, err := kube.Start(kube.Options{Namespaces: []string{clientNamespace}})
		if err != nil {
			return err
		}
		l.keep(s)
		kubeconfig := filepath.Join(dir, "kubeconfig")
		if err := s.WriteKubeconfig(kubeconfig); err != nil {
			return err
		}
		l.context.Kube = config.Kube{Config: kubeconfig, Namespace: clientNamespace}
		l.endpoints["kube"] = s.URL()
		l.kube = s.Config()
		return l.applyManifests(ctx)
	}
}

// startServices starts the demo services. The secret of their tokens is in a
// file of its own, so that the context names it by reference.
func (l *Lab) startServices(dir string) func(context.Context) error {
	return func(ctx context.Context) error {
		secret := make([]byte, 32)
		_, _ = rand.Read(secret) // it never fails
		l.secret = []byte(hex.EncodeToString(secret))
		path := filepath.Join(dir, "token-secret")
		if err := os.WriteFile(path, l.secret, 0o600); err != nil {
			return fmt.Errorf("keep the token secret: %w", err)
		}
		l.context.RPC.Transport = "direct"
		l.context.RPC.Plaintext = true
		l.context.RPC.Token = config.Token{Issuer: callerName, Secret: "${file:" + path + "}"}
		for _, i := range instances() {
			if err := l.startInstance(ctx, i); err != nil {
				return err
			}
		}
		return nil
	}
}

func (l *Lab) keep(c io.Closer) { l.parts = append(l.parts, c) }

type closerFunc func() error

func (f closerFunc) Close() error { return f() }
