package mesh

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const domain = "svc.cluster.local"

// virtualService is the part of a VirtualService that the proxy reads.
type virtualService struct {
	Hosts    []string
	Gateways []string
	ExportTo []string
	HTTP     []httpRoute

	object *unstructured.Unstructured
}

type destinationRule struct {
	Host     string
	ExportTo []string
	Subsets  []subset

	object *unstructured.Unstructured
}

type subset struct {
	Name   string
	Labels map[string]string
}

// routing is one state of the mesh's configuration. It is never changed.
type routing struct {
	services []virtualService
	rules    []destinationRule
}

// newRouting parses what the API holds. What cannot be parsed is left out, as istiod leaves it out.
func newRouting(services, rules []unstructured.Unstructured) *routing {
	r := new(routing)
	for i := range services {
		vs := virtualService{object: &services[i]}
		if parse(services[i].Object["spec"], &vs) == nil {
			r.services = append(r.services, vs)
		}
	}
	for i := range rules {
		rule := destinationRule{object: &rules[i]}
		if parse(rules[i].Object["spec"], &rule) == nil {
			r.rules = append(r.rules, rule)
		}
	}
	return r
}

func parse(spec, into any) error {
	raw, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

// fullName makes a short host of a resource in namespace a full one.
func fullName(host, namespace string) string {
	if strings.ContainsAny(host, ".*") {
		return host
	}
	return host + "." + namespace + "." + domain
}

// dialled makes the host that a client called a full name: name, name.ns, name.ns.svc or full.
func dialled(host, serviceNamespace string) string {
	switch parts := strings.Split(host, "."); {
	case len(parts) == 1:
		return fullName(host, serviceNamespace)
	case len(parts) == 2:
		return host + "." + domain
	case len(parts) == 3 && parts[2] == "svc":
		return strings.TrimSuffix(host, ".svc") + "." + domain
	}
	return host
}

// rank orders what a client namespace sees: 0 private, 1 exported to it, 2 public; -1 is not seen.
func rank(exportTo []string, namespace, client string) int {
	switch {
	case len(exportTo) == 0 || slices.Contains(exportTo, "*"):
		return 2
	case namespace == client && (slices.Contains(exportTo, ".") || slices.Contains(exportTo, client)):
		return 0
	case slices.Contains(exportTo, client):
		return 1
	}
	return -1
}

// forHost returns the one VirtualService that routes calls of client to host, or nil.
func (r *routing) forHost(host, client string) *virtualService {
	var found []*virtualService
	for i := range r.services {
		vs := &r.services[i]
		meshwide := len(vs.Gateways) == 0 || slices.Contains(vs.Gateways, "mesh")
		if meshwide && vs.rank(client) >= 0 && vs.names(host) {
			found = append(found, vs)
		}
	}
	if len(found) == 0 {
		return nil
	}
	sort.Slice(found, func(i, j int) bool { return found[i].before(found[j], client) })
	return found[0]
}

func (vs *virtualService) rank(client string) int {
	return rank(vs.ExportTo, vs.object.GetNamespace(), client)
}

func (vs *virtualService) names(host string) bool {
	return slices.ContainsFunc(vs.Hosts, func(pattern string) bool {
		pattern = fullName(pattern, vs.object.GetNamespace())
		suffix, wild := strings.CutPrefix(pattern, "*")
		return pattern == host || wild && strings.HasSuffix(host, suffix)
	})
}

func (vs *virtualService) before(other *virtualService, client string) bool {
	if a, b := vs.rank(client), other.rank(client); a != b {
		return a < b
	}
	a, b := vs.object.GetCreationTimestamp(), other.object.GetCreationTimestamp()
	if !a.Equal(&b) {
		return a.Before(&b)
	}
	return cmp.Or(cmp.Compare(vs.object.GetName(), other.object.GetName()), cmp.Compare(vs.object.GetNamespace(), other.object.GetNamespace())) < 0
}

// labels returns the labels of a host's subset, as the client's, then the service's own DestinationRule has it.
func (r *routing) labels(host, name, client string) (map[string]string, error) {
	if name == "" {
		return nil, nil
	}
	service := namespaceOf(host)
	for _, namespace := range []string{client, service} {
		for _, rule := range r.rules {
			own := rule.object.GetNamespace()
			if own != namespace || fullName(rule.Host, own) != host || rank(rule.ExportTo, own, client) < 0 {
				continue
			}
			for _, s := range rule.Subsets {
				if s.Name == name {
					return s.Labels, nil
				}
			}
		}
	}
	return nil, fmt.Errorf("no subset %q of %s", name, host)
}

func namespaceOf(host string) string {
	parts := strings.Split(host, ".")
	if len(parts) < 2 {
		return ""
	}
	return parts[1]
}
