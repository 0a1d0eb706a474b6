package consulgrpc

import (
	"cmp"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/balancer/base"
	"google.golang.org/grpc/balancer/endpointsharding"
	"google.golang.org/grpc/balancer/pickfirst"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"
)

// policyName is known to gRPC alone; users say ServiceConfig.
const policyName = "consul_weighted_round_robin"

// ServiceConfig is the service configuration of a connection whose calls go to the connected instances in turn, as
// often as their weights in Consul say. When there is no instance, calls fail with the reason that discovery gives.
const ServiceConfig = `{"loadBalancingConfig":[{"` + policyName + `":{}}]}`

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

// policy stands between gRPC and endpointsharding, which keeps one connection per instance, and replaces its picker.
type policy struct {
	balancer.Balancer
	balancer.ClientConn
	next atomic.Uint32
	none atomic.Pointer[string] // why there are no instances, as the resolver said last
}

// UpdateClientConnState takes the instances that the resolver found.
func (p *policy) UpdateClientConnState(state balancer.ClientConnState) error {
	p.none.Store(nil)
	state.ResolverState = pickfirst.EnableHealthListener(state.ResolverState)
	return p.Balancer.UpdateClientConnState(state)
}

// ResolverError keeps the reason for calls that have no instance to go to.
func (p *policy) ResolverError(err error) {
	reason := err.Error()
	p.none.Store(&reason)
	p.Balancer.ResolverError(err)
}

// UpdateState puts our picker in the place of endpointsharding's.
func (p *policy) UpdateState(state balancer.State) {
	children := endpointsharding.ChildStatesFromPicker(state.Picker)
	var ready []endpointsharding.ChildState
	for _, child := range children {
		if child.State.ConnectivityState == connectivity.Ready {
			ready = append(ready, child)
		}
	}
	switch {
	case len(children) == 0:
		state.Picker = base.NewErrPicker(p.reason())
	case len(ready) > 0:
		state.Picker = &picker{next: &p.next, turns: sync.OnceValue(func() []balancer.Picker { return turns(ready) })}
	}
	p.ClientConn.UpdateState(state)
}

var errNone = errors.New("discovery knows no instance")

func (p *policy) reason() error {
	if reason := p.none.Load(); reason != nil {
		return status.Error(codes.Unavailable, *reason)
	}
	return errNone
}

// picker takes the connected instances in turn.
type picker struct {
	next  *atomic.Uint32
	turns func() []balancer.Picker // computed by the first call: most pickers are replaced before there is one
}

// Pick takes the next.
func (p *picker) Pick(info balancer.PickInfo) (balancer.PickResult, error) {
	turns := p.turns()
	return turns[int(p.next.Add(1)%uint32(len(turns)))].Pick(info)
}

// extraTurns bounds how many turns a round has beyond one for each instance, so that huge weights cost no memory.
const extraTurns = 1000

// turns is one round: every instance as often as its weight says, and evenly spread: the weights 2, 1 and 1 make
// a b a c and not a a b c. An instance of weight 0 has no turn while another has some.
func turns(ready []endpointsharding.ChildState) []balancer.Picker {
	type turn struct {
		at     float64 // in the round, from 0 to 1
		picker balancer.Picker
	}
	slices.SortStableFunc(ready, func(a, b endpointsharding.ChildState) int { // the others go between the heaviest's turns
		return cmp.Compare(Weight(b.Endpoint), Weight(a.Endpoint))
	})
	var round []turn
	for i, n := range shares(ready) {
		phase := float64(i) / float64(len(ready))
		for k := range n {
			round = append(round, turn{(float64(k) + phase) / float64(n), ready[i].State.Picker})
		}
	}
	slices.SortStableFunc(round, func(a, b turn) int { return cmp.Compare(a.at, b.at) })
	pickers := make([]balancer.Picker, len(round))
	for i, t := range round {
		pickers[i] = t.picker
	}
	return pickers
}

// shares are how many turns each instance has in a round: its weight in lowest terms, or near to it.
func shares(ready []endpointsharding.ChildState) []int {
	out, sum, common := make([]int, len(ready)), 0, 0
	for i, child := range ready {
		out[i] = Weight(child.Endpoint)
		sum += out[i]
		common = divisor(out[i], common)
	}
	limit := len(ready) + extraTurns
	for i, n := range out {
		switch {
		case sum == 0:
			out[i] = 1
		case sum/common <= limit:
			out[i] = n / common
		case n > 0:
			out[i] = max(1, n*limit/sum)
		}
	}
	return out
}

// divisor is the greatest common one.
func divisor(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
