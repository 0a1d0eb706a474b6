//go:build unix

package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
)

// initCost is what one package does before main.
type initCost struct {
	pkg   string
	ms    float64
	bytes int
}

// traced is how often the program runs; single initialisations are short and vary.
const traced = 11

// traceInits runs a command with the runtime's trace of initialisations and
// returns each package's median, the dearest first.
func traceInits(ctx context.Context, name string, args ...string) ([]initCost, error) {
	seen := map[string][]initCost{}
	for range traced {
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Run(); err != nil {
			return nil, fmt.Errorf("%s: %w", cmd, err)
		}
		for _, cost := range parseInits(&stderr) {
			seen[cost.pkg] = append(seen[cost.pkg], cost)
		}
	}
	var medians []initCost
	for _, costs := range seen {
		slices.SortFunc(costs, func(a, b initCost) int { return cmp.Compare(a.ms, b.ms) })
		medians = append(medians, costs[len(costs)/2])
	}
	slices.SortFunc(medians, func(a, b initCost) int { return cmp.Compare(b.ms, a.ms) })
	return medians, nil
}

// parseInits reads lines of the form that package runtime documents:
//
//	init internal/bytealg @0.008 ms, 0 ms clock, 0 bytes, 0 allocs
func parseInits(r io.Reader) []initCost {
	var costs []initCost
	for lines := bufio.NewScanner(r); lines.Scan(); {
		var cost initCost
		var at float64
		if n, _ := fmt.Sscanf(lines.Text(), "init %s @%f ms, %f ms clock, %d bytes", &cost.pkg, &at, &cost.ms, &cost.bytes); n == 4 {
			costs = append(costs, cost)
		}
	}
	return costs
}
