package chaos

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/rand"

	"github.com/suokelife/suokectl/pkg/spec"
)

var (
	// ErrBlocked is wrapped when something in the cluster keeps a fault from working.
	ErrBlocked = errors.New("the fault would not work")
	// ErrNoMesh is wrapped when the cluster knows no VirtualServices.
	ErrNoMesh = errors.New("the cluster has no Istio (networking.istio.io/v1)")
	// ErrSuspended is wrapped when the cluster suspends new Jobs, so that no deadline would run.
	ErrSuspended = errors.New("the cluster suspends new Jobs, so no deadline would run")
)

// An UnknownServiceError says that neither a Service nor a VirtualService goes by the fault's host.
type UnknownServiceError struct {
	Service, Namespace string
	// Known are the services of the namespace that VirtualServices route.
	Known []string
}

// Error names the service, and those that are known.
func (e *UnknownServiceError) Error() string {
	text := fmt.Sprintf("no Service and no VirtualService for %q in namespace %q", e.Service, e.Namespace)
	if len(e.Known) > 0 {
		text += "; there are " + strings.Join(e.Known, ", ")
	}
	return text
}

// A Plan is what an injection would write, and what is to be known before.
type Plan struct {
	// Name of the lease: of its label, its Jobs and its shadows.
	Name    string
	Fault   Fault
	Host    string
	Shadows []*Shadow
	// Warnings tell where the fault's effect may differ from what one expects.
	Warnings []string
}

// Objects returns all that Inject would create, in its order.
func (p *Plan) Objects() []*unstructured.Unstructured {
	var all []*unstructured.Unstructured
	for _, s := range p.Shadows {
		all = append(all, s.Job)
	}
	for _, s := range p.Shadows {
		all = append(all, s.VirtualService)
	}
	return all
}

// Preflight checks a fault against the cluster, as a server-side dry run too, and plans it. It changes nothing.
// Errors wrap [ErrInvalidFault], [ErrUnfaultable], [ErrBlocked] or [ErrSuspended], or are an [UnknownServiceError] or the API's own.
func (c *Client) Preflight(ctx context.Context, f Fault) (*Plan, error) {
	plan, err := c.Plan(ctx, f)
	if err != nil {
		return nil, err
	}
	for _, s := range plan.Shadows {
		if err := c.rehearse(ctx, s); err != nil {
			return nil, err
		}
	}
	return plan, nil
}

// Plan is Preflight without the dry run: it needs no more than to read.
func (c *Client) Plan(ctx context.Context, f Fault) (*Plan, error) {
	if err := f.Validate(); err != nil {
		return nil, err
	}
	f = f.WithDefaults()
	list, err := c.allRoutes(ctx)
	if err != nil {
		return nil, err
	}
	plan := &Plan{
		Name: fmt.Sprintf("%.40s-fault-%s", f.Service, rand.String(5)), Fault: f,
		Host: qualify(f.Service, f.Namespace, c.options.Domain), Warnings: warnings(f),
	}
	routed := false
	for _, client := range f.ClientNamespaces {
		shadow, notes, err := c.planNamespace(ctx, plan, client, list.Items)
		if err != nil {
			return nil, err
		}
		routed = routed || shadow.Source != nil
		plan.Shadows = append(plan.Shadows, shadow)
		plan.Warnings = append(plan.Warnings, notes...)
	}
	if !routed {
		if err := c.checkService(ctx, f, list.Items); err != nil {
			return nil, err
		}
	}
	return plan, nil
}

// Services returns the names of the services of a namespace that VirtualServices route, sorted.
func (c *Client) Services(ctx context.Context, namespace string) ([]string, error) {
	list, err := c.allRoutes(ctx)
	if err != nil {
		return nil, err
	}
	return c.routed(namespace, list.Items), nil
}

func (c *Client) allRoutes(ctx context.Context) (*unstructured.UnstructuredList, error) {
	list, err := c.at(virtualServices, "").List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, explain("list the VirtualServices of all namespaces", noMesh(err))
	}
	return list, nil
}

// noMesh tells the absence of the resource itself, which is all that a list can be missing.
func noMesh(err error) error {
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("%w: %w", ErrNoMesh, err)
	}
	return err
}

