// Package kube is the lab's Kubernetes API: one HTTP server in this process that speaks as much of the API as
// fault injection needs, so that client-go's dynamic client works against it unchanged.
//
// It serves namespaces, configmaps, services, jobs of batch/v1 and the mesh's virtualservices, destinationrules and
// peerauthentications, each with get, list, watch, create, update, patch and delete: optimistic concurrency, dry run,
// label selectors, propagation policies, structural validation by the schemas of Istio's own CRDs. Behind the API
// one loop plays the parts of kube-controller-manager that a leased fault relies on: the Job controller (for Jobs
// without pods), the TTL-after-finished controller, the garbage collector and the namespace controller.
//
// The suite in internal/contract/kube holds for this server and for a real kube-apiserver alike.
package kube
