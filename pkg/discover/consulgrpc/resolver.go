package consulgrpc

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"google.golang.org/grpc/attributes"
	"google.golang.org/grpc/experimental/balancer/weight"
	"google.golang.org/grpc/resolver"

	"github.com/suokelife/suokectl/pkg/discover"
)

// NewBuilder returns what makes a connection follow a service in Consul, for [google.golang.org/grpc.WithResolvers].
// Targets are those of [ParseTarget]; a connection to a wrong one fails its calls with the *TargetError's text. The
// client must outlive the connections; one builder may serve many of them at a time.
func NewBuilder(client *discover.Client) resolver.Builder { return &builder{client} }

type builder struct{ client *discover.Client }

func (b *builder) Scheme() string { return scheme }

func (b *builder) Build(target resolver.Target, cc resolver.ClientConn, _ resolver.BuildOptions) (resolver.Resolver, error) {
	wanted, err := fromURL(target.URL)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	f := &follower{client: b.client, target: wanted, cc: cc, cancel: cancel}
	f.running.Go(func() { f.run(ctx) })
	return f, nil
}

// follower hands what a watch tells on to a connection.
type follower struct {
	client  *discover.Client
	target  Target
	cc      resolver.ClientConn
	cancel  context.CancelFunc
	running sync.WaitGroup

	told bool   // whether the connection has had a set
	stop func() // ends what says why there is none
}

func (f *follower) run(ctx context.Context) {
	f.stop = func() {}
	for update := range f.client.Watch(ctx, f.target.Service, f.target.Query) {
		f.stop()
		f.tell(ctx, update)
	}
	f.stop()
}

// tell hands on the set, and what is wrong. A set that is empty because Consul never answered is not told: it would
// be taken for the truth. Nor is one that is empty at first: calls wait for the reason then.
func (f *follower) tell(ctx context.Context, update discover.Update) {
	endpoints := dialable(update.Instances)
	if len(endpoints) > 0 || f.told && update.Err == nil {
		// A policy refuses an empty set and thereby knows that it is empty; more is told by ReportError.
		_ = f.cc.UpdateState(resolver.State{Endpoints: endpoints})
		f.told = true
	}
	switch {
	case update.Err != nil:
		f.cc.ReportError(update.Err)
	case len(endpoints) == 0:
		f.sayWhyNone(ctx)
	}
}

// sayWhyNone tells the connection what keeps the instances out, and again whenever any instance of the service
// changes, until it is stopped.
func (f *follower) sayWhyNone(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	var saying sync.WaitGroup
	saying.Go(func() {
		all := discover.Query{Datacenter: f.target.Query.Datacenter, Health: discover.Any}
		for range f.client.Watch(ctx, f.target.Service, all) {
			if reason := f.whyNone(ctx); ctx.Err() == nil {
				f.cc.ReportError(reason)
			}
		}
	})
	f.stop = func() {
		cancel()
		saying.Wait()
		f.stop = func() {}
	}
}

// whyNone asks what keeps the instances out.
func (f *follower) whyNone(ctx context.Context) error {
	instances, err := f.client.Instances(ctx, f.target.Service, f.target.Query)
	switch {
	case err == nil && len(dialable(instances)) == 0:
		return fmt.Errorf("%w of %s can be called: %s was registered without a port",
			discover.ErrNoInstance, f.target.Service, instances[0].ID)
	case err == nil:
		return errChanging // the watch is about to tell it
	}
	return err
}

// errChanging is the reason of a call that fails between two changes.
var errChanging = errors.New("the instances are changing")

// ResolveNow does nothing: the watch tells each change by itself, and asks again by its own back-off when it failed.
func (f *follower) ResolveNow(resolver.ResolveNowOptions) {}

// Close ends the watches and waits for them.
func (f *follower) Close() {
	f.cancel()
	f.running.Wait()
}

// dialable are the endpoints of the instances that have a port.
func dialable(instances []discover.Instance) []resolver.Endpoint {
	endpoints := make([]resolver.Endpoint, 0, len(instances))
	for _, instance := range instances {
		if instance.Port != 0 {
			endpoints = append(endpoints, endpoint(instance))
		}
	}
	return endpoints
}

type localityKey struct{}

func endpoint(instance discover.Instance) resolver.Endpoint {
	out := resolver.Endpoint{Addresses: []resolver.Address{{Addr: instance.HostPort()}}}
	if instance.Locality != (discover.Locality{}) {
		out.Attributes = attributes.New(localityKey{}, instance.Locality)
	}
	return weight.Set(out, weight.EndpointInfo{Weight: uint32(max(0, instance.Weight()))})
}

// Weight returns the share of the calls that an endpoint of this package's resolver is to get, by the weight of its
// instance at its present health; 0 when the endpoint has none.
func Weight(e resolver.Endpoint) int { return int(weight.FromEndpoint(e).Weight) }

// Locality returns where the instance behind an endpoint runs, as Consul knows it; the zero value when it does not.
func Locality(e resolver.Endpoint) discover.Locality {
	locality, _ := e.Attributes.Value(localityKey{}).(discover.Locality)
	return locality
}
