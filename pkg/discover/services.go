package discover

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// Service is a name in the catalogue with what its instances have.
type Service struct {
	Name string `json:"name"`
	Counts
	Versions  []string          `json:"versions"`
	Tags      []string          `json:"tags"`
	ByVersion map[string]Counts `json:"by_version"` // instances without a version are under the empty one
	ByTag     map[string]Counts `json:"by_tag"`
}

// Counts are how many instances there are, and how many of them are in which health.
type Counts struct {
	Instances int `json:"instances"`
	Passing   int `json:"passing"`
	Warning   int `json:"warning"`
	Critical  int `json:"critical"` // in maintenance included
}

func (c Counts) with(health Health) Counts {
	c.Instances++
	switch health {
	case Passing:
		c.Passing++
	case Warning:
		c.Warning++
	default:
		c.Critical++
	}
	return c
}

// Names returns the names of all services, sorted, in one request.
func (c *Client) Names(ctx context.Context) ([]string, error) { return c.names(ctx, Query{}) }

func (c *Client) names(ctx context.Context, q Query) ([]string, error) {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	services, meta, err := c.consul.Catalog().Services(c.options(ctx, q))
	if err != nil {
		return nil, c.failed(err, "list the services")
	}
	if err := c.hidden(meta, len(services), "list the services"); err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(services)), nil
}

// Services returns every service with the health, versions and tags of its instances, sorted by name. Only instances
// that the query lets in are counted, whatever their health, and a service without any is left out. It takes three
// requests and one for each node, or one for each service when these are fewer, or when the query has a filter.
func (c *Client) Services(ctx context.Context, q Query) ([]Service, error) {
	all, err := c.everything(ctx, q)
	if err != nil {
		return nil, err
	}
	q.Health = Any
	byName := map[string][]Instance{}
	for _, instance := range q.filter(all) {
		byName[instance.Name] = append(byName[instance.Name], instance)
	}
	list := make([]Service, 0, len(byName))
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		list = append(list, summarise(name, byName[name]))
	}
	return list, nil
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
	s := Service{Name: name, ByVersion: map[string]Counts{}, ByTag: map[string]Counts{}}
	for _, instance := range known {
		s.Counts = s.with(instance.Health)
		s.ByVersion[instance.Version] = s.ByVersion[instance.Version].with(instance.Health)
		for _, tag := range slices.Compact(slices.Sorted(slices.Values(instance.Tags))) {
			s.ByTag[tag] = s.ByTag[tag].with(instance.Health)
		}
	}
	s.Versions, s.Tags = Versions(known), slices.Sorted(maps.Keys(s.ByTag))
	if s.Versions == nil {
		s.Versions = []string{}
	}
	if s.Tags == nil {
		s.Tags = []string{}
	}
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
