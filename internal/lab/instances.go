package lab

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/suokelife/suokectl/internal/lab/services"
)

// startInstance starts one instance of a demo service and registers it, with
// a health check that really calls it.
func (l *Lab) startInstance(ctx context.Context, i instance) error {
	address, err := l.serve(i)
	if err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	client, err := api.NewClient(&api.Config{Address: l.context.Consul.Address})
	if err != nil {
		return err
	}
	return client.Agent().ServiceRegisterOpts(&api.AgentServiceRegistration{
		ID: fmt.Sprintf("%s-%s-%d", i.service, host, number), Name: i.service, Tags: i.tags, Address: host, Port: number,
		Meta:  map[string]string{"version": i.version, "team": "lab"},
		Check: &api.AgentServiceCheck{GRPC: address, Interval: checkInterval.String(), Timeout: "1s"},
	}, api.ServiceRegisterOpts{}.WithContext(ctx))
}

// serve returns where the instance is. That of a dead one was given back.
func (l *Lab) serve(i instance) (string, error) {
	if i.dead {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", err
		}
		return listener.Addr().String(), listener.Close()
	}
	s, err := services.Start(services.Options{Name: i.service, Version: i.version, Secret: l.secret, Flaky: i.flaky})
	if err != nil {
		return "", err
	}
	l.keep(s)
	if s.Users != nil {
		l.users = s.Users
	}
	return s.Addr(), nil
}

// awaitHealth waits until every living instance passes its check.
func (l *Lab) awaitHealth(ctx context.Context) error {
	client, err := api.NewClient(&api.Config{Address: l.context.Consul.Address})
	if err != nil {
		return err
	}
	for _, i := range instances() {
		if err := awaitPassing(ctx, client, i.service, living(i.service)); err != nil {
			return err
		}
	}
	return nil
}

func living(service string) (count int) {
	for _, i := range instances() {
		if i.service == service && !i.dead {
			count++
		}
	}
	return count
}

func awaitPassing(ctx context.Context, client *api.Client, service string, want int) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	q := (&api.QueryOptions{WaitTime: 10 * time.Second}).WithContext(ctx)
	for {
		entries, meta, err := client.Health().Service(service, "", true, q)
		if err != nil {
			return fmt.Errorf("wait for %s: %w", service, err)
		}
		if len(entries) >= want {
			return nil
		}
		q.WaitIndex = meta.LastIndex
	}
}
