package rpc

import (
	"context"
	"errors"
	"sync"
	"time"

	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/resilience"
	"github.com/suokelife/suokectl/pkg/rpc"
)

// watchHealth tells what each server says of itself, now and whenever that
// changes, until ctx ends or nobody can be told.
func watchHealth(ctx context.Context, opts *HealthOptions, list []instance) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stream, err := output.NewStream(opts.IO, opts.Output, opts.view())
	if err != nil {
		return err
	}
	changes := make(chan healthOf)
	var all sync.WaitGroup
	for _, in := range list {
		all.Go(func() { opts.follow(ctx, in, changes) })
	}
	go func() { all.Wait(); close(changes) }()
	for change := range changes {
		if err := errors.Join(stream.Write(change), stream.Flush()); err != nil {
			cancel(err)
		}
	}
	if err := stream.Close(); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// watchAgain is how long to wait before a server that has hung up is asked again.
var watchAgain = resilience.Backoff{First: time.Second, Factor: 2, Max: 30 * time.Second, Jitter: 0.2}

// follow tells each change of one server. A stream that breaks is a change too; a
// new connection is made after a while.
func (o *HealthOptions) follow(ctx context.Context, in instance, changes chan<- healthOf) {
	last := healthOf{}
	tell := func(h healthOf) {
		if h.Status == last.Status && h.Error == last.Error {
			return
		}
		last = h
		select {
		case changes <- h:
		case <-ctx.Done():
		}
	}
	for failures := 1; ; failures++ {
		err := askOne(ctx, in, o.dialer(), o.RPCOptions, func(ctx context.Context, in instance, channel *rpc.Channel, err error) error {
			if err != nil {
				return err
			}
			return channel.Explain(o.stream(ctx, in, channel, func(h healthOf) { failures = 0; tell(h) }))
		})
		if ctx.Err() != nil {
			return
		}
		h := o.about(in)
		h.Time = time.Now().UTC()
		h.say(0, err)
		tell(h)
		select {
		case <-time.After(watchAgain.Wait(max(failures, 1))):
		case <-ctx.Done():
			return
		}
	}
}

// stream receives one stream of changes to its end.
func (o *HealthOptions) stream(ctx context.Context, in instance, channel *rpc.Channel, tell func(healthOf)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	start := time.Now()
	answers, err := grpc_health_v1.NewHealthClient(channel).Watch(ctx, &grpc_health_v1.HealthCheckRequest{Service: o.Service})
	if err != nil {
		return err
	}
	for {
		answer, err := answers.Recv()
		if err != nil {
			return err
		}
		h := o.about(in)
		h.Time, h.LatencyMS = time.Now().UTC(), float64(time.Since(start).Microseconds())/1e3
		h.say(answer.GetStatus(), nil)
		tell(h)
	}
}
