package gateway

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/suokelife/suokectl/pkg/spec"
)

// service is what was understood of a service of the file.
type service struct {
	node      *node
	name      string
	host      *node // where the host is said, which may be in a url
	hostName  string
	port      *node
	dialled   int  // the port that Kong takes when none is said
	named     Host // when isConsul
	isConsul  bool
	elsewhere bool // the host is of another domain
	routed    bool
	plugin    *node // consul-discovery's
}

func (c *checker) service(n *node) {
	s := &service{node: n, host: n.get("host"), port: n.get("port"), dialled: defaultPort, name: n.get("name").string()}
	c.services = append(c.services, s)
	if s.name != "" {
		c.byName[s.name] = s
	}
	c.unique("service", n.get("name"))
	c.address(s)
	c.serviceProtocol(n)
	c.numbers(n)
	for _, route := range c.list(n.get("routes"), "a route", routeKeys) {
		c.route(route, s)
	}
	for _, plugin := range c.list(n.get("plugins"), "a plugin", pluginKeys) {
		c.plugin(plugin, s)
	}
}

// address finds out what the service's host means.
func (c *checker) address(s *service) {
	whole := s.node.get("url")
	switch {
	case whole.string() == "" && s.host.string() == "":
		c.report(RuleHostMissing, Error, s.node.span, "host: "+example(s.name), "the service%s has neither host nor url", spaced(s.name))
		return
	case whole.string() != "" && s.host != nil:
		c.report(RuleHostTwice, Warning, whole.span, "keep one of them", "url overrides the service's host, port, protocol and path")
	}
	s.hostName = s.host.string()
	if whole.string() != "" && !c.fromURL(s, whole) {
		return
	}
	host, err := ParseHost(s.hostName)
	switch {
	case err == nil:
		s.named, s.isConsul = host, true
	case errors.Is(err, ErrNotConsul):
		s.elsewhere = true
	default:
		c.report(RuleHostMalformed, Error, s.host.span, "host: "+example(s.name), "Consul's DNS does not answer for this host: %s", err)
	}
}

// fromURL takes host and port from the shorthand. It tells whether there is a host.
func (c *checker) fromURL(s *service, whole *node) bool {
	parsed, err := url.Parse(whole.text)
	if err != nil || parsed.Hostname() == "" {
		c.report(RuleHostMissing, Error, whole.span, "url: http://"+example(s.name), "%s is no URL with a host", whole.describe())
		return false
	}
	s.host, s.hostName = whole, parsed.Hostname()
	if port := parsed.Port(); port != "" {
		s.port = &node{span: whole.span, kind: isInteger, text: port}
	} else if parsed.Scheme == "https" {
		s.dialled = httpsPort
	}
	return true
}

func example(name string) string {
	if name == "" {
		name = "NAME"
	}
	return Host{Service: name}.String()
}

func spaced(name string) string {
	if name == "" {
		return ""
	}
	return " " + name
}

var (
	streams   = []string{"tcp", "tls", "udp", "tls_passthrough"}
	protocols = append([]string{"http", "https", "grpc", "grpcs", "ws", "wss"}, streams...)
)

func (c *checker) serviceProtocol(n *node) {
	protocol, path := n.get("protocol"), n.get("path")
	known := slices.DeleteFunc(slices.Clone(protocols), func(p string) bool { return p == "tls_passthrough" })
	if text := protocol.string(); text != "" && !slices.Contains(known, text) {
		c.unknownProtocol(protocol, known)
	}
	if path.string() == "" {
		return
	}
	switch family := familyOf(protocol.string()); {
	case !strings.HasPrefix(path.text, "/"):
		c.report(RulePath, Error, path.span, "path: /"+path.text, "the service's path %q does not begin with a slash", path.text)
	case family == "grpc" || family == "stream":
		c.report(RulePath, Error, path.span, "remove it", "Kong refuses a path with the protocol %s", protocol.text)
	}
}

func (c *checker) unknownProtocol(n *node, known []string) {
	fix := "one of " + strings.Join(known, ", ")
	if near := spec.Nearest(strings.ToLower(n.text), known); near != "" {
		fix = "did you mean " + near + "?"
	}
	c.report(RuleProtocol, Error, n.span, fix, "Kong knows no protocol %s", n.describe())
}

// familyOf groups protocols that one route may have together. The default is http.
func familyOf(protocol string) string {
	switch {
	case slices.Contains(streams, protocol):
		return "stream"
	case strings.HasPrefix(protocol, "grpc"):
		return "grpc"
	case strings.HasPrefix(protocol, "ws"):
		return "ws"
	}
	return "http"
}

// numbers finds values that Kong takes and nobody means.
func (c *checker) numbers(n *node) {
	const hasty, stubborn = 100, 10
	for _, key := range []string{"connect_timeout", "read_timeout", "write_timeout"} {
		if limit := n.get(key); limit != nil && limit.kind == isInteger {
			if ms, err := strconv.Atoi(limit.text); err == nil && ms > 0 && ms < hasty {
				c.report(RuleTimeout, Warning, limit.span, fmt.Sprintf("%s: %d", key, ms*1000), "%s counts milliseconds; %d are meant as seconds?", key, ms)
			}
		}
	}
	if retries := n.get("retries"); retries != nil && retries.kind == isInteger {
		if times, err := strconv.Atoi(retries.text); err == nil && times > stubborn {
			c.report(RuleRetries, Warning, retries.span, "retries: 5", "%d retries of one request: an outage is made worse by as many", times)
		}
	}
}

// wholeService is what can be said of a service when its routes and plugins are known.
func (c *checker) wholeService(s *service, upstreams map[string]bool) {
	if !s.routed {
		c.report(RuleRoutesMissing, Note, s.node.span, "give it routes with paths", "no route of this file leads to the service%s", spaced(s.name))
	}
	if s.elsewhere && !upstreams[s.hostName] {
		c.report(RuleHostNotConsul, Warning, s.host.span, "host: "+example(s.name),
			"Consul knows nothing of the host %s, so no health check takes an instance out", s.hostName)
	}
	if s.isConsul && s.named.SRV && s.port != nil {
		c.report(RulePortIgnored, Warning, s.port.span, "remove it", "SRV records bring the port of each instance; this one is never dialled")
	}
	c.agreement(s)
}

// agreement compares host and plugin.
func (c *checker) agreement(s *service) {
	if s.plugin == nil || !s.isConsul {
		return
	}
	config := s.plugin.get("config")
	if name := config.get("service_name"); name.string() != "" && !strings.EqualFold(name.text, s.named.Service) {
		c.report(RuleServiceDiffers, Error, name.span, "name the same service in both", "the plugin finds %s and the host %s", name.text, s.named.Service)
	}
	tags := config.get("tags")
	if s.named.Tag == "" || tags == nil || tags.kind != isList {
		return
	}
	for _, tag := range tags.items {
		if strings.EqualFold(tag.text, s.named.Tag) {
			return
		}
	}
	c.report(RuleTagsDiffer, Warning, tags.span, "tags: "+sequence([]string{s.named.Tag}), "the host wants the tag %s, and the plugin does not", s.named.Tag)
}
