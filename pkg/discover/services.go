package discover

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"
)

// Service is a name in the catalogue with what its instances have.
type Service struct {
	Name      string   `json:"name"`
	Instances int      `json:"instances"`
	Passing   int      `json:"passing"`
	Warning   int      `json:"warning"`
	Critical  int      `json:"critical"` // in maintenance included
	Versions  []string `json:"versions"`
	Tags      []string `json:"tags"`
}

// parallel is how many services are asked for at a time.
const parallel = 16

// Names returns the names of all services, sorted, in one request.
func (c *Client) Names(ctx context.Context) ([]string, error) {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	return c.names(ctx, Query{})
}

func (c *Client) names(ctx context.Context, q Query) ([]string, error) {
	services, meta, err := c.consul.Catalog().Services(c.options(ctx, q))
	if err != nil {
		return nil, c.failed(err, "list the services")
	}
	if err := c.hidden(meta, len(services), "list the services"); err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(services)), nil
}

// Services returns every service with the health, versions and tags of its instances, sorted by name. It asks once
// for the names and once for each of them. A service that goes away meanwhile is left out.
func (c *Client) Services(ctx context.Context) ([]Service, error) {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	names, err := c.names(ctx, Query{})
	if err != nil {
		return nil, err
	}
	list := make([]Service, len(names))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i, name := range names {
		group.Go(func() error {
			known, _, err := c.read(ctx, name, Query{}, 0)
			list[i] = summarise(name, known)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(s Service) bool { return s.Instances == 0 }), nil
}

// Service returns one service as Services does. One that nobody has registered is an *UnknownServiceError.
func (c *Client) Service(ctx context.Context, name string) (Service, error) {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	known, _, err := c.read(ctx, name, Query{}, 0)
	switch {
	case err != nil:
		return Service{}, err
	case len(known) == 0:
		return Service{}, c.unknown(ctx, name, Query{})
	}
	return summarise(name, known), nil
}

func summarise(name string, known []Instance) Service {
	s := Service{Name: name, Instances: len(known), Versions: []string{}, Tags: []string{}}
	for _, instance := range known {
		switch instance.Health {
		case Passing:
			s.Passing++
		case Warning:
			s.Warning++
		default:
			s.Critical++
		}
		if instance.Version != "" {
			s.Versions = append(s.Versions, instance.Version)
		}
		s.Tags = append(s.Tags, instance.Tags...)
	}
	slices.Sort(s.Versions)
	slices.Sort(s.Tags)
	s.Versions, s.Tags = slices.Compact(s.Versions), slices.Compact(s.Tags)
	return s
}

// UnknownServiceError is returned when nobody has registered a service of that name.
type UnknownServiceError struct {
	Service string
	Similar []string // names in the catalogue that may have been meant, the most similar first
	Known   int      // how many services there are
}

// Is tells that the error is an ErrNoInstance.
func (e *UnknownServiceError) Is(target error) bool { return target == ErrNoInstance }

// Error names the service and what may have been meant.
func (e *UnknownServiceError) Error() string {
	text := fmt.Sprintf("Consul knows no service %s", e.Service)
	if len(e.Similar) > 0 {
		return text + "; did you mean " + listOr(e.Similar, "") + "?"
	}
	return fmt.Sprintf("%s among its %d", text, e.Known)
}

// unknown makes the error for a service without instances.
func (c *Client) unknown(ctx context.Context, name string, q Query) error {
	names, err := c.names(ctx, q)
	if err != nil {
		return err
	}
	return &UnknownServiceError{Service: name, Similar: similar(name, names), Known: len(names)}
}
