package rpc

import (
	"context"
	"errors"
	"sync"

	"google.golang.org/grpc/status"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/pkg/discover"
	"github.com/suokelife/suokectl/pkg/rpc"
)

// instance is one place where a service can be asked by itself.
type instance struct {
	ID      string
	Target  string // what it is an instance of
	Address string // host:port
	Version string
	Health  discover.Health // as Consul has it; empty for a literal address
}

// instances finds those of the target, each to be dialled by itself: all that
// have the wanted health, or the one that is a literal address.
func instances(ctx context.Context, consul func() (*discover.Client, error), o app.RPCOptions, health discover.Health) ([]instance, error) {
	target, err := rpc.ParseTarget(o.Target)
	if err != nil {
		return nil, err
	}
	if target.Service == "" {
		return []instance{{ID: target.Address, Target: target.Address, Address: target.Address}}, nil
	}
	client, err := consul()
	if err != nil {
		return nil, err
	}
	if target.Version == "" {
		target.Version = o.Version
	}
	found, err := client.Instances(ctx, target.Service, discover.Query{
		Version: target.Version, Tags: append(target.Tags, o.Tags...), Health: health,
	})
	if err != nil {
		return nil, err
	}
	list := make([]instance, len(found))
	for i, in := range found {
		list[i] = instance{ID: in.ID, Target: o.Target, Address: in.HostPort(), Version: in.Version, Health: in.Health}
	}
	return list, nil
}

// parallel is how many instances are asked at a time.
const parallel = 16

// each asks all instances at once, each over a channel of its own that knows no
// other, and returns what they answered in the order of the list.
func each[T any](ctx context.Context, list []instance, dial dial, o app.RPCOptions, ask func(context.Context, instance, *rpc.Channel, error) T) []T {
	answers := make([]T, len(list))
	slots := make(chan struct{}, parallel)
	var all sync.WaitGroup
	for i, in := range list {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			answers[i] = askOne(ctx, in, dial, o, ask)
		})
	}
	all.Wait()
	return answers
}

func askOne[T any](ctx context.Context, in instance, dial dial, o app.RPCOptions, ask func(context.Context, instance, *rpc.Channel, error) T) T {
	if in.Version != "" {
		o.Version = in.Version
	}
	o.Target, o.Transport, o.Tags, o.OneVersion = in.Address, app.DirectTransport, nil, false
	channel, err := dial(ctx, o)
	if err != nil {
		return ask(ctx, in, nil, err)
	}
	defer channel.Close() //nolint:errcheck // it only says that it is closed
	return ask(ctx, in, channel, nil)
}

// reason is why an instance could not be asked, on one line.
func reason(err error) string {
	if transport, ok := errors.AsType[*rpc.TransportError](err); ok {
		return transport.Reason.Error()
	}
	// What wraps a status says more by itself.
	if raw, ok := err.(interface{ GRPCStatus() *status.Status }); ok {
		s := raw.GRPCStatus()
		return rpc.CodeName(s.Code()) + ": " + s.Message()
	}
	return err.Error()
}
