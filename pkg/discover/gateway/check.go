package gateway

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// most is how many services, routes and plugins of a file are looked at: aliases make large ones of small files.
const most = 100_000

// checker collects findings.
type checker struct {
	file     *file
	findings []Finding
	services []*service
	byName   map[string]*service
	names    map[string]bool // of services and of routes, behind their kind
	seen     int
}

// Check reads a declarative configuration of Kong and returns its findings in the order of their places, notes among
// them; Defects counts the others. File is what findings call it. It never fails: what cannot be read is a finding.
func Check(file string, text []byte) []Finding {
	return sorted(check(file, text).findings)
}

func check(name string, text []byte) *checker {
	c := &checker{file: newFile(name, text), byName: map[string]*service{}, names: map[string]bool{}}
	root, err := c.file.parse()
	var syntax *syntaxError
	switch {
	case errors.As(err, &syntax):
		c.report(RuleSyntax, Error, syntax.span, "", "%s", syntax.message)
	case root == nil:
		c.report(RuleSyntax, Error, c.file.span(nil), "`suokectl discover gateway render` writes one", "the file is empty")
	default:
		c.root(root)
	}
	return c
}

// report keeps a finding. Texts of the file may be in it, so its message is made one line.
func (c *checker) report(rule string, severity Severity, at Span, fix, format string, a ...any) {
	c.findings = append(c.findings, Finding{
		Rule: rule, Severity: severity, File: c.file.name, Span: at,
		Message: oneLine(fmt.Sprintf(format, a...)), Fix: oneLine(fix),
	})
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

func (c *checker) root(root *node) {
	if !c.conform(root, "the file", rootKeys) {
		return
	}
	c.version(root)
	for _, n := range c.list(root.get("services"), "a service", serviceKeys) {
		c.service(n)
	}
	for _, n := range c.list(root.get("routes"), "a route", routeKeys) {
		c.route(n, c.named(n.get("service")))
	}
	for _, n := range c.list(root.get("plugins"), "a plugin", pluginKeys) {
		c.plugin(n, c.named(n.get("service")))
	}
	upstreams := map[string]bool{}
	for _, n := range c.list(root.get("upstreams"), "an upstream", nil) {
		upstreams[n.get("name").string()] = true
	}
	for _, s := range c.services {
		c.wholeService(s, upstreams)
	}
}

func (c *checker) version(root *node) {
	const fix = `begin the file with _format_version: "3.0"`
	version := root.get("_format_version")
	switch {
	case version == nil:
		c.report(RuleFormatVersion, Error, root.span, fix, "Kong refuses a file without _format_version")
	case !slices.Contains([]string{"1.1", "2.1", "3.0"}, version.text):
		c.report(RuleFormatVersion, Error, version.span, fix, "Kong knows no format version %s", version.describe())
	}
}

// list returns the entities of a list that are mappings.
func (c *checker) list(n *node, what string, s schema) []*node {
	if n == nil || n.kind != isList {
		return nil
	}
	var out []*node
	for _, item := range n.items {
		if c.seen++; c.seen > most {
			c.report(RuleSyntax, Error, n.span, "", "there are more than %d entities; the rest is not checked", most)
			return out
		}
		if s == nil || c.conform(item, what, s) {
			out = append(out, item)
		}
	}
	return out
}

// named is the service of the file that a reference means, by name, in either of Kong's forms.
func (c *checker) named(reference *node) *service {
	name := reference.string()
	if reference != nil && reference.kind == isMapping {
		name = reference.get("name").string()
	}
	return c.byName[name]
}

func (n *node) string() string {
	if n == nil || n.kind != isText {
		return ""
	}
	return n.text
}

func (c *checker) unique(kind string, name *node) {
	if name.string() == "" {
		return
	}
	key := kind + " " + name.text
	if c.names[key] {
		c.report(RuleDuplicateName, Error, name.span, "", "there is another %s of the name %s", kind, name.text)
	}
	c.names[key] = true
}
