package rpc

import (
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/balancer/base"
	"google.golang.org/grpc/balancer/endpointsharding"
	"google.golang.org/grpc/balancer/pickfirst"
	"google.golang.org/grpc/connectivity"
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
	p.Balancer = endpointsharding.NewBalancer(p, options, balancer.Get(pickfirst.Name).Build, endpointsharding.Options{})
	return p
}

// policy stands between gRPC and endpointsharding, which keeps one connection
// per instance, and replaces its picker.
type policy struct {
	balancer.Balancer
	balancer.ClientConn
	next atomic.Uint32
	once sync.Once
}

func (p *policy) UpdateState(state balancer.State) {
	p.once.Do(func() { p.next.Store(rand.Uint32()) }) //nolint:gosec // spreads clients, hides nothing
	children := endpointsharding.ChildStatesFromPicker(state.Picker)
	p.ClientConn.UpdateState(balancer.State{
		ConnectivityState: state.ConnectivityState,
		Picker:            &picker{children: children, next: &p.next},
	})
}

// UpdateSubConnState is required by the interface and never called.
func (*policy) UpdateSubConnState(balancer.SubConn, balancer.SubConnState) {}

// ExitIdle and Close exist on both embedded interfaces' sides; the balancer's
// are meant.
func (p *policy) ExitIdle() { p.Balancer.ExitIdle() }
func (p *policy) Close()    { p.Balancer.Close() }

var errNoInstance = errors.New("the service has no instances")

type picker struct {
	children []endpointsharding.ChildState
	next     *atomic.Uint32
}

// Pick takes a connected instance that the call has not tried, else a connected
// one, else it waits for a connection that is being made. When all have failed
// the call fails with the reason of one of them.
func (p *picker) Pick(info balancer.PickInfo) (balancer.PickResult, error) {
	call := callFrom(info.Ctx)
	var fallback *endpointsharding.ChildState
	failed := base.NewErrPicker(errNoInstance)
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
