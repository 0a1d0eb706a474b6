//go:build unix

package main

import (
	"context"
	"fmt"
	"io"

	"github.com/suokelife/suokectl/bench/harness"
	"github.com/suokelife/suokectl/internal/testenv"
	"github.com/suokelife/suokectl/pkg/discover"
)

const commandGoal = 0.2 // × the Consul CLI's wall time

// command lists five instances of a service by both programs.
func command(ctx context.Context, b bench) error {
	return b.consul(func(server *testenv.ConsulServer) error {
		if err := registerSome(ctx, server.Addr, "auth-service", 5); err != nil {
			return err
		}
		suokectl, err := harness.Build(ctx, b.dir)
		if err != nil {
			return err
		}
		env := []string{"HOME=" + b.dir, "CONSUL_HTTP_ADDR=" + server.Addr, "XDG_CONFIG_HOME=", "XDG_STATE_HOME=", "XDG_CACHE_HOME="}
		result, err := harness.Comparison{
			Name: "five instances", Runs: b.runs, Warmup: 3,
			Contenders: []harness.Contender{
				{Name: "suokectl discover instances", Argv: []string{suokectl, "discover", "instances", "auth-service"}, Env: env, Examine: lines(6)},
				{Name: "consul catalog nodes", Argv: []string{server.Command(), "catalog", "nodes", "-service", "auth-service"}, Env: env, Examine: lines(2)},
			},
			Goals: []harness.Goal{{
				Of: "suokectl discover instances", To: "consul catalog nodes", Metric: harness.Wall, AtMost: commandGoal,
			}},
		}.Run(ctx)
		if err != nil {
			return err
		}
		err = result.WriteTable(b.out)
		if goal := result.Goals[0]; err == nil && !goal.Held {
			err = fmt.Errorf("%w: %s of %s", errMissed, goal.Metric, goal.Of)
		}
		return err
	})
}

// lines wants that many lines, heading included. Consul's command names a node once for each instance, or once.
func lines(least int64) func(io.Reader) (harness.Evidence, error) {
	return func(stdout io.Reader) (harness.Evidence, error) {
		evidence, err := harness.Examine(stdout)
		if err == nil && evidence.Lines < least {
			err = fmt.Errorf("%d lines, want %d at least", evidence.Lines, least)
		}
		return evidence, err
	}
}

// registerSome registers so many instances of the service with the agent.
func registerSome(ctx context.Context, address, name string, count int) error {
	client, err := discover.New(discover.Config{Address: address})
	if err != nil {
		return err
	}
	defer client.Close() //nolint:errcheck // it never fails
	for port := range count {
		_, err := client.Register(ctx, discover.Registration{
			Name: name, Version: "v1", Address: "127.0.0.1", Port: port + 1, Tags: []string{"prod"},
		})
		if err != nil {
			return err
		}
	}
	return nil
}
