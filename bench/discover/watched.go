//go:build unix

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/suokelife/suokectl/internal/testenv"
	"github.com/suokelife/suokectl/pkg/discover"
)

const (
	watchedServices = 1000
	idleFor         = 30 * time.Second
	rssGoal         = 100 // MiB
	cpuGoal         = 0.1 // cores
)

// usage is what a process costs while nothing changes.
type usage struct {
	RSS   float64 `json:"rss_mib"`
	Cores float64 `json:"cores"`
}

// watched runs a process that watches 1,000 services: with an agent that lets all of them wait, and with an agent as it
// is out of the box, which takes 200 connections from one address.
func watched(ctx context.Context, b bench) error {
	lifted := testenv.WithConfig("limits", map[string]any{"http_max_conns_per_client": 2 * watchedServices})
	for _, agent := range []struct {
		what    string
		waiting int
		options []testenv.ConsulOption
	}{
		{"each on a connection of its own", watchedServices, []testenv.ConsulOption{lifted}},
		{"100 wait, the others ask in turn", 0, nil},
	} {
		dir, err := os.MkdirTemp(b.dir, "")
		if err != nil {
			return err
		}
		of := bench{out: b.out, runs: b.runs, dir: dir}
		err = of.consul(func(server *testenv.ConsulServer) error { return of.idle(ctx, server.Addr, agent.what, agent.waiting) }, agent.options...)
		if err != nil {
			return err
		}
	}
	return nil
}

func (b bench) idle(ctx context.Context, address, what string, waiting int) error {
	for i := range watchedServices {
		if err := registerSome(ctx, address, serviceName(i), 1); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(ctx, os.Args[0], "-idle", address, "-waiting", strconv.Itoa(waiting))
	cmd.Stderr = os.Stderr
	output, err := cmd.Output()
	if err != nil {
		return err
	}
	var got usage
	if err := json.Unmarshal(output, &got); err != nil {
		return err
	}
	fmt.Fprintf(b.out, "%d watched services, idle for %v, %s\n", watchedServices, idleFor, what)
	if err := b.verdict("memory", got.RSS, rssGoal, " MiB"); err != nil {
		return err
	}
	return b.verdict("processor", got.Cores, cpuGoal, " cores")
}

func serviceName(i int) string { return fmt.Sprintf("service-%04d", i) }

// watchIdle watches every service, and once each was told says what the process costs while nothing changes.
func watchIdle(ctx context.Context, out io.Writer, address string, waiting int) error {
	client, err := discover.New(discover.Config{Address: address, MaxWaiting: waiting})
	if err != nil {
		return err
	}
	defer client.Close() //nolint:errcheck // it never fails
	ctx, cancel := context.WithCancel(ctx)
	var told, watches sync.WaitGroup
	told.Add(watchedServices)
	for i := range watchedServices {
		watches.Go(func() {
			first := true
			for update := range client.Watch(ctx, serviceName(i), discover.Query{}) {
				if first && len(update.Instances) == 1 {
					first = false
					told.Done()
				}
			}
		})
	}
	told.Wait()
	debug.FreeOSMemory() // what the start took is not what idling takes
	before := processorTime()
	time.Sleep(idleFor)
	spent := processorTime() - before
	rss, err := residentMiB()
	cancel()
	watches.Wait()
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(usage{RSS: rss, Cores: spent.Seconds() / idleFor.Seconds()})
}

func processorTime() time.Duration {
	var used syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &used) != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// residentMiB reads Linux's account of the process's memory.
func residentMiB() (float64, error) {
	file, err := os.Open("/proc/self/status")
	if err != nil {
		return 0, err
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "VmRSS:"); ok {
			kib, err := strconv.ParseFloat(strings.Fields(text)[0], 64)
			return kib / 1024, err
		}
	}
	return 0, fmt.Errorf("no VmRSS in %s", file.Name())
}
