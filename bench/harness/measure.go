//go:build unix

package harness

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// Sample is what one run cost.
type Sample struct {
	Wall time.Duration `json:"wall_ns"` // from before the start until the end was waited for
	CPU  time.Duration `json:"cpu_ns"`  // user and system time of the process and the children it waited for
	RSS  int64         `json:"rss_bytes"`
}

// Metric is one of the numbers of a Sample.
type Metric string

// The metrics.
const (
	Wall Metric = "wall"
	CPU  Metric = "cpu"
	RSS  Metric = "rss"
)

func (s Sample) value(m Metric) float64 {
	switch m {
	case Wall:
		return float64(s.Wall)
	case CPU:
		return float64(s.CPU)
	default:
		return float64(s.RSS)
	}
}

// measure runs a contender once, its output into a file (nil is the null
// device), which is looked at later: verifying takes nothing from the machine
// while the clock runs. It must not be collected in memory, since Linux counts
// the peak of the parent's memory at the start as the child's.
func measure(ctx context.Context, contender Contender, stdout *os.File) (Sample, error) {
	cmd := exec.CommandContext(ctx, contender.Argv[0], contender.Argv[1:]...)
	cmd.Env = append(os.Environ(), contender.Env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if stdout != nil {
		cmd.Stdout = stdout
	}
	if contender.Stdin != "" {
		file, err := os.Open(contender.Stdin)
		if err != nil {
			return Sample{}, err
		}
		defer file.Close()
		cmd.Stdin = file
	}
	start := time.Now()
	err := cmd.Run()
	wall := time.Since(start)
	if err != nil {
		return Sample{}, fmt.Errorf("%s: %w: %s", cmd, err, bytes.TrimSpace(stderr.Bytes()))
	}
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	sample := Sample{Wall: wall, CPU: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), RSS: peakRSS(usage)}
	return sample, nil
}

// peakRSS converts to bytes: Linux counts in KiB, macOS in bytes.
func peakRSS(usage *syscall.Rusage) int64 {
	if runtime.GOOS == "darwin" {
		return usage.Maxrss
	}
	return usage.Maxrss * 1024
}

// median takes the middle of each number by itself.
func median(samples []Sample) Sample {
	return Sample{
		Wall: middle(samples, func(s Sample) time.Duration { return s.Wall }),
		CPU:  middle(samples, func(s Sample) time.Duration { return s.CPU }),
		RSS:  middle(samples, func(s Sample) int64 { return s.RSS }),
	}
}

func middle[N ~int64](samples []Sample, number func(Sample) N) N {
	numbers := make([]N, len(samples))
	for i, sample := range samples {
		numbers[i] = number(sample)
	}
	slices.Sort(numbers)
	half := len(numbers) / 2
	if len(numbers)%2 == 1 {
		return numbers[half]
	}
	return (numbers[half-1] + numbers[half]) / 2
}
