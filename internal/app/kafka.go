package app

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/suokelife/suokectl/internal/config"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/events/spool"
)

// Events returns the client of the context's Kafka cluster. Nothing is dialled
// before it is used.
func (f *Factory) Events() (*events.Client, error) { return f.events.get(f.makeEvents) }

func (f *Factory) makeEvents() (*events.Client, error) {
	c, err := f.Context()
	if err != nil {
		return nil, err
	}
	conventions, err := f.Conventions()
	if err != nil {
		return nil, err
	}
	kafka, err := f.kafkaClient(c)
	if err != nil {
		return nil, err
	}
	if len(kafka.Brokers) == 0 {
		return nil, f.Missing("kafka.brokers")
	}
	cfg := events.Config{
		Brokers: kafka.Brokers, Conventions: &conventions, ClientID: kafka.ClientID, Rack: kafka.Rack,
		DialTimeout: kafka.DialTimeout, RequestTimeout: kafka.RequestTimeout, IdleTimeout: kafka.IdleTimeout,
		Fetch: events.Fetch{
			MinBytes: kafka.Fetch.MinBytes, MaxWait: kafka.Fetch.MaxWait,
			MaxBytes: kafka.Fetch.MaxBytes, MaxPartitionBytes: kafka.Fetch.MaxPartitionBytes,
		},
	}
	if err := secureKafka(&cfg, kafka); err != nil {
		return nil, fmt.Errorf("kafka of context %q: %w", c.Name, err)
	}
	client, err := events.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("kafka of context %q: %w", c.Name, err)
	}
	f.onClose(client)
	return client, nil
}

// kafkaClient puts the properties of -X over what the context says.
func (f *Factory) kafkaClient(c *config.Context) (config.KafkaClient, error) {
	typed, err := f.typedProperties()
	if err != nil {
		return config.KafkaClient{}, err
	}
	kafka, err := c.Kafka.Client(typed)
	var wrong *config.PropertyError
	if !errors.As(err, &wrong) {
		return kafka, err
	}
	if _, ours := typed[wrong.Name]; ours {
		err = failure.Usagef("-X: %w", err)
	} else {
		err = fmt.Errorf("kafka.properties of context %q: %w", c.Name, err)
	}
	if wrong.Hint != "" {
		err = failure.WithHint(err, wrong.Hint)
	}
	return kafka, err
}

// typedProperties reads -X. A secret in it would be seen by everybody on the
// machine, and kept by the shell: only references to one are taken.
func (f *Factory) typedProperties() (map[string]string, error) {
	properties := make(map[string]string, len(f.KafkaProperties))
	x := config.Expander{Getenv: f.Getenv}
	for _, text := range f.KafkaProperties {
		name, value, ok := strings.Cut(text, "=")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return nil, failure.WithHint(failure.Usagef("-X %q is not NAME=VALUE", text), "for example -X security.protocol=ssl; known are "+strings.Join(config.PropertyNames(), ", "))
		}
		if config.IsSecretProperty(name) && !config.IsReference(value) {
			return nil, failure.WithHint(failure.Usagef("-X %s: a secret is not typed on the command line, where others can read it", name),
				"refer to it: -X '"+name+"=${env:KAFKA_SECRET}' or -X '"+name+"=${file:/path}'")
		}
		expanded, err := x.Expand(context.Background(), value)
		if err != nil {
			return nil, failure.Usagef("-X %s: %w", name, err)
		}
		properties[name] = expanded
	}
	return properties, nil
}

func secureKafka(cfg *events.Config, k config.KafkaClient) (err error) {
	if k.TLS.Wanted() {
		if cfg.TLS, err = k.TLS.Client().Config(); err != nil {
			return err
		}
	}
	s := k.SASL
	if s.Mechanism == "" {
		return nil
	}
	cfg.SASL = &events.SASL{Mechanism: s.Mechanism, Username: s.Username, Password: s.Password}
	switch {
	case s.Token != "":
		cfg.SASL.Token = func(context.Context) (string, error) { return s.Token, nil }
	case s.TokenFile != "":
		cfg.SASL.Token = events.TokenFile(s.TokenFile)
	case s.TokenURL != "":
		cfg.SASL.Token = (&events.ClientCredentials{URL: s.TokenURL, ClientID: s.ClientID, ClientSecret: s.ClientSecret, Scope: s.Scope}).Token
	}
	return nil
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
