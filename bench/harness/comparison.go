//go:build unix

package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// Contender is one of the command lines that are compared.
type Contender struct {
	Name string   // unique in its comparison
	Argv []string // program and arguments, run without a shell
	Env  []string // added to the environment, as KEY=value

	// Stdin is the path of a file; empty means no input.
	Stdin string

	// Prepare runs before each run, the warm-up too, and is not measured:
	// a fresh topic, an emptied folder. Nil does nothing.
	Prepare func(ctx context.Context) error

	// Examine turns the standard output of a run into what is verified; an error
	// fails the comparison. Nil means the function Examine. It is not measured.
	Examine func(stdout io.Reader) (Evidence, error)
}

// Goal is a bound on the ratio of two contenders' medians.
type Goal struct {
	Of, To string // names of contenders: Of divided by To
	Metric Metric
	AtMost float64
}

// Comparison says what is run against what.
type Comparison struct {
	Name       string
	Contenders []Contender

	Runs   int // counted runs of each contender, 7 when zero; medians want an odd number
	Warmup int // runs of each contender that are not counted, 1 when zero

	// SameOutput demands equal evidence of all contenders. Without it only the
	// runs of one contender must agree with each other.
	SameOutput bool

	// Discard sends standard output to the null device, where nothing can be
	// verified, instead of a file.
	Discard bool

	Goals []Goal
}

// Errors of Run.
var (
	// ErrOutput is returned when a run's output is not what the other runs gave.
	ErrOutput = errors.New("outputs differ")
	// ErrComparison is returned when the comparison itself makes no sense.
	ErrComparison = errors.New("bad comparison")
)

const (
	defaultRuns   = 7
	defaultWarmup = 1
)

// Run measures. It fails as soon as a run exits with a status other than zero
// or its output is not what it should be.
func (c Comparison) Run(ctx context.Context) (*Result, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", c.Name, err)
	}
	runs, warmup := orDefault(c.Runs, defaultRuns), orDefault(c.Warmup, defaultWarmup)
	samples := make([][]Sample, len(c.Contenders))
	judge := judge{same: c.SameOutput, seen: map[string]Evidence{}}
	for round := range warmup + runs {
		for i, contender := range c.Contenders {
			sample, evidence, err := c.once(ctx, contender)
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", c.Name, contender.Name, err)
			}
			if err := judge.admit(contender.Name, evidence); err != nil {
				return nil, fmt.Errorf("%s: %w", c.Name, err)
			}
			if round >= warmup {
				samples[i] = append(samples[i], sample)
			}
		}
	}
	return c.result(samples, judge), nil
}

func (c Comparison) check() error {
	names := map[string]bool{}
	for _, contender := range c.Contenders {
		if names[contender.Name] || contender.Name == "" || len(contender.Argv) == 0 {
			return fmt.Errorf("%w: contender %q needs a name of its own and a command", ErrComparison, contender.Name)
		}
		names[contender.Name] = true
	}
	for _, goal := range c.Goals {
		if !names[goal.Of] || !names[goal.To] || goal.AtMost <= 0 {
			return fmt.Errorf("%w: goal %v", ErrComparison, goal)
		}
	}
	if len(names) == 0 {
		return fmt.Errorf("%w: no contenders", ErrComparison)
	}
	return nil
}

func (c Comparison) once(ctx context.Context, contender Contender) (Sample, Evidence, error) {
	if contender.Prepare != nil {
		if err := contender.Prepare(ctx); err != nil {
			return Sample{}, Evidence{}, fmt.Errorf("prepare: %w", err)
		}
	}
	if c.Discard {
		sample, err := measure(ctx, contender, nil)
		return sample, Evidence{}, err
	}
	stdout, err := os.CreateTemp("", "suokectl-bench-")
	if err != nil {
		return Sample{}, Evidence{}, err
	}
	defer func() { _, _ = stdout.Close(), os.Remove(stdout.Name()) }()
	sample, err := measure(ctx, contender, stdout)
	if err != nil {
		return sample, Evidence{}, err
	}
	if _, err := stdout.Seek(0, io.SeekStart); err != nil {
		return sample, Evidence{}, err
	}
	examine := contender.Examine
	if examine == nil {
		examine = Examine
	}
	evidence, err := examine(stdout)
	return sample, evidence, err
}

func (c Comparison) result(samples [][]Sample, judge judge) *Result {
	result := &Result{Name: c.Name, Machine: thisMachine()}
	for i, contender := range c.Contenders {
		result.Contenders = append(result.Contenders, Summary{
			Name: contender.Name, Median: median(samples[i]), Runs: samples[i], Output: judge.seen[contender.Name],
		})
	}
	for _, goal := range c.Goals {
		ratio := result.Ratio(goal.Of, goal.To, goal.Metric)
		result.Goals = append(result.Goals, Verdict{Goal: goal, Ratio: ratio, Held: ratio <= goal.AtMost})
	}
	return result
}

func orDefault(n, fallback int) int {
	if n == 0 {
		return fallback
	}
	return n
}
