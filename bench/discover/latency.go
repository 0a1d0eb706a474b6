//go:build unix

package main

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"
	"slices"
	"time"

	"github.com/suokelife/suokectl/internal/testenv"
	"github.com/suokelife/suokectl/pkg/discover"
)

const latencyGoal = 1.2 // × a blocking query that is read by hand

// contender is told of changes of its own service.
type contender struct {
	name, service, check string
	told                 <-chan time.Time // when it learned of each change
	took                 []time.Duration
}

// latency flips the check of two services in turn, one of them watched, the other read by hand.
func latency(ctx context.Context, b bench) error {
	return b.consul(func(server *testenv.ConsulServer) error {
		client, err := discover.New(discover.Config{Address: server.Addr})
		if err != nil {
			return err
		}
		defer client.Close() //nolint:errcheck // it never fails
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		watch := &contender{name: "Watch", service: "watched"}
		raw := &contender{name: "raw blocking query", service: "raw"}
		for _, c := range []*contender{watch, raw} {
			if c.check, err = registerTTL(ctx, client, c.service); err != nil {
				return err
			}
		}
		watch.told, raw.told = follow(ctx, watchTimes(ctx, client, watch.service)), follow(ctx, rawTimes(ctx, server.Addr, raw.service))
		<-watch.told
		<-raw.told
		if err := flip(ctx, client, []*contender{watch, raw}, 4*b.runs); err != nil {
			return err
		}
		ours, theirs := middle(watch.took), middle(raw.took)
		fmt.Fprintf(b.out, "a change reaches (median of %d)  %s %v, %s %v\n", len(watch.took), watch.name, ours, raw.name, theirs)
		return b.verdict("latency of a Watch to that of a raw blocking query", float64(ours)/float64(theirs), latencyGoal, " ×")
	})
}

func registerTTL(ctx context.Context, client *discover.Client, service string) (check string, err error) {
	id, err := client.Register(ctx, discover.Registration{
		Name: service, Address: "127.0.0.1", Port: 1, Checks: []discover.CheckConfig{{TTL: time.Hour}},
	})
	if err != nil {
		return "", err
	}
	check = discover.CheckID(id, 0)
	return check, client.Report(ctx, check, discover.Passing, "")
}

// flip changes the checks in turn and takes the time from before each change until it was told.
func flip(ctx context.Context, client *discover.Client, contenders []*contender, rounds int) error {
	health := []discover.Health{discover.Critical, discover.Passing}
	for round := range rounds {
		for _, c := range contenders {
			start := time.Now()
			if err := client.Report(ctx, c.check, health[round%2], ""); err != nil {
				return err
			}
			select {
			case at := <-c.told:
				c.took = append(c.took, at.Sub(start))
			case <-time.After(10 * time.Second):
				return fmt.Errorf("%s was not told of change %d", c.name, round)
			}
		}
	}
	return nil
}

// follow runs a sequence in a goroutine that ends with ctx.
func follow(ctx context.Context, times iter.Seq[time.Time]) <-chan time.Time {
	told := make(chan time.Time, 16)
	go func() {
		for at := range times {
			select {
			case told <- at:
			case <-ctx.Done():
				return
			}
		}
	}()
	return told
}

func watchTimes(ctx context.Context, client *discover.Client, service string) iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		for range client.Watch(ctx, service, discover.Query{}) {
			if !yield(time.Now()) {
				return
			}
		}
	}
}

// rawTimes reads the reply and looks at nothing but the index.
func rawTimes(ctx context.Context, address, service string) iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		for index := "0"; ; {
			url := "http://" + address + "/v1/health/service/" + service + "?wait=300s&index=" + index
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
			if err != nil {
				return
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				return
			}
			_, err = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close() // it was read
			if err != nil || !yield(time.Now()) {
				return
			}
			index = resp.Header.Get("X-Consul-Index")
		}
	}
}

func middle(took []time.Duration) time.Duration {
	slices.Sort(took)
	return took[len(took)/2]
}
