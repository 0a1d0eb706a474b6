package consul

import (
	"net/url"
	"strings"

	"github.com/hashicorp/consul/api"
)

var filters = []testCase{
	{"a filter selects instances by metadata, tag, port, check and node", func(a *agent) {
		a.registerTwoVersions()
		for expression, want := range map[string]string{
			`Service.Meta.version == v1`:                             a.name + "-1",
			`Service.Meta["version"] != "v1"`:                        a.name + "-2",
			`prod in Service.Tags`:                                   a.name + "-1",
			`Service.Tags is empty`:                                  "",
			`Service.Port == 4001 or Service.ID == "` + a.name + `"`: a.name + "-1",
			`Service.Weights.Passing == 7`:                           a.name + "-2",
			`Checks.Status == warning`:                               "",
			`Service.ID matches "-[12]$"`:                            a.name + "-1 " + a.name + "-2",
			`Node.Datacenter == dc1 and Service.Meta.none == x`:      "",
			`Service.TaggedAddresses.lan_ipv4.Port == 4002`:          a.name + "-2",
			`Node.Meta is not empty`:                                 a.name + "-1 " + a.name + "-2",
		} {
			got, _, err := a.client.Health().Service(a.name, "", false, &api.QueryOptions{Filter: expression})
			a.must(err)
			a.equal(expression, ids(got), want)
		}
	}},
	{"a filter goes together with tags and health", func(a *agent) {
		a.registerTwoVersions()
		query := &api.QueryOptions{Filter: `Service.Meta.version == v2`}
		got, _, err := a.client.Health().Service(a.name, "canary", true, query)
		a.must(err)
		a.equal("instances", ids(got), a.name+"-2")
		got, _, err = a.client.Health().Service(a.name, "prod", true, query)
		a.must(err)
		a.equal("instances", ids(got), "")
	}},
	{"a filter selects in the catalogue by other names", func(a *agent) {
		a.registerTwoVersions()
		query := &api.QueryOptions{Filter: `ServiceMeta.version == v2 and ServiceWeights.Passing == 7`}
		got, _, err := a.client.Catalog().Service(a.name, "", query)
		a.must(err)
		a.equal("instances", len(got), 1)
		a.equal("instance", got[0].ServiceID, a.name+"-2")
		services, _, err := a.client.Catalog().Services(&api.QueryOptions{Filter: `ServiceName == "` + a.name + `" and prod in ServiceTags`})
		a.must(err)
		a.equal("services", len(services), 1)
		a.equal("tags", strings.Join(services[a.name], " "), "prod")
	}},
	{"a filter selects nodes, checks and the agent's own", func(a *agent) {
		a.registerTwoVersions()
		nodes, _, err := a.client.Catalog().Nodes(&api.QueryOptions{Filter: `Address == "127.0.0.1" and Meta["consul-version"] == "1.19.2"`})
		a.must(err)
		a.equal("nodes", len(nodes), 1)
		nodes, _, err = a.client.Catalog().Nodes(&api.QueryOptions{Filter: `Address == "127.0.0.2"`})
		a.must(err)
		a.equal("nodes", len(nodes), 0)
		services, err := a.client.Agent().ServicesWithFilter(`Meta.version == v2 and Service == "` + a.name + `"`)
		a.must(err)
		a.equal("services", len(services), 1)
		a.registerTTL("", api.HealthWarning)
		checks, err := a.client.Agent().ChecksWithFilter(`Status == warning and ServiceName == "` + a.name + `"`)
		a.must(err)
		a.equal("checks", len(checks), 1)
		health, _, err := a.client.Health().Checks(a.name, &api.QueryOptions{Filter: `Type == ttl`})
		a.must(err)
		a.equal("checks", len(health), 1)
	}},
	{"a filter that is none is refused in the same words", func(a *agent) {
		a.registerTTL("", "") // what has nothing to look at may not look at the filter
		const prefix = "Failed to create boolean expression evaluator: "
		unknown := prefix + `Selector "Foo" is not valid`
		malformed := prefix + `1:5 (4): no match found, expected: "!=", "==", "contains", "in", "is", "matches", "not" or [ \t\r\n]`
		for _, path := range []string{
			"/v1/health/service/" + a.name, "/v1/health/checks/" + a.name, "/v1/health/state/any", "/v1/health/node/" + a.nodeName(),
			"/v1/catalog/service/" + a.name, "/v1/catalog/services", "/v1/catalog/nodes", "/v1/catalog/node/" + a.nodeName(),
			"/v1/catalog/node-services/" + a.nodeName(), "/v1/agent/services",
		} {
			a.equal(path, a.filtered(path, "Foo == 1"), "500 "+unknown)
			a.equal(path, a.filtered(path, "bad bad"), "500 "+malformed)
		}
		const path = "/v1/health/service/x"
		for expression, text := range map[string]string{
			`Service.Port == x`:        `Failed to coerce value "x" for selector "Service.Port": strconv.ParseInt: parsing "x": invalid syntax`,
			`Service.CreateIndex == 1`: `Selector "Service.CreateIndex" is not valid`,
			`Service.Tags == x`:        `Invalid match operator "Equal" for selector "Service.Tags"`,
		} {
			a.equal(expression, a.filtered(path, expression), "500 "+prefix+text)
		}
	}},
	{"a blocked read with a filter wakes for what it selects", func(a *agent) {
		a.registerTwoVersions()
		query := &api.QueryOptions{Filter: `Service.Meta.version == v2`, WaitTime: long}
		got, meta, err := a.client.Health().Service(a.name, "", false, query)
		a.must(err)
		a.equal("instances", len(got), 1)
		a.must(a.client.Agent().ServiceDeregister(a.name + "-2"))
		query.WaitIndex = meta.LastIndex
		for len(got) > 0 {
			got, meta, err = a.client.Health().Service(a.name, "", false, query)
			a.must(err)
			query.WaitIndex = meta.LastIndex
		}
	}},
}

// registerTwoVersions registers v1, tagged prod, and v2, tagged canary, with ids -1 and -2 and ports 4001 and 4002.
func (a *agent) registerTwoVersions() {
	a.Helper()
	a.register(func(r *api.AgentServiceRegistration) {
		r.ID, r.Port, r.Tags, r.Meta = a.name+"-1", 4001, []string{"prod"}, map[string]string{"version": "v1"}
	})
	a.register(func(r *api.AgentServiceRegistration) {
		r.ID, r.Port, r.Tags, r.Meta = a.name+"-2", 4002, []string{"canary"}, map[string]string{"version": "v2"}
		r.Weights = &api.AgentWeights{Passing: 7, Warning: 1}
	})
}

func (a *agent) filtered(path, expression string) string {
	a.Helper()
	return a.do("GET", path+"?filter="+url.QueryEscape(expression), "").text()
}

// nodeName is the name of the one node there is.
func (a *agent) nodeName() string {
	a.Helper()
	nodes, _, err := a.client.Catalog().Nodes(nil)
	a.must(err)
	a.equal("nodes", len(nodes), 1)
	return nodes[0].Node
}
