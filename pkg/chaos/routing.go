package chaos

import (
	"cmp"
	"slices"
	"sort"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// qualify makes a short host name, as read in namespace, a full one. Names with dots and wildcards are full already.
func qualify(host, namespace, domain string) string {
	if host == "" || strings.ContainsAny(host, ".*") {
		return host
	}
	return host + "." + namespace + ".svc." + domain
}

// The reach of a VirtualService, strongest first: whatever their age, a private one beats one that is exported to
// the client's namespace, which beats a public one.
const (
	private = iota
	exported
	public
	hidden // from the client's namespace
)

// reachFor tells how a VirtualService reaches the clients of a namespace.
func reachFor(vs *unstructured.Unstructured, client string) int {
	targets := texts(vs.Object, "spec", "exportTo")
	local := vs.GetNamespace() == client
	switch {
	case len(targets) == 0 || slices.Contains(targets, "*"):
		return public
	case local && (slices.Contains(targets, ".") || slices.Contains(targets, client)):
		return private
	case slices.Contains(targets, client):
		return exported
	}
	return hidden
}

// routesFor returns the VirtualServices that want to route calls from the sidecars of a namespace to host, the one that
// wins first: Istio ignores the others.
func routesFor(host, client, domain string, all []unstructured.Unstructured) []*unstructured.Unstructured {
	var found []*unstructured.Unstructured
	for i := range all {
		vs := &all[i]
		if inMesh(vs.Object["spec"]) && matchesHost(vs, host, domain) && reachFor(vs, client) != hidden {
			found = append(found, vs)
		}
	}
	sort.SliceStable(found, func(i, j int) bool { return beats(found[i], found[j], client) })
	return found
}

func beats(a, b *unstructured.Unstructured, client string) bool {
	if x, y := reachFor(a, client), reachFor(b, client); x != y {
		return x < y
	}
	x, y := a.GetCreationTimestamp(), b.GetCreationTimestamp()
	if !x.Equal(&y) {
		return x.Before(&y)
	}
	return cmp.Or(cmp.Compare(a.GetName(), b.GetName()), cmp.Compare(a.GetNamespace(), b.GetNamespace())) < 0
}

func matchesHost(vs *unstructured.Unstructured, host, domain string) bool {
	for _, pattern := range texts(vs.Object, "spec", "hosts") {
		pattern = qualify(pattern, vs.GetNamespace(), domain)
		if suffix, wild := strings.CutPrefix(pattern, "*"); pattern == host || wild && strings.HasSuffix(host, suffix) {
			return true
		}
	}
	return false
}

// inMesh reports whether a VirtualService, or one of its matches, concerns sidecars: gateways are left out, or name "mesh".
func inMesh(node any) bool {
	object, _ := node.(map[string]any)
	gateways := texts(object, "gateways")
	return len(gateways) == 0 || slices.Contains(gateways, "mesh")
}

// flatten copies a route for use in another namespace: hosts become full names, and what concerns gateways only goes.
// It returns nil for a route that no sidecar uses.
func flatten(route map[string]any, namespace, domain string) map[string]any {
	if matches, ok := route["match"].([]any); ok && len(matches) > 0 {
		kept := []any{}
		for _, match := range matches {
			if m, ok := match.(map[string]any); ok && inMesh(m) {
				delete(m, "gateways")
				kept = append(kept, m)
			}
		}
		if len(kept) == 0 {
			return nil
		}
		route["match"] = kept
	}
	for _, holder := range destinations(route) {
		if host, ok := holder["host"].(string); ok {
			holder["host"] = qualify(host, namespace, domain)
		}
	}
	if rewrite, ok := route["rewrite"].(map[string]any); ok {
		if host, ok := rewrite["authority"].(string); ok {
			rewrite["authority"] = qualify(host, namespace, domain)
		}
	}
	return route
}

// destinations returns the objects of a route that name a host: those it goes to and those it is mirrored to.
func destinations(route map[string]any) (found []map[string]any) {
	for _, list := range []string{"route", "mirrors"} {
		entries, _ := route[list].([]any)
		for _, entry := range entries {
			if e, ok := entry.(map[string]any); ok {
				if d, ok := e["destination"].(map[string]any); ok {
					found = append(found, d)
				}
			}
		}
	}
	if mirror, ok := route["mirror"].(map[string]any); ok {
		found = append(found, mirror)
	}
	return found
}

func objects(node map[string]any, path ...string) (found []map[string]any) {
	value, _, _ := unstructured.NestedFieldNoCopy(node, path...)
	list, _ := value.([]any)
	for _, item := range list {
		if o, ok := item.(map[string]any); ok {
			found = append(found, o)
		}
	}
	return found
}

func texts(node map[string]any, path ...string) (found []string) {
	value, _, _ := unstructured.NestedFieldNoCopy(node, path...)
	list, _ := value.([]any)
	for _, item := range list {
		if s, ok := item.(string); ok {
			found = append(found, s)
		}
	}
	return found
}
