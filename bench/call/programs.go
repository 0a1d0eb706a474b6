//go:build unix

package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/suokelife/suokectl/bench/harness"
	"github.com/suokelife/suokectl/internal/testenv"
)

// programs are those that are compared, and the folders that they have for
// themselves.
type programs struct {
	suokectl, grpcurl string
	fresh, aged       string // folders
}

func programsIn(ctx context.Context, dir string) (p programs, err error) {
	p.fresh, p.aged = filepath.Join(dir, "fresh"), filepath.Join(dir, "aged")
	for _, home := range []string{p.fresh, p.aged} {
		if err := os.Mkdir(home, 0o700); err != nil {
			return p, err
		}
	}
	if p.grpcurl, err = testenv.InstallTool("grpcurl"); err != nil {
		return p, err
	}
	p.suokectl, err = harness.Build(ctx, dir)
	return p, err
}

// compare makes the same call by all programs. The goal holds whether or not
// the server is asked about what was kept.
func (p programs) compare(name string, runs int, goal float64, c call, address string) harness.Comparison {
	fresh := c.suokectl(p.suokectl, p.fresh, address)
	fresh.Name = "suokectl rpc call"
	aged := c.suokectl(p.suokectl, p.aged, address)
	aged.Name, aged.Prepare = "descriptors an hour old", age(p.aged)
	grpcurl := c.grpcurl(p.grpcurl, address)
	return harness.Comparison{
		Name: name, Runs: runs, Warmup: 3, SameOutput: true,
		Contenders: []harness.Contender{fresh, aged, grpcurl},
		Goals: []harness.Goal{
			{Of: fresh.Name, To: grpcurl.Name, Metric: harness.Wall, AtMost: goal},
			{Of: aged.Name, To: grpcurl.Name, Metric: harness.Wall, AtMost: goal},
		},
	}
}
