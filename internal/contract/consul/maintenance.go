package consul

import "github.com/hashicorp/consul/api"

var maintenance = []testCase{
	{"an instance in maintenance is critical until it is back", func(a *agent) {
		a.registerTTL("", api.HealthPassing)
		a.must(a.client.Agent().EnableServiceMaintenance(a.name, "new disk"))
		a.awaitStatus(api.HealthMaint)
		a.equal("passing", len(a.instances(true)), 0)
		check := a.check("_service_maintenance:" + a.name)
		a.equal("name", check.Name, "Service Maintenance Mode")
		a.equal("reason", check.Notes, "new disk")
		a.equal("status", check.Status, api.HealthCritical)
		a.must(a.client.Agent().EnableServiceMaintenance(a.name, "again"))
		a.equal("reason", a.check("_service_maintenance:"+a.name).Notes, "new disk")
		a.must(a.client.Agent().DisableServiceMaintenance(a.name))
		a.awaitStatus(api.HealthPassing)
	}},
	{"maintenance without a reason says so", func(a *agent) {
		a.register(nil)
		a.must(a.client.Agent().EnableServiceMaintenance(a.name, ""))
		a.equal("reason", a.check("_service_maintenance:"+a.name).Notes,
			"Maintenance mode is enabled for this service, but no reason was provided. This is a default message.")
	}},
}

// alone are the cases that touch every service of the agent.
var alone = []testCase{
	{"a node in maintenance takes its services with it", func(a *agent) {
		a.registerTTL("", api.HealthPassing)
		index := a.settled()
		a.must(a.client.Agent().EnableNodeMaintenance("reboot"))
		a.awaitStatus(api.HealthMaint)
		a.equal("reason", a.check("_node_maintenance").Notes, "reboot")
		if a.settled() <= index {
			a.Fatal("the service's index did not move")
		}
		a.must(a.client.Agent().DisableNodeMaintenance())
		a.awaitStatus(api.HealthPassing)
	}},
	{"an agent that forgot everything answers with a lower index", func(a *agent) {
		a.registerTTL("", "")
		for range 60 { // so that the new agent's own writes do not reach as far
			a.must(a.client.Agent().FailTTL("service:"+a.name, ""))
			a.must(a.client.Agent().PassTTL("service:"+a.name, ""))
		}
		a.awaitStatus(api.HealthPassing)
		before := a.settled()
		a.target.Restart()
		got, meta, took := a.blockFor(before, short)
		a.equal("instances", len(got), 0)
		if meta.LastIndex >= before || took < short {
			a.Fatalf("answered after %v with index %d, want %v and one under %d", took, meta.LastIndex, short, before)
		}
	}},
}
