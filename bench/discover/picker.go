//go:build unix

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/suokelife/suokectl/internal/testenv"
	"github.com/suokelife/suokectl/pkg/discover"
	"github.com/suokelife/suokectl/pkg/discover/consulgrpc"
)

// picker flips an instance of a service that a gRPC connection follows, and one that is read by hand.
func picker(ctx context.Context, b bench) error {
	return b.consul(func(server *testenv.ConsulServer) error {
		client, err := discover.New(discover.Config{Address: server.Addr})
		if err != nil {
			return err
		}
		defer client.Close() //nolint:errcheck // it never fails
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		picked := &contender{name: "gRPC picker", service: "picked"}
		raw := &contender{name: "raw blocking query", service: "raw"}
		for _, c := range []*contender{picked, raw} {
			if c.check, err = registerTTL(ctx, client, c.service); err != nil {
				return err
			}
			// One more stays, so that the connection always has somebody.
			if _, err := client.Register(ctx, discover.Registration{Name: c.service, Address: "127.0.0.1", Port: 2}); err != nil {
				return err
			}
		}
		conn, told, err := observed(client, picked.service)
		if err != nil {
			return err
		}
		defer conn.Close() //nolint:errcheck // it only says that it is closed
		picked.told, raw.told = told, follow(ctx, rawTimes(ctx, server.Addr, raw.service))
		<-picked.told
		<-raw.told
		if err := flip(ctx, client, []*contender{picked, raw}, 4*b.runs); err != nil {
			return err
		}
		ours, theirs := middle(picked.took), middle(raw.took)
		fmt.Fprintf(b.out, "a change reaches (median of %d)  %s %v, %s %v\n", len(picked.took), picked.name, ours, raw.name, theirs)
		return b.verdict("latency of a gRPC picker to that of a raw blocking query", float64(ours)/float64(theirs), latencyGoal, " ×")
	})
}

// observed is a connection to a service, and when its policy had a picker of each new set of instances.
func observed(client *discover.Client, service string) (*grpc.ClientConn, <-chan time.Time, error) {
	told := make(chan time.Time, 16)
	balancer.Register(observer{told})
	conn, err := grpc.NewClient("consul:///"+service,
		grpc.WithResolvers(consulgrpc.NewBuilder(client)),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"observed":{}}]}`),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err == nil {
		conn.Connect()
	}
	return conn, told, err
}

// observer builds the policy that consulgrpc.ServiceConfig names, and tells when it has taken a set.
type observer struct{ told chan<- time.Time }

func (observer) Name() string { return "observed" }

func (o observer) Build(cc balancer.ClientConn, options balancer.BuildOptions) balancer.Balancer {
	return observedPolicy{balancer.Get(policyOf(consulgrpc.ServiceConfig)).Build(cc, options), o.told}
}

type observedPolicy struct {
	balancer.Balancer
	told chan<- time.Time
}

// UpdateClientConnState returns when gRPC has the new picker.
func (p observedPolicy) UpdateClientConnState(state balancer.ClientConnState) error {
	err := p.Balancer.UpdateClientConnState(state)
	p.told <- time.Now()
	return err
}

// policyOf is the name of the one policy in a service configuration.
func policyOf(serviceConfig string) string {
	var config struct{ LoadBalancingConfig []map[string]any }
	if err := json.Unmarshal([]byte(serviceConfig), &config); err != nil {
		panic(err) // of a constant
	}
	for name := range config.LoadBalancingConfig[0] {
		return name
	}
	return ""
}
