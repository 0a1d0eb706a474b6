package app

import (
	"cmp"
	"path/filepath"
	"strings"

	"github.com/suokelife/suokectl/pkg/discover"
)

// ConsulScope is the part of Consul that a command asks about; what is empty is the context's.
type ConsulScope struct{ Datacenter, Namespace, Partition string }

// Discover returns the client of the context's Consul.
func (f *Factory) Discover() (*discover.Client, error) { return f.discover.get(f.makeDiscover) }

func (f *Factory) makeDiscover() (*discover.Client, error) {
	context, err := f.Context()
	if err != nil {
		return nil, err
	}
	consul := context.Consul
	consul.Datacenter = cmp.Or(f.Scope.Datacenter, consul.Datacenter)
	consul.Namespace = cmp.Or(f.Scope.Namespace, consul.Namespace)
	consul.Partition = cmp.Or(f.Scope.Partition, consul.Partition)
	if consul.Address == "" {
		return nil, f.Missing("consul.address")
	}
	paths, err := f.Paths()
	if err != nil {
		return nil, err
	}
	config := discover.Config{
		Address: consul.Address, Token: consul.Token, Datacenter: consul.Datacenter,
		Namespace: consul.Namespace, Partition: consul.Partition, CacheDir: filepath.Join(paths.Cache, "discover"),
	}
	config.Username, config.Password, _ = strings.Cut(consul.Auth, ":")
	if t := consul.TLS; t.Enabled || strings.HasPrefix(consul.Address, "https://") {
		config.TLS = &discover.TLS{CA: t.CA, CAPath: consul.CAPath, Cert: t.Cert, Key: t.Key, ServerName: t.ServerName, Insecure: t.Insecure}
	}
	client, err := discover.New(config)
	if err != nil {
		return nil, err
	}
	f.onClose(client)
	return client, nil
}
