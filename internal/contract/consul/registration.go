package consul

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/consul/api"
)

var registration = []testCase{
	{"a registered instance is told with all that was said of it", func(a *agent) {
		a.register(func(r *api.AgentServiceRegistration) {
			r.ID, r.Tags, r.Meta = a.name+"-1", []string{"prod", "auth"}, map[string]string{"version": "v1", "team": "a"}
		})
		got := a.instances(false)
		a.equal("instances", ids(got), a.name+"-1")
		service, node := got[0].Service, got[0].Node
		a.equal("name", service.Service, a.name)
		a.equal("address", fmt.Sprintf("%s:%d", service.Address, service.Port), "127.0.0.1:4000")
		a.equal("tags", strings.Join(service.Tags, " "), "prod auth")
		a.equal("version", service.Meta["version"], "v1")
		a.equal("team", service.Meta["team"], "a")
		a.equal("weights", service.Weights, api.AgentWeights{Passing: 1, Warning: 1})
		a.equal("datacenter", node.Datacenter, "dc1")
		if node.Node == "" || node.Address == "" {
			a.Fatalf("node %+v has no name or no address", node)
		}
	}},
	{"the id is the name unless one is given", func(a *agent) {
		a.register(nil)
		a.equal("instances", ids(a.instances(false)), a.name)
	}},
	{"an instance with no address has an empty one beside the node's", func(a *agent) {
		a.register(func(r *api.AgentServiceRegistration) { r.Address = "" })
		got := a.instances(false)[0]
		a.equal("address", got.Service.Address, "")
		if got.Node.Address == "" {
			a.Fatal("the node has no address")
		}
	}},
	{"a check starts critical", func(a *agent) {
		a.registerTTL("", "")
		a.equal("status", a.instances(false)[0].Checks.AggregatedStatus(), api.HealthCritical)
	}},
	{"a check starts as it is told", func(a *agent) {
		a.registerTTL("", api.HealthPassing)
		a.equal("status", a.instances(true)[0].Checks.AggregatedStatus(), api.HealthPassing)
	}},
	{"an instance without checks passes", func(a *agent) {
		a.register(nil)
		a.equal("passing", len(a.instances(true)), 1)
	}},
	{"registering again replaces tags and keeps the status", func(a *agent) {
		a.registerTTL("", "", "old")
		a.must(a.client.Agent().PassTTL("service:"+a.name, ""))
		a.awaitStatus(api.HealthPassing)
		a.registerTTL("", "", "new")
		got := a.await("the new tag", func(got []*api.ServiceEntry) bool {
			return len(got) == 1 && slices.Equal(got[0].Service.Tags, []string{"new"})
		})
		a.equal("status", got[0].Checks.AggregatedStatus(), api.HealthPassing)
	}},
	{"registering again keeps other checks unless they are to be replaced", func(a *agent) {
		two := api.AgentServiceChecks{{CheckID: a.name + "-a", TTL: "10m"}, {CheckID: a.name + "-b", TTL: "10m"}}
		reg := a.register(func(r *api.AgentServiceRegistration) { r.Checks = two })
		reg.Checks = two[:1]
		a.must(a.client.Agent().ServiceRegister(reg))
		a.equal("checks kept", a.checkIDs(), a.name+"-a "+a.name+"-b")
		a.must(a.client.Agent().ServiceRegisterOpts(reg, api.ServiceRegisterOpts{ReplaceExistingChecks: true}))
		a.await("one check", func([]*api.ServiceEntry) bool { return a.checkIDs() == a.name+"-a" })
	}},
	{"several checks without ids are numbered", func(a *agent) {
		a.register(func(r *api.AgentServiceRegistration) {
			r.Checks = api.AgentServiceChecks{{TTL: "10m"}, {TTL: "10m"}}
		})
		a.equal("checks", a.checkIDs(), "service:"+a.name+":1 service:"+a.name+":2")
	}},
	{"instances of one name are told in the order of their ids", func(a *agent) {
		for _, id := range []string{"c", "a", "b"} {
			a.registerTTL(a.name+"-"+id, "")
		}
		a.equal("instances", ids(a.instances(false)), fmt.Sprintf("%[1]s-a %[1]s-b %[1]s-c", a.name))
	}},
	{"names in lower case and with underscores are read", func(a *agent) {
		a.Cleanup(func() { _ = a.client.Agent().ServiceDeregister(a.name + "-1") })
		got := a.do("PUT", "/v1/agent/service/register", fmt.Sprintf(`{"id": "%[1]s-1", "name": "%[1]s", "port": 1,
			"enable_tag_override": true, "check": {"ttl": "10m", "deregister_critical_service_after": "90m"}}`, a.name))
		a.equal("answer", fmt.Sprint(got.code, " ", got.body), "200 ")
		a.equal("instances", ids(a.instances(false)), a.name+"-1")
		a.equal("tag override", a.instances(false)[0].Service.EnableTagOverride, true)
	}},
	{"a deregistered instance is gone with its checks", func(a *agent) {
		a.registerTTL(a.name+"-1", "")
		a.registerTTL(a.name+"-2", "")
		a.must(a.client.Agent().ServiceDeregister(a.name + "-1"))
		a.await("one instance", func(got []*api.ServiceEntry) bool { return ids(got) == a.name+"-2" })
		a.equal("checks", a.checkIDs(), "service:"+a.name+"-2")
	}},
	{"a service without instances is gone from the catalogue", func(a *agent) {
		a.registerTTL("", "")
		a.must(a.client.Agent().ServiceDeregister(a.name))
		a.await("no instance", func(got []*api.ServiceEntry) bool { return len(got) == 0 })
		services, _, err := a.client.Catalog().Services(nil)
		a.must(err)
		if _, is := services[a.name]; is {
			a.Fatal("the catalogue still names the service")
		}
	}},
	{"a check can be added to a service and taken away", func(a *agent) {
		a.register(nil)
		check := &api.AgentCheckRegistration{ID: a.name + "-x", Name: "extra", ServiceID: a.name}
		check.TTL = "10m"
		a.must(a.client.Agent().CheckRegister(check))
		a.awaitStatus(api.HealthCritical)
		a.must(a.client.Agent().CheckDeregister(a.name + "-x"))
		a.awaitStatus(api.HealthPassing)
	}},
	{"a check's id is its name unless one is given", func(a *agent) {
		a.register(nil)
		check := &api.AgentCheckRegistration{Name: a.name + "-named", ServiceID: a.name}
		check.TTL = "10m"
		a.must(a.client.Agent().CheckRegister(check))
		a.equal("checks", a.checkIDs(), a.name+"-named")
	}},
}

// checkIDs are those of the case's service, sorted, as the agent knows them.
func (a *agent) checkIDs() string {
	a.Helper()
	all, err := a.client.Agent().Checks()
	a.must(err)
	var out []string
	for id, check := range all {
		if check.ServiceName == a.name {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}
