package gateway

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/suokelife/suokectl/pkg/discover"
)

// CheckLive is Check that asks Consul, too: whether it knows the services, whether an instance that is not critical has
// the tags, and, where the file names the port, whether one listens there. It fails when Consul does not answer; the
// findings of the file alone are returned even then.
func CheckLive(ctx context.Context, client *discover.Client, file string, text []byte) ([]Finding, error) {
	c := check(file, text)
	for _, s := range c.services {
		if err := c.live(ctx, client, s); err != nil {
			return Check(file, text), err
		}
	}
	return sorted(c.findings), nil
}

// wanted is what the service is looked up by: the plugin's name and tags before the host's.
func (s *service) wanted() (name string, at *node, query discover.Query) {
	query = discover.Query{Health: discover.Warning} // Consul's DNS leaves out the critical only
	if s.isConsul {
		name, at, query.Datacenter = s.named.Service, s.host, s.named.Datacenter
		if s.named.Tag != "" {
			query.Tags = []string{s.named.Tag}
		}
	}
	if s.plugin == nil {
		return name, at, query
	}
	config := s.plugin.get("config")
	if own := config.get("service_name"); own.string() != "" {
		name, at = own.text, own
	}
	if tags := config.get("tags"); tags != nil {
		for _, tag := range tags.items {
			if tag.kind == isText && !slices.Contains(query.Tags, tag.text) {
				query.Tags = append(query.Tags, tag.text)
			}
		}
	}
	return name, at, query
}

func (c *checker) live(ctx context.Context, client *discover.Client, s *service) error {
	name, at, query := s.wanted()
	if name == "" {
		return nil
	}
	instances, err := client.Instances(ctx, name, query)
	var unknown *discover.UnknownServiceError
	var none *discover.NoInstanceError
	switch {
	case errors.As(err, &unknown):
		c.report(RuleServiceUnknown, Error, at.span, "`suokectl discover services` lists them", "%s", unknown)
	case errors.As(err, &none):
		c.report(RuleNoInstance, Error, at.span, "`suokectl discover explain "+name+"` says why for each", "%s", none)
	case err != nil:
		return err
	case s.plugin == nil && !s.named.SRV:
		c.portOf(s, instances)
	}
	return nil
}

// portOf wants that somebody listens on the port which Kong dials when a plain name gives it addresses alone.
func (c *checker) portOf(s *service, instances []discover.Instance) {
	port, at := s.dialled, s.host
	if s.port != nil {
		number, err := strconv.Atoi(s.port.text)
		if err != nil {
			return // reported already
		}
		port, at = number, s.port
	}
	for _, i := range instances {
		if i.Port == port {
			return
		}
	}
	srv := s.named
	srv.SRV = true
	c.report(RulePortOfNobody, Warning, at.span, "host: "+srv.String()+", whose SRV records bring the port",
		"no instance of %s listens on port %d, where Kong's new DNS client goes; one is on %d", s.named.Service, port, instances[0].Port)
}
