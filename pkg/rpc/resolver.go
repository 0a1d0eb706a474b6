package rpc

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc/resolver"
)

const (
	// instanceScheme is known to the channel that it is given to, not globally.
	instanceScheme = "suokectl-instances"
	// findInterval is the least time between two searches for instances.
	findInterval = time.Second
)

// instanceBuilder gives a channel the instances that a function finds.
type instanceBuilder struct {
	find  func(context.Context) ([]string, error)
	first []string
}

func (b *instanceBuilder) Scheme() string { return instanceScheme }

func (b *instanceBuilder) Build(_ resolver.Target, cc resolver.ClientConn, _ resolver.BuildOptions) (resolver.Resolver, error) {
	ctx, cancel := context.WithCancel(context.Background())
	r := &instanceResolver{find: b.find, cc: cc, cancel: cancel, again: make(chan struct{}, 1)}
	r.update(b.first)
	r.done.Go(func() { r.run(ctx) })
	return r, nil
}

type instanceResolver struct {
	find   func(context.Context) ([]string, error)
	cc     resolver.ClientConn
	cancel context.CancelFunc
	again  chan struct{}
	done   sync.WaitGroup
}

// run searches again when gRPC asks for it, since it lost a connection. A search
// that fails leaves the channel what it has.
func (r *instanceResolver) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(findInterval):
		}
		select {
		case <-ctx.Done():
			return
		case <-r.again:
		}
		found, err := r.find(ctx)
		if err != nil {
			r.cc.ReportError(fmt.Errorf("find instances: %w", err))
			continue
		}
		r.update(found)
	}
}

func (r *instanceResolver) update(instances []string) {
	endpoints := make([]resolver.Endpoint, len(instances))
	for i, address := range instances {
		endpoints[i].Addresses = []resolver.Address{{Addr: address}}
	}
	// An empty list is refused by the policy, which then fails calls at once.
	_ = r.cc.UpdateState(resolver.State{Endpoints: endpoints})
}

// ResolveNow asks for a search; it never blocks.
func (r *instanceResolver) ResolveNow(resolver.ResolveNowOptions) {
	select {
	case r.again <- struct{}{}:
	default:
	}
}

func (r *instanceResolver) Close() {
	r.cancel()
	r.done.Wait()
}
