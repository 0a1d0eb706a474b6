package gateway

import (
	"slices"
	"strings"

	"github.com/suokelife/suokectl/pkg/spec"
)

// matchers are what a route may match by, for each family of protocols; it needs one of them.
var matchers = map[string][]string{
	"http":   {"methods", "hosts", "headers", "paths", "snis", "expression"},
	"ws":     {"hosts", "headers", "paths", "snis", "expression"},
	"grpc":   {"hosts", "headers", "paths", "snis", "expression"},
	"stream": {"sources", "destinations", "snis", "expression"},
}

// route checks a route, of the service s when that is known.
func (c *checker) route(n *node, s *service) {
	if s != nil {
		s.routed = true
	}
	c.unique("route", n.get("name"))
	family := c.routeProtocols(n, s)
	for _, plugin := range c.list(n.get("plugins"), "a plugin", pluginKeys) {
		c.plugin(plugin, s)
	}
	c.paths(n.get("paths"))
	if strip := n.get("strip_path"); family == "grpc" && strip != nil && strip.text == "true" {
		c.report(RuleProtocol, Error, strip.span, "strip_path: false", "Kong refuses strip_path with the protocols grpc and grpcs")
	}
	matches := slices.ContainsFunc(matchers[family], func(key string) bool { return !n.get(key).empty() })
	switch {
	case !matches:
		c.report(RuleRouteEmpty, Error, n.span, "paths: [/"+firstOf(n.get("name").string(), "PATH")+"]",
			"the route%s matches nothing: it needs one of %s", spaced(n.get("name").string()), strings.Join(matchers[family], ", "))
	case family != "stream" && n.get("paths").empty() && n.get("expression").empty():
		c.report(RuleRouteNoPaths, Note, n.span, "give it paths if that is not meant", "the route%s has no paths, so it takes every path", spaced(n.get("name").string()))
	}
}

func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// empty tells whether nothing is said.
func (n *node) empty() bool {
	return n == nil || n.kind == isNull || n.text == "" && len(n.items) == 0 && len(n.keys) == 0
}

// routeProtocols returns the family of the route's protocols, which cannot be of several.
func (c *checker) routeProtocols(n *node, s *service) string {
	family, own := "http", n.get("protocols")
	if own != nil && own.kind == isList {
		for i, item := range own.items {
			switch {
			case item.kind != isText || !slices.Contains(protocols, item.text):
				c.unknownProtocol(item, protocols)
			case i == 0:
				family = familyOf(item.text)
			case familyOf(item.text) != family:
				c.report(RuleProtocol, Error, item.span, "make two routes of it", "Kong refuses a route with both %s and %s", own.items[0].text, item.text)
			}
		}
	}
	if s == nil || s.node.get("protocol").string() == "" {
		return family
	}
	if upstream := s.node.get("protocol").text; (familyOf(upstream) == "grpc") != (family == "grpc") {
		at := n.span
		if own != nil {
			at = own.span
		}
		c.report(RuleProtocol, Error, at, "protocols: "+protocolsFor(familyOf(upstream)),
			"the service speaks %s and the route takes %s", upstream, family)
	}
	return family
}

func protocolsFor(family string) string {
	if family == "grpc" {
		return "[grpc, grpcs]"
	}
	return "[http, https]"
}

func (c *checker) paths(n *node) {
	if n == nil || n.kind != isList {
		return
	}
	for _, path := range n.items {
		switch {
		case path.kind != isText:
			c.report(RuleType, Error, path.span, "", "a path is a text, not %s", path.describe())
		case !strings.HasPrefix(path.text, "/") && !strings.HasPrefix(path.text, "~"):
			c.report(RulePath, Error, path.span, quoted("/"+path.text), "the path %s begins neither with a slash nor, as a regular expression, with ~", path.describe())
		}
	}
}

// plugin checks a plugin, of the service s when that is known.
func (c *checker) plugin(n *node, s *service) {
	name := n.get("name")
	switch {
	case name.string() == "":
		c.report(RulePluginName, Error, n.span, "", "the plugin has no name")
	case name.text == discoveryPlugin:
		c.discovery(n, s)
		c.report(RulePluginNotStock, Note, name.span, "install it and list it in Kong's setting plugins, or render with --form dns",
			"Kong itself comes with no plugin %s", name.text)
	case !slices.Contains(bundled, name.text):
		c.otherPlugin(name)
	}
}

func (c *checker) otherPlugin(name *node) {
	candidates := append(slices.Clone(bundled), discoveryPlugin)
	fix := "install it and list it in Kong's setting plugins"
	if near := spec.Nearest(name.text, candidates); near != "" {
		fix = "did you mean " + near + "? Else " + fix
	}
	c.report(RulePluginNotStock, Note, name.span, fix, "the plugin %s does not come with Kong", name.describe())
}

func (c *checker) discovery(n *node, s *service) {
	if s != nil {
		s.plugin = n
	}
	config := n.get("config")
	if config != nil && config.kind == isMapping {
		c.conform(config, "the plugin's config", discoveryKeys)
	}
	if config.get("service_name").string() == "" {
		at := n.span
		if config != nil {
			at = config.span
		}
		c.report(RuleServiceMissing, Error, at, "config: {service_name: NAME}", "the plugin %s does not say which service_name it is to find", discoveryPlugin)
	}
	tags := config.get("tags")
	if tags == nil {
		return
	}
	for _, tag := range tags.items {
		if tag.kind != isText || tag.text == "" {
			c.report(RuleType, Error, tag.span, "put it in quotes", "a tag is a text, not %s", tag.describe())
		}
	}
}
