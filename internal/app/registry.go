package app

import (
	"fmt"
	"path/filepath"

	"github.com/suokelife/suokectl/internal/config"
	"github.com/suokelife/suokectl/pkg/events/schema"
)

// Schemas returns the client of the context's schema registry. Nothing is dialled before it is used. That an event
// was not validated, because its topic has no subject, is said on stderr once a topic.
func (f *Factory) Schemas() (*schema.Registry, error) { return f.schemas.get(f.makeSchemas) }

func (f *Factory) makeSchemas() (*schema.Registry, error) {
	context, err := f.Context()
	if err != nil {
		return nil, err
	}
	registry := context.Registry
	if registry.URL == "" {
		return nil, f.Missing("registry.url")
	}
	conventions, err := f.Conventions()
	if err != nil {
		return nil, err
	}
	cfg := schema.Config{
		URL: registry.URL, Username: registry.Username, Password: registry.Password, Conventions: conventions,
		Unvalidated: func(topic, subject string) {
			f.IO.Infof("not validated: the registry has no subject %s for the events of %s", subject, topic)
		},
	}
	if context.Name != config.LabName { // each lab numbers its schemas anew
		if paths, err := f.Paths(); err == nil {
			cfg.CacheDir = filepath.Join(paths.Cache, "schemas")
		}
	}
	if registry.TLS.Wanted() {
		cfg.TLS, err = registry.TLS.Client().Config()
		if err != nil {
			return nil, fmt.Errorf("registry of context %q: %w", context.Name, err)
		}
	}
	client, err := schema.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("registry of context %q: %w", context.Name, err)
	}
	f.onClose(client)
	return client, nil
}
