package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/suokelife/suokectl/internal/lab/services"
	"github.com/suokelife/suokectl/pkg/discover"
)

// healthTimeout bounds how long the start waits for the first health checks.
const healthTimeout = 10 * time.Second

// startInstance starts one instance of a demo service and registers it, with
// a health check that really calls it.
func (l *Lab) startInstance(ctx context.Context, i instance) error {
	address, err := l.serve(ctx, i)
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
	_, err = l.discover.Register(ctx, discover.Registration{
		Name: i.service, Version: i.version, Address: host, Port: number, Tags: i.tags,
		Meta:            map[string]string{"team": "lab"},
		Checks:          []discover.CheckConfig{{GRPC: address, Interval: checkInterval, Timeout: time.Second}},
		DeregisterAfter: -1, // the dead instance stays for all to see
	})
	return err
}

// serve returns where the instance is.
func (l *Lab) serve(ctx context.Context, i instance) (string, error) {
	if i.dead {
		v, err := holdVacant(ctx)
		if err != nil {
			return "", err
		}
		l.keep(v)
		return v.Addr(), nil
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
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	living := map[string]int{}
	for _, i := range instances() {
		if !i.dead {
			living[i.service]++
		}
	}
	for service, want := range living {
		if err := l.awaitPassing(ctx, service, want); err != nil {
			return fmt.Errorf("wait for %d healthy instances of %s: %w", want, service, err)
		}
	}
	return nil
}

func (l *Lab) awaitPassing(ctx context.Context, service string, want int) error {
	for update := range l.discover.Watch(ctx, service, discover.Query{}) {
		if update.Err != nil {
			return update.Err
		}
		if len(update.Instances) >= want {
			return nil
		}
	}
	return errors.Join(errors.New("they did not pass in time"), ctx.Err())
}