func (c *Client) routed(namespace string, all []unstructured.Unstructured) (names []string) {
	for i := range all {
		for _, host := range texts(all[i].Object, "spec", "hosts") {
			host = qualify(host, all[i].GetNamespace(), c.options.Domain)
			if name, ours := strings.CutSuffix(host, "."+namespace+".svc."+c.options.Domain); ours {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (c *Client) planNamespace(ctx context.Context, p *Plan, client string, all []unstructured.Unstructured) (*Shadow, []string, error) {
	ambient, err := c.isAmbient(ctx, client)
	if err != nil {
		return nil, nil, err
	}
	if ambient {
		return nil, nil, fmt.Errorf("%w: namespace %s is in ambient mode, where no sidecar could apply it", ErrBlocked, client)
	}
	var source *unstructured.Unstructured
	if routes := routesFor(p.Host, client, c.options.Domain, all); len(routes) > 0 {
		source = routes[0]
		if err := checkWinner(source, client, p.Host); err != nil {
			return nil, nil, err
		}
	}
	shadow, err := Render(p.Fault, p.Name, client, source, c.options)
	if err != nil {
		return nil, nil, err
	}
	return shadow, sourceWarnings(source, client, p.Host), nil
}

// checkWinner refuses when a private VirtualService is there already: being older it would win over the shadow.
func checkWinner(source *unstructured.Unstructured, client, host string) error {
	if reachFor(source, client) != private {
		return nil
	}
	if fault := source.GetLabels()[LabelFault]; fault != "" {
		return fmt.Errorf("%w: fault %s is active for %s in namespace %s; clear it first", ErrBlocked, fault, host, client)
	}
	return fmt.Errorf("%w: the private VirtualService %s/%s is older and would win for %s", ErrBlocked, client, source.GetName(), host)
}

func (c *Client) isAmbient(ctx context.Context, namespace string) (bool, error) {
	ns, err := c.at(namespaces, "").Get(ctx, namespace, metav1.GetOptions{})
	switch {
	case apierrors.IsForbidden(err):
		return false, nil // rights to one's own namespace need not include to read it
	case err != nil:
		return false, explain("read namespace "+namespace, err)
	}
	return ns.GetLabels()["istio.io/dataplane-mode"] == "ambient", nil
}

func (c *Client) checkService(ctx context.Context, f Fault, all []unstructured.Unstructured) error {
	_, err := c.at(services, f.Namespace).Get(ctx, f.Service, metav1.GetOptions{})
	switch {
	case err == nil || apierrors.IsForbidden(err):
		return nil
	case !apierrors.IsNotFound(err):
		return explain("read Service "+f.Namespace+"/"+f.Service, err)
	}
	return &UnknownServiceError{Service: f.Service, Namespace: f.Namespace, Known: c.routed(f.Namespace, all)}
}

// rehearse has the server judge a shadow's objects without storing them.
func (c *Client) rehearse(ctx context.Context, s *Shadow) error {
	options := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict}
	job, err := c.at(jobs, s.Namespace).Create(ctx, s.Job, options)
	if err != nil {
		return explain("rehearse the Job in namespace "+s.Namespace, err)
	}
	if suspended, _, _ := unstructured.NestedBool(job.Object, "spec", "suspend"); suspended {
		return fmt.Errorf("rehearse the Job in namespace %s: %w", s.Namespace, ErrSuspended)
	}
	if _, err := c.at(virtualServices, s.Namespace).Create(ctx, s.VirtualService, options); err != nil {
		return explain("rehearse the VirtualService in namespace "+s.Namespace, err)
	}
	return nil
}

// explain wraps an error of the API with what was attempted and, when what answered is no Kubernetes API, with its words.
func explain(what string, err error) error {
	var status apierrors.APIStatus
	if errors.As(err, &status) && status.Status().Details != nil {
		for _, cause := range status.Status().Details.Causes {
			if cause.Type == metav1.CauseTypeUnexpectedServerResponse && cause.Message != "" && cause.Message != "unknown" {
				return fmt.Errorf("%s: %w: %s", what, err, strings.TrimSpace(cause.Message))
			}
		}
	}
	return fmt.Errorf("%s: %w", what, err)
}

// warnings of the fault alone.
func warnings(f Fault) (notes []string) {
	if f.AbortHTTP != 0 {
		code := grpcOfHTTP(f.AbortHTTP)
		note := fmt.Sprintf("HTTP %d reaches a gRPC client as %s", f.AbortHTTP, code)
		if code != "UNAVAILABLE" {
			note += ", which the specification's retry (G3) never retries; abort UNAVAILABLE to test it"
		}
		notes = append(notes, note)
	}
	if f.Delay >= spec.CallTimeout {
		notes = append(notes, fmt.Sprintf("a delay of %v reaches the deadline of a call (%v by the specification, G3): callers see DEADLINE_EXCEEDED, not a slow answer", f.Delay, spec.CallTimeout))
	}
	return notes
}

// sourceWarnings tell what about the routing in force limits or changes the effect.
func sourceWarnings(source *unstructured.Unstructured, client, host string) (notes []string) {
	if source == nil {
		return []string{fmt.Sprintf("no VirtualService routes %s for namespace %s: the fault goes on the default route", host, client)}
	}
	name := source.GetNamespace() + "/" + source.GetName()
	for i, route := range objects(source.Object, "spec", "http") {
		switch {
		case !carriesFault(route):
			notes = append(notes, fmt.Sprintf("route %d of %s redirects or answers by itself: it takes no fault", i, name))
		case route["fault"] != nil:
			notes = append(notes, fmt.Sprintf("route %d of %s has a fault of its own, which this one replaces while it lasts", i, name))
		}
	}
	if len(objects(source.Object, "spec", "tcp"))+len(objects(source.Object, "spec", "tls")) > 0 {
		notes = append(notes, "TCP and TLS routes of "+name+" take no fault")
	}
	return notes
}

// grpcOfHTTP is how gRPC clients read an HTTP status without a grpc-status (gRPC's http-grpc-status-mapping).
func grpcOfHTTP(status int) string {
	switch status {
	case 400:
		return "INTERNAL"
	case 401:
		return "UNAUTHENTICATED"
	case 403:
		return "PERMISSION_DENIED"
	case 404:
		return "UNIMPLEMENTED"
	case 429, 502, 503, 504:
		return "UNAVAILABLE"
	}
	return "UNKNOWN"
}
