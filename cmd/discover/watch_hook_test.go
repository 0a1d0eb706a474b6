//go:build unix

package discover_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/suokelife/suokectl/pkg/discover"
)

func readFile(name string) string {
	text, err := os.ReadFile(name)
	if err != nil {
		return ""
	}
	return string(text)
}

type given struct {
	Service   string
	Changes   []discover.Change
	Instances []discover.Instance
}

func inputs(t *testing.T, text string) []given {
	t.Helper()
	var all []given
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		var g given
		if err := json.Unmarshal(lines.Bytes(), &g); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		all = append(all, g)
	}
	return all
}

func TestWatchExec(t *testing.T) {
	s := newShop(t)
	s.set(1, discover.Passing, "")
	dir := t.TempDir()
	w := watch(t, s.server.Addr(), nil, "pay-service", "--exec",
		"cat >> "+dir+"/in; echo $SUOKECTL_WATCH_SERVICE $SUOKECTL_WATCH_CHANGES $SUOKECTL_WATCH_INSTANCES $SUOKECTL_WATCH_PASSING; exit 7")
	await(t, w.errOut.String, "watching")
	s.report(one, discover.Critical, "down")
	await(t, w.errOut.String, `pay-service 1 1 0\n--exec failed after .*: exit status 7`)
	got := inputs(t, readFile(dir+"/in"))
	if len(got) != 1 || got[0].Service != "pay-service" || got[0].Changes[0].After.Health != discover.Critical || len(got[0].Instances) != 1 {
		t.Errorf("it was given %+v", got)
	}
	s.report(one, discover.Passing, "")
	await(t, w.errOut.String, `pay-service 1 1 1\n`) // it goes on after the failure
}

// TestWatchExecCoalesces: what changes while the command runs is one run more, and what changed back is none.
func TestWatchExecCoalesces(t *testing.T) {
	s := newShop(t)
	s.set(1, discover.Passing, "")
	s.set(2, discover.Passing, "")
	dir := t.TempDir()
	w := watch(t, s.server.Addr(), nil, "pay-service", "--exec",
		"cat >> "+dir+"/in; while [ ! -e "+dir+"/go ]; do sleep 0.02; done; echo ran")
	await(t, w.errOut.String, "watching")
	s.report(one, discover.Critical, "1")
	await(t, func() string { return readFile(dir + "/in") }, "\n")
	for range 10 {
		s.report(one, discover.Passing, "")
		s.report(one, discover.Critical, "2")
	}
	s.report("pay-service-127.0.0.1-2", discover.Warning, "the only difference")
	await(t, w.out.String, "127.0.0.1-2 passing → warning")
	if err := os.WriteFile(dir+"/go", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	await(t, w.errOut.String, "ran\n(.*\n)*ran\n")
	got := inputs(t, readFile(dir+"/in"))
	if len(got) != 2 || len(got[1].Changes) != 1 || got[1].Changes[0].After.Health != discover.Warning {
		t.Errorf("it was given %+v", got)
	}
}

func TestWatchExecEndsWithTheWatch(t *testing.T) {
	s := newShop(t)
	s.set(1, discover.Passing, "")
	pid := t.TempDir() + "/pid"
	w := watch(t, s.server.Addr(), nil, "pay-service", "--exec", "trap '' TERM; sleep 1000 & echo $! > "+pid+"; wait; wait")
	await(t, w.errOut.String, "watching")
	s.report(one, discover.Critical, "")
	id, err := strconv.Atoi(strings.TrimSpace(await(t, func() string { return readFile(pid) }, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	_ = w.end()
	await(t, func() string {
		if stat := readFile("/proc/" + strconv.Itoa(id) + "/stat"); strings.Contains(stat, ") Z ") {
			return "gone" // and not yet waited for by init
		}
		if err := syscall.Kill(id, 0); errors.Is(err, syscall.ESRCH) {
			return "gone"
		}
		return "alive"
	}, "gone")
	if !strings.Contains(w.errOut.String(), "--exec failed") {
		t.Errorf("nothing is said of the command that was ended: %q", w.errOut)
	}
}

func TestWatchExecOutputIsBounded(t *testing.T) {
	s := newShop(t)
	s.set(1, discover.Passing, "")
	w := watch(t, s.server.Addr(), nil, "pay-service", "--exec", "yes | head -c 1000000")
	await(t, w.errOut.String, "watching")
	s.report(one, discover.Critical, "")
	if text := await(t, w.errOut.String, "the rest is left out, beyond 32 KiB"); len(text) > 34<<10 {
		t.Errorf("%d bytes", len(text))
	}
}
