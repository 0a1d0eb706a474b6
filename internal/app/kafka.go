package app

import (
	"fmt"
	"net/url"
	"path/filepath"

	"github.com/suokelife/suokectl/internal/config"
	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/events/spool"
)

// Events returns the client of the context's Kafka cluster. Nothing is dialled
// before it is used.
func (f *Factory) Events() (*events.Client, error) { return f.events.get(f.makeEvents) }

func (f *Factory) makeEvents() (*events.Client, error) {
	context, err := f.Context()
	if err != nil {
		return nil, err
	}
	if len(context.Kafka.Brokers) == 0 {
		return nil, f.Missing("kafka.brokers")
	}
	conventions, err := f.Conventions()
	if err != nil {
		return nil, err
	}
	cfg := events.Config{Brokers: context.Kafka.Brokers, Conventions: &conventions}
	if err := secureKafka(&cfg, context.Kafka); err != nil {
		return nil, fmt.Errorf("kafka of context %q: %w", context.Name, err)
	}
	client, err := events.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("kafka of context %q: %w", context.Name, err)
	}
	f.onClose(client)
	return client, nil
}

func secureKafka(cfg *events.Config, k config.Kafka) (err error) {
	if k.TLS.Wanted() {
		cfg.TLS, err = k.TLS.Client().Config()
	}
	if s := k.SASL; s.Mechanism != "" {
		cfg.SASL = &events.SASL{Mechanism: s.Mechanism, Username: s.Username, Password: s.Password}
	}
	return err
}

// Spool opens the spool of the context's Kafka cluster, in which events are
// kept that no broker has acknowledged. The caller closes it.
func (f *Factory) Spool() (*spool.Spool, error) {
	context, err := f.Context()
	if err != nil {
		return nil, err
	}
	paths, err := f.Paths()
	if err != nil {
		return nil, err
	}
	return spool.Open(filepath.Join(paths.State, "spool", "kafka-"+url.PathEscape(context.Name)), spool.Options{})
}
