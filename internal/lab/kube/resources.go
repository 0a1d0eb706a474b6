package kube

import (
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// A resource is one kind that the server stores. Every version of it shows the same objects.
type resource struct {
	group, plural, kind string
	versions            []string // preferred first
	clusterScoped       bool
	custom              bool // defined by a CRD: schema-checked, a generation, no update without a resourceVersion
	orphans             bool // a delete without a policy leaves the dependents behind
}

var (
	namespaces = &resource{plural: "namespaces", kind: "Namespace", versions: []string{"v1"}, clusterScoped: true}
	configmaps = &resource{plural: "configmaps", kind: "ConfigMap", versions: []string{"v1"}}
	jobs       = &resource{group: "batch", plural: "jobs", kind: "Job", versions: []string{"v1"}, orphans: true}

	catalogue = []*resource{
		namespaces, configmaps, jobs,
		{plural: "services", kind: "Service", versions: []string{"v1"}},
		{group: "networking.istio.io", plural: "virtualservices", kind: "VirtualService", versions: []string{"v1", "v1beta1", "v1alpha3"}, custom: true},
		{group: "networking.istio.io", plural: "destinationrules", kind: "DestinationRule", versions: []string{"v1", "v1beta1", "v1alpha3"}, custom: true},
		{group: "security.istio.io", plural: "peerauthentications", kind: "PeerAuthentication", versions: []string{"v1", "v1beta1"}, custom: true},
	}
)

// find returns the resource that is served under group and version, or nil.
func find(group, version, plural string) *resource {
	for _, r := range catalogue {
		if r.group == group && r.plural == plural && slices.Contains(r.versions, version) {
			return r
		}
	}
	return nil
}

func (r *resource) groupResource() schema.GroupResource {
	return schema.GroupResource{Group: r.group, Resource: r.plural}
}

func (r *resource) groupKind() schema.GroupKind {
	return schema.GroupKind{Group: r.group, Kind: r.kind}
}

func (r *resource) apiVersion(version string) string {
	return schema.GroupVersion{Group: r.group, Version: version}.String()
}

// hasGeneration reports whether the API counts changes of the specification.
func (r *resource) hasGeneration() bool { return r.custom || r == jobs }

// hasStatus reports whether status is a subresource, which a plain update leaves alone.
func (r *resource) hasStatus() bool { return r != configmaps }
