package consul

import (
	"fmt"
	"strings"

	"github.com/hashicorp/consul/api"
)

var reads = []testCase{
	{"only passing instances are told when asked", func(a *agent) {
		a.registerTTL(a.name+"-good", api.HealthPassing)
		a.registerTTL(a.name+"-slow", api.HealthWarning)
		a.registerTTL(a.name+"-bad", api.HealthCritical)
		a.equal("passing", ids(a.instances(true)), a.name+"-good")
		a.equal("all", len(a.instances(false)), 3)
	}},
	{"several tags select what has all of them", func(a *agent) {
		a.registerTTL(a.name+"-1", "", "prod", "auth")
		a.registerTTL(a.name+"-2", "", "prod")
		a.registerTTL(a.name+"-3", "", "auth", "canary", "prod")
		a.equal("prod", len(a.instances(false, "prod")), 3)
		a.equal("prod and auth", ids(a.instances(false, "prod", "auth")), a.name+"-1 "+a.name+"-3")
		a.equal("a tag of nobody", len(a.instances(false, "prod", "none")), 0)
	}},
	{"names and tags are found in any case", func(a *agent) {
		a.registerTTL("", "", "Prod")
		a.equal("by tag", len(a.instances(false, "prod")), 1)
		got, _, err := a.client.Health().Service(strings.ToUpper(a.name), "", false, nil)
		a.must(err)
		a.equal("by name", ids(got), a.name)
	}},
	{"the catalogue tells instances whatever their health", func(a *agent) {
		a.registerTTL("", api.HealthCritical, "t")
		got, _, err := a.client.Catalog().Service(a.name, "t", nil)
		a.must(err)
		a.equal("instances", len(got), 1)
		a.equal("id", got[0].ServiceID, a.name)
		a.equal("address", got[0].ServiceAddress, "127.0.0.1")
		a.equal("datacenter", got[0].Datacenter, "dc1")
		a.equal("passing", len(a.instances(true)), 0)
	}},
	{"the catalogue names services with the tags of all instances", func(a *agent) {
		a.registerTTL(a.name+"-1", "", "b", "a")
		a.registerTTL(a.name+"-2", "", "c", "a")
		services, _, err := a.client.Catalog().Services(nil)
		a.must(err)
		got := map[string]bool{}
		for _, tag := range services[a.name] {
			got[tag] = true
		}
		if len(services[a.name]) != 3 || !got["a"] || !got["b"] || !got["c"] {
			a.Fatalf("tags are %v, want a, b and c once each", services[a.name])
		}
		if _, is := services["consul"]; !is {
			a.Fatal("the server does not name itself")
		}
	}},
	{"checks are told by service and by state", func(a *agent) {
		a.registerTTL("", api.HealthWarning)
		ofService, _, err := a.client.Health().Checks(a.name, nil)
		a.must(err)
		a.equal("checks of the service", len(ofService), 1)
		a.equal("status", ofService[0].Status, api.HealthWarning)
		a.equal("type", ofService[0].Type, "ttl")
		inState, _, err := a.client.Health().State(api.HealthWarning, nil)
		a.must(err)
		found := false
		for _, check := range inState {
			a.equal("status", check.Status, api.HealthWarning)
			found = found || check.ServiceName == a.name
		}
		a.equal("found among warnings", found, true)
	}},
	{"an unknown service is an empty list with an index", func(a *agent) {
		for _, path := range []string{"/v1/health/service/", "/v1/catalog/service/", "/v1/health/checks/"} {
			got := a.do("GET", path+a.name, "")
			a.equal(path, strings.TrimSpace(got.body), "[]")
			if index := got.header.Get("X-Consul-Index"); index == "" || index == "0" {
				a.Fatalf("%s: index is %q", path, index)
			}
		}
	}},
	{"a read tells its index, its leader and its consistency", func(a *agent) {
		for query, consistency := range map[string]string{"": "leader", "?stale": "stale", "?consistent": "consistent"} {
			header := a.do("GET", "/v1/health/service/"+a.name+query, "").header
			a.equal("leader", header.Get("X-Consul-KnownLeader"), "true")
			a.equal("last contact", header.Get("X-Consul-LastContact"), "0")
			a.equal("consistency", header.Get("X-Consul-Effective-Consistency"), consistency)
			a.equal("policy", header.Get("X-Consul-Default-ACL-Policy"), "allow")
			a.equal("type", header.Get("Content-Type"), "application/json")
		}
	}},
	{"the agent knows itself", func(a *agent) {
		self, err := a.client.Agent().Self()
		a.must(err)
		a.equal("datacenter", self["Config"]["Datacenter"], any("dc1"))
		nodes, _, err := a.client.Catalog().Nodes(nil)
		a.must(err)
		a.equal("nodes", len(nodes), 1)
		a.equal("node", self["Config"]["NodeName"], any(nodes[0].Node))
		members, err := a.client.Agent().Members(false)
		a.must(err)
		a.equal("members", len(members), 1)
		a.equal("member", fmt.Sprint(members[0].Name, members[0].Addr, members[0].Status, members[0].Tags["role"]),
			fmt.Sprint(nodes[0].Node, nodes[0].Address, 1, "consul"))
		leader, err := a.client.Status().Leader()
		a.must(err)
		if !strings.HasPrefix(leader, "127.0.0.1:") {
			a.Fatalf("leader is %q", leader)
		}
		datacenters, err := a.client.Catalog().Datacenters()
		a.must(err)
		a.equal("datacenters", strings.Join(datacenters, " "), "dc1")
	}},
	{"the agent tells its own services and not the server's", func(a *agent) {
		a.register(func(r *api.AgentServiceRegistration) { r.Tags = []string{"t"} })
		services, err := a.client.Agent().Services()
		a.must(err)
		if services[a.name] == nil || services["consul"] != nil {
			a.Fatalf("services are %v", services)
		}
		a.equal("tags", strings.Join(services[a.name].Tags, " "), "t")
	}},
}
