package consul

import (
	"slices"
	"strings"

	"github.com/hashicorp/consul/api"
)

var nodes = []testCase{
	{"a node is told with its services", func(a *agent) {
		a.registerTwoVersions()
		name := a.nodeName()
		node, _, err := a.client.Catalog().Node(name, &api.QueryOptions{Filter: `Service == "` + a.name + `"`})
		a.must(err)
		a.equal("services", len(node.Services), 2)
		a.equal("port", node.Services[a.name+"-2"].Port, 4002)
		a.equal("node", node.Node.Node, name)
		list, _, err := a.client.Catalog().NodeServiceList(name, &api.QueryOptions{Filter: `Service == "` + a.name + `"`})
		a.must(err)
		var got []string
		for _, service := range list.Services {
			got = append(got, service.ID)
		}
		slices.Sort(got)
		a.equal("services", strings.Join(got, " "), a.name+"-1 "+a.name+"-2")
		list, _, err = a.client.Catalog().NodeServiceList(node.Node.ID, &api.QueryOptions{Filter: `Service == "` + a.name + `"`})
		a.must(err)
		a.equal("services by the node's id", len(list.Services), 2)
	}},
	{"a node that is not there is null", func(a *agent) {
		a.equal("node", strings.TrimSpace(a.do("GET", "/v1/catalog/node/nobody", "").body), "null")
		a.equal("services", strings.TrimSpace(a.do("GET", "/v1/catalog/node-services/nobody", "").body), `{"Node":null,"Services":null}`)
	}},
	{"nodes and what they carry are selected by the node's metadata", func(a *agent) {
		a.register(nil)
		for _, want := range []struct {
			meta  map[string]string
			count int
		}{{map[string]string{"consul-version": "1.19.2"}, 1}, {map[string]string{"consul-version": "1"}, 0}, {map[string]string{"no": ""}, 0}} {
			query := &api.QueryOptions{NodeMeta: want.meta, Filter: `ServiceName == "` + a.name + `"`}
			services, _, err := a.client.Catalog().Services(query)
			a.must(err)
			a.equal("services", len(services), want.count)
			query.Filter = ""
			nodes, _, err := a.client.Catalog().Nodes(query)
			a.must(err)
			a.equal("nodes", len(nodes), want.count)
			instances, _, err := a.client.Health().Service(a.name, "", false, query)
			a.must(err)
			a.equal("instances", len(instances), want.count)
			entries, _, err := a.client.Catalog().Service(a.name, "", query)
			a.must(err)
			a.equal("entries", len(entries), want.count)
		}
	}},
	{"near sorts and leaves nothing out", func(a *agent) {
		a.registerTwoVersions()
		for _, near := range []string{"_agent", "nobody"} {
			got, _, err := a.client.Health().Service(a.name, "", false, &api.QueryOptions{Near: near})
			a.must(err)
			a.equal("instances", len(got), 2)
			nodes, _, err := a.client.Catalog().Nodes(&api.QueryOptions{Near: near})
			a.must(err)
			a.equal("nodes", len(nodes), 1)
		}
	}},
	{"an instance is told by its id, without catalogue's indexes", func(a *agent) {
		a.register(func(r *api.AgentServiceRegistration) { r.Locality = &api.Locality{Region: "r", Zone: "z"} })
		got, _, err := a.client.Agent().Service(a.name, nil)
		a.must(err)
		a.equal("id", got.ID, a.name)
		a.equal("datacenter", got.Datacenter, "dc1")
		a.equal("indexes", got.CreateIndex+got.ModifyIndex, uint64(0))
		a.equal("locality", *got.Locality, api.Locality{Region: "r", Zone: "z"})
		if got.ContentHash == "" {
			a.Fatal("no hash of the content")
		}
		unknown := a.do("GET", "/v1/agent/service/nobody", "")
		a.equal("unknown", unknown.text(), "404 "+"unknown service ID: nobody")
	}},
	{"weights and locality are told, and their mistakes refused", func(a *agent) {
		a.register(func(r *api.AgentServiceRegistration) {
			r.Weights, r.Locality = &api.AgentWeights{Passing: 10}, &api.Locality{Region: "r"}
		})
		entry := a.instances(false)[0]
		a.equal("weights", entry.Service.Weights, api.AgentWeights{Passing: 10})
		a.equal("locality", *entry.Service.Locality, api.Locality{Region: "r"})
		a.equal("datacenter of the service", entry.Service.Datacenter, "")
		listed, _, err := a.client.Catalog().Service(a.name, "", nil)
		a.must(err)
		a.equal("weights", listed[0].ServiceWeights, api.Weights{Passing: 10})
		a.equal("locality", *listed[0].ServiceLocality, api.Locality{Region: "r"})
		for body, text := range map[string]string{
			`"Weights": {"Passing": 0, "Warning": 1}`:     "Invalid Weights: Passing must be greater than 0",
			`"Weights": {"Passing": 1, "Warning": -1}`:    "Invalid Weights: Warning must be greater or equal than 0",
			`"Weights": {"Passing": 65536, "Warning": 1}`: "Invalid Weights: DNS Weight must be between 0 and 65535",
			`"Locality": {"Zone": "z"}`:                   "Validation failed: 1 error occurred:\n\t* zone cannot be set without region\n\n",
		} {
			got := a.do("PUT", "/v1/agent/service/register", `{"ID": "x", "Name": "`+a.name+`", `+body+`}`)
			a.equal(body, got.text(), "400 "+text)
		}
	}},
	{"new weights are a change", func(a *agent) {
		a.register(nil)
		a.wakes(func() {
			a.register(func(r *api.AgentServiceRegistration) { r.Weights = &api.AgentWeights{Passing: 2, Warning: 1} })
		}, 1)
	}},
	{"a new locality alone is no change", func(a *agent) {
		a.register(nil)
		index := a.settled()
		a.register(func(r *api.AgentServiceRegistration) { r.Locality = &api.Locality{Region: "r"} })
		got, meta, _ := a.blockFor(index, short)
		a.equal("index", meta.LastIndex, index)
		if got[0].Service.Locality != nil {
			a.Fatalf("locality is %+v, want none", got[0].Service.Locality)
		}
	}},
	{"a new tagged address is a change", func(a *agent) {
		a.register(nil)
		a.wakes(func() {
			a.register(func(r *api.AgentServiceRegistration) {
				r.TaggedAddresses = map[string]api.ServiceAddress{"wan": {Address: "192.0.2.1", Port: 1}}
			})
		}, 1)
		a.equal("address", a.instances(false)[0].Service.TaggedAddresses["wan"], api.ServiceAddress{Address: "192.0.2.1", Port: 1})
	}},
	{"a datacenter that is not there is refused", func(a *agent) {
		for _, path := range []string{"/v1/catalog/nodes", "/v1/catalog/services", "/v1/health/service/x"} {
			got := a.do("GET", path+"?dc=nowhere", "")
			a.equal(path, got.text(), "500 "+"No path to datacenter")
			a.equal(path, a.do("GET", path+"?dc=dc1", "").code, 200)
		}
	}},
}
