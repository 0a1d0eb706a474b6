package rpc

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/balancer/endpointsharding"
	"google.golang.org/grpc/balancer/pickfirst"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/status"

	"github.com/suokelife/suokectl/pkg/resilience"
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
	breakers   breakers
}

// UpdateClientConnState takes the instances that the resolver found.
func (p *policy) UpdateClientConnState(state balancer.ClientConnState) error {
	p.unresolved.Store(nil)
	instances := make([]string, len(state.ResolverState.Endpoints))
	for i, endpoint := range state.ResolverState.Endpoints {
		instances[i] = first(endpoint)
	}
	p.breakers.keep(instances)
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
	children := endpointsharding.ChildStatesFromPicker(state.Picker)
	var reason error
	if len(children) == 0 {
		reason = errNoInstance
		if unresolved := p.unresolved.Load(); unresolved != nil {
			reason = *unresolved
		}
	}
	state.Picker = &picker{
		children: children,
		next:     &p.next,
		reason:   reason,
		breakers: &p.breakers,
	}
	p.ClientConn.UpdateState(state)
}

var errNoInstance = errors.New("name resolver error: the name has no address")

type picker struct {
	children []endpointsharding.ChildState
	next     *atomic.Uint32
	reason   error // of a failure when there are no children
	breakers *breakers
}

// Pick takes a connected instance that the call has not tried and whose breaker
// lets it pass, else one that it has tried, else it waits for a connection that
// is being made. When no breaker lets it pass, or no instance can be connected,
// the call fails with the reason.
func (p *picker) Pick(info balancer.PickInfo) (balancer.PickResult, error) {
	call := callIn(info.Ctx)
	if call == nil {
		return balancer.PickResult{}, errNoCall
	}
	var failed *endpointsharding.ChildState
	waiting, tried := false, false
	start := int(p.next.Add(1))
	for i := range p.children {
		child := &p.children[(start+i)%len(p.children)]
		if !call.mayPick(first(child.Endpoint)) {
			continue
		}
		switch child.State.ConnectivityState {
		case connectivity.Ready:
			if call.hasTried(first(child.Endpoint)) {
				tried = true
				continue
			}
			if result, err := p.take(child, info, call); !errors.Is(err, resilience.ErrOpen) {
				return result, err
			}
		case connectivity.TransientFailure:
			failed = child
		default: // for no longer than its first connection takes, 20 s at most
			waiting = true
		}
	}
	if tried {
		if result, err := p.again(start, info, call); !errors.Is(err, resilience.ErrOpen) {
			return result, err
		}
	}
	if waiting {
		return balancer.PickResult{}, balancer.ErrNoSubConnAvailable
	}
	if err := call.nowhere(p.reason); err != nil {
		return balancer.PickResult{}, err
	}
	if failed == nil {
		return balancer.PickResult{}, call.errNotThere()
	}
	return failed.State.Picker.Pick(info)
}

// errNoCall is a call that did not come through a [Channel]'s interceptors, which
// nothing does.
var errNoCall = status.Error(codes.Internal, "a call without its state")

// again takes an instance that the call has tried.
func (p *picker) again(start int, info balancer.PickInfo, call *callState) (balancer.PickResult, error) {
	for i := range p.children {
		child := &p.children[(start+i)%len(p.children)]
		if !call.mayPick(first(child.Endpoint)) || child.State.ConnectivityState != connectivity.Ready || !call.hasTried(first(child.Endpoint)) {
			continue
		}
		if result, err := p.take(child, info, call); !errors.Is(err, resilience.ErrOpen) {
			return result, err
		}
	}
	return balancer.PickResult{}, resilience.ErrOpen
}

func first(endpoint resolver.Endpoint) string {
	if len(endpoint.Addresses) == 0 {
		return ""
	}
	return endpoint.Addresses[0].Addr
}

// take picks an instance and tells the call, unless the instance's breaker does
// not let it pass: then the error is [resilience.ErrOpen].
func (p *picker) take(child *endpointsharding.ChildState, info balancer.PickInfo, call *callState) (balancer.PickResult, error) {
	var permit resilience.Permit
	probe := false
	instance := first(child.Endpoint)
	if breaker := p.breakers.of(instance, call.channel.config.Breaker); breaker != nil {
		var err error
		if permit, err = breaker.Allow(); err != nil {
			call.refuse(instance, breaker.RecoveryTimeLeft())
			return balancer.PickResult{}, resilience.ErrOpen
		}
		probe = call.stream && breaker.State() == resilience.HalfOpen
	}
	result, err := child.State.Picker.Pick(info)
	if err != nil {
		permit.Done(resilience.Ignored)
		return result, err
	}
	result.Done = call.pick(instance, permit, probe, result.Done)
	return result, nil
}
