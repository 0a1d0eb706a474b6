package rpc

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/balancer/base"
	"google.golang.org/grpc/balancer/endpointsharding"
	"google.golang.org/grpc/balancer/pickfirst"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"
)

// policyName names the load-balancing policy of a [Channel]: round robin over
// the connected instances, those first that the call has not tried.
const policyName = "suokectl_untried_first"

// gRPC finds policies only in its own registry, by name.
func init() { balancer.Register(policyBuilder{}) } //nolint:gochecknoinits // there is no other way

type policyBuilder struct{}

func (policyBuilder) Name() string { return policyName }

func (policyBuilder) Build(cc balancer.ClientConn, options balancer.BuildOptions) balancer.Balancer {
	p := &policy{ClientConn: cc}
	p.next.Store(rand.Uint32()) //nolint:gosec // spreads clients over instances, hides nothing
	p.Balancer = endpointsharding.NewBalancer(p, options, balancer.Get(pickfirst.Name).Build, endpointsharding.Options{})
	return p
}

// policy stands between gRPC and endpointsharding, which keeps one connection
// per instance, and replaces its picker.
type policy struct {
	balancer.Balancer
	balancer.ClientConn
	next atomic.Uint32
	// unresolved is why there are no instances, as the resolver said last.
	unresolved atomic.Pointer[error]
}

// UpdateClientConnState takes the instances that the resolver found.
func (p *policy) UpdateClientConnState(state balancer.ClientConnState) error {
	p.unresolved.Store(nil)
	return p.Balancer.UpdateClientConnState(state)
}

// ResolverError keeps the reason for calls that have no instance to go to.
func (p *policy) ResolverError(err error) {
	err = fmt.Errorf("name resolver error: %w", err)
	p.unresolved.Store(&err)
	p.Balancer.ResolverError(err)
}

// UpdateState puts our picker in the place of endpointsharding's.
func (p *policy) UpdateState(state balancer.State) {
	reason := errNoInstance
	if unresolved := p.unresolved.Load(); unresolved != nil {
		reason = *unresolved
	}
	state.Picker = &picker{
		children: endpointsharding.ChildStatesFromPicker(state.Picker),
		next:     &p.next,
		reason:   reason,
	}
	p.ClientConn.UpdateState(state)
}

var errNoInstance = errors.New("name resolver error: the name has no address")

type picker struct {
	children []endpointsharding.ChildState
	next     *atomic.Uint32
	reason   error // of a failure when there are no children
}

// Pick takes a connected instance that the call has not tried, else a connected
// one, else it waits for a connection that is being made. When all have failed
// the call fails with the reason of one of them.
func (p *picker) Pick(info balancer.PickInfo) (balancer.PickResult, error) {
	call := callFrom(info.Ctx)
	var fallback *endpointsharding.ChildState
	failed := base.NewErrPicker(status.Error(codes.Unavailable, p.reason.Error()))
	waiting := false
	start := int(p.next.Add(1))
	for i := range p.children {
		child := &p.children[(start+i)%len(p.children)]
		switch child.State.ConnectivityState {
		case connectivity.Ready:
			if !call.tried(address(child)) {
				return take(child, info, call)
			}
			fallback = child
		case connectivity.TransientFailure:
			failed = child.State.Picker
		default:
			waiting = true
		}
	}
	switch {
	case fallback != nil:
		return take(fallback, info, call)
	case waiting:
		return balancer.PickResult{}, balancer.ErrNoSubConnAvailable
	default:
		return failed.Pick(info)
	}
}

func address(child *endpointsharding.ChildState) string {
	if len(child.Endpoint.Addresses) == 0 {
		return ""
	}
	return child.Endpoint.Addresses[0].Addr
}

// take picks an instance and notes it as tried. gRPC reports a pick whose
// connection was gone already as done with no error and nothing sent: that was
// no try.
func take(child *endpointsharding.ChildState, info balancer.PickInfo, call *callState) (balancer.PickResult, error) {
	result, err := child.State.Picker.Pick(info)
	if err != nil {
		return result, err
	}
	instance, done := address(child), result.Done
	call.setTried(instance, true)
	result.Done = func(info balancer.DoneInfo) {
		if info.Err == nil && !info.BytesSent {
			call.setTried(instance, false)
		}
		if done != nil {
			done(info)
		}
	}
	return result, nil
}
