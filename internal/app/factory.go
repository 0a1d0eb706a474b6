// Package app is what commands are made with: lazy, cached access to the
// streams, the context, the conventions and the clients. Nothing is read or
// dialled before a command asks for it, so that `suokectl version` costs
// nothing.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/suokelife/suokectl/internal/config"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/lab/state"
	"github.com/suokelife/suokectl/pkg/spec"
)

// Factory makes what commands depend on. Its methods may be called from
// several goroutines; each thing is made once.
type Factory struct {
	IO *iostreams.IOStreams
	// Version is the program's, as x-client-version and `version` say it.
	Version string
	// Getenv reads the environment.
	Getenv func(string) string
	// Dir is the working folder, from which suokectl.yaml is searched upward.
	Dir string

	// ContextName is --context.
	ContextName string
	// Verbose is how often -v was given.
	Verbose int
	// ConfirmName is --confirm.
	ConfirmName string
	// KafkaProperties are -X of `events`, each NAME=VALUE.
	KafkaProperties []string

	resolved    once[*config.Resolved]
	conventions once[spec.Conventions]
	areas
	closers
}

// New returns a factory for the process's own environment.
func New(io *iostreams.IOStreams, version string) (*Factory, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("find the working folder: %w", err)
	}
	return &Factory{IO: io, Version: version, Getenv: os.Getenv, Dir: dir}, nil
}

// Paths returns the program's folders.
func (f *Factory) Paths() (config.Paths, error) { return config.FindPaths(f.Getenv) }

// ConfigSource returns what the context is resolved from.
func (f *Factory) ConfigSource() (*config.Source, error) {
	paths, err := f.Paths()
	if err != nil {
		return nil, err
	}
	file, err := config.Load(paths.ConfigFile())
	if err != nil {
		return nil, failure.WithHint(err, "mend the file there; `suokectl config set-context --help` lists the keys of a context")
	}
	lab, err := state.Load(state.Dir(paths))
	if err != nil {
		return nil, err
	}
	s := &config.Source{File: file, Flag: f.ContextName, Getenv: f.Getenv}
	if lab != nil {
		s.Lab = &lab.Context
		s.Lab.Name = config.LabName
	}
	return s, nil
}

// Context returns the resolved context. Its errors carry a hint.
func (f *Factory) Context() (*config.Context, error) {
	r, err := f.resolved.get(f.resolve)
	if err != nil {
		return nil, err
	}
	return &r.Context, nil
}

func (f *Factory) resolve() (*config.Resolved, error) {
	source, err := f.ConfigSource()
	if err != nil {
		return nil, err
	}
	r, err := source.Resolve(context.Background())
	var unknown *config.UnknownContextError
	switch {
	case errors.Is(err, config.ErrNoContext):
		return nil, failure.WithHint(err, "start one with `suokectl lab up --detach`, or describe yours: `suokectl config set-context NAME consul.address=…`")
	case errors.As(err, &unknown) && unknown.Name == config.LabName:
		return nil, failure.WithHint(err, "the lab is not running: `suokectl lab up --detach` starts it")
	case errors.As(err, &unknown):
		return nil, failure.WithHint(err, "`suokectl config get-contexts` lists them")
	}
	return r, err
}

// Conventions returns the repository's conventions, or the specification's.
func (f *Factory) Conventions() (spec.Conventions, error) {
	return f.conventions.get(func() (spec.Conventions, error) {
		return config.LoadConventions(config.FindConventions(f.Dir))
	})
}

// Missing is the error of a command that needs a setting which has no value.
func (f *Factory) Missing(key string) error {
	name := "the context"
	if c, err := f.Context(); err == nil && c.Name != "" {
		name = fmt.Sprintf("context %q", c.Name)
	}
	setting, _ := config.FindSetting(key)
	return failure.WithHint(fmt.Errorf("%s has no %s", name, key),
		fmt.Sprintf("set it: `suokectl config set-context NAME %s=…`, or %s", key, setting.Variable()))
}

// once is a value that is made at its first use and kept, error included.
type once[T any] struct {
	once  sync.Once
	value T
	err   error
}

func (o *once[T]) get(make func() (T, error)) (T, error) {
	o.once.Do(func() { o.value, o.err = make() })
	return o.value, o.err
}

// closers are the clients to close when the command is done.
type closers struct {
	mu   sync.Mutex
	list []io.Closer
}

// onClose has c closed by Close. Areas call it for each client they make.
func (c *closers) onClose(closer io.Closer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, closer)
}

// Close closes every client that was made, the youngest first.
func (c *closers) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for i := len(c.list) - 1; i >= 0; i-- {
		errs = append(errs, c.list[i].Close())
	}
	c.list = nil
	return errors.Join(errs...)
}
