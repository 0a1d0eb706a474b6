package discover_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/spf13/cobra"

	cmd "github.com/suokelife/suokectl/cmd/discover"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/lab/consul"
	"github.com/suokelife/suokectl/pkg/discover"
)

// shared is a buffer that one goroutine fills while another looks.
type shared struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *shared) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// watched is a `discover watch` that runs.
type watched struct {
	*terminal
	out, errOut *shared
	cancel      context.CancelCauseFunc
	ended       chan error
	keys        *io.PipeWriter
}

// watch starts the verb; prepare may change the terminal before.
func watch(t *testing.T, address string, prepare func(*terminal), args ...string) *watched {
	t.Helper()
	w := &watched{terminal: newTerminal(t, address), out: &shared{}, errOut: &shared{}, ended: make(chan error, 1)}
	keys, typing := io.Pipe()
	w.IO.In, w.IO.Out, w.IO.ErrOut, w.keys = keys, w.out, w.errOut, typing
	if prepare != nil {
		prepare(w.terminal)
	}
	root := &cobra.Command{Use: "suokectl", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(cmd.NewCmdDiscover(w.Factory))
	root.SetArgs(append([]string{"discover", "watch"}, args...))
	ctx, cancel := context.WithCancelCause(t.Context())
	w.cancel = cancel
	go func() { w.ended <- root.ExecuteContext(ctx) }()
	t.Cleanup(func() { _ = w.end() })
	return w
}

// end interrupts the verb and returns how it ended.
func (w *watched) end() error {
	_ = w.keys.Close() // no terminal's read could be given up like a file's
	w.cancel(failure.ErrInterrupted)
	return w.result()
}

func (w *watched) result() error {
	err := <-w.ended
	w.ended <- err
	return err
}

// await waits until the text matches.
func await(t *testing.T, what func() string, pattern string) string {
	t.Helper()
	want := regexp.MustCompile(pattern)
	deadline := time.Now().Add(15 * time.Second)
	for !want.MatchString(what()) {
		if time.Now().After(deadline) {
			t.Fatalf("no %s in\n%s", pattern, what())
		}
		time.Sleep(5 * time.Millisecond)
	}
	return what()
}

// shop is a Consul of the test's own, with a client.
type shop struct {
	t      *testing.T
	server *consul.Server
	client *discover.Client
}

func newShop(t *testing.T) *shop {
	t.Helper()
	server, err := consul.Start(consul.Options{})
	if err != nil {
		t.Fatal(err)
	}
	client, err := discover.New(discover.Config{Address: server.Addr()})
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{t: t, server: server, client: client}
	t.Cleanup(func() { _, _ = s.client.Close(), s.server.Close() })
	return s
}

// set registers an instance of pay-service and reports its health.
func (s *shop) set(port int, health discover.Health, output string, change ...func(*discover.Registration)) {
	s.t.Helper()
	r := discover.Registration{
		Name: "pay-service", Version: "v1", Address: "127.0.0.1", Port: port, Tags: []string{"prod"},
		Checks: []discover.CheckConfig{{TTL: time.Hour}},
	}
	for _, c := range change {
		c(&r)
	}
	id, err := s.client.Register(s.t.Context(), r)
	if err != nil {
		s.t.Fatal(err)
	}
	s.report(id, health, output)
}

func (s *shop) report(id string, health discover.Health, output string) {
	s.t.Helper()
	if err := s.client.Report(s.t.Context(), discover.CheckID(id, 0), health, output); err != nil {
		s.t.Fatal(err)
	}
}

// restart ends Consul, awaits that somebody notices, and starts an empty one in its place.
func (s *shop) restart(noticed func()) {
	s.t.Helper()
	address := s.server.Addr()
	_ = s.server.Close()
	noticed()
	server, err := consul.Start(consul.Options{Addr: address})
	if err != nil {
		s.t.Fatal(err)
	}
	s.server = server
}

const one = "pay-service-127.0.0.1-1"

func TestWatchLogsOnlyChanges(t *testing.T) {
	s := newShop(t)
	s.set(1, discover.Passing, "")
	w := watch(t, s.server.Addr(), nil, "pay-service")
	await(t, w.errOut.String, `^watching pay-service: 1 passing\n`)
	s.report(one, discover.Critical, "connection\nrefused")
	await(t, w.out.String, one+` passing → critical: connection refused\n`)
	s.report(one, discover.Passing, "")
	await(t, w.out.String, one+` critical → passing\n`)
	s.set(1, discover.Passing, "", func(r *discover.Registration) { r.Tags, r.Version = []string{"canary", "x"}, "v2" })
	await(t, w.out.String, one+` version: v1 → v2; tags: prod → canary,x\n`)
	s.set(1, discover.Passing, "", func(r *discover.Registration) {
		r.Tags, r.Version, r.Meta = []string{"canary", "x"}, "v2", map[string]string{"team": "pay"}
	})
	await(t, w.out.String, one+` meta: version=v2 → team=pay,version=v2\n`)
	s.set(2, discover.Passing, "")
	await(t, w.out.String, `pay-service-127.0.0.1-2 added at 127.0.0.1:2, version v1, critical`)
	if err := s.client.Deregister(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	await(t, w.out.String, one+` removed, was passing\n`)
	if err := w.end(); !errors.Is(err, failure.ErrInterrupted) {
		t.Errorf("ended with %v", err)
	}
	for line := range strings.Lines(w.out.String()) {
		if _, err := time.Parse(time.RFC3339, strings.Fields(line)[0]); err != nil {
			t.Errorf("%q does not begin with a time: %v", line, err)
		}
	}
}

func TestWatchMarksFlapping(t *testing.T) {
	s := newShop(t)
	s.set(1, discover.Passing, "")
	w := watch(t, s.server.Addr(), nil, "pay-service")
	await(t, w.errOut.String, "watching")
	for i, health := range []discover.Health{discover.Critical, discover.Passing, discover.Critical, discover.Passing} {
		s.report(one, health, "")
		text := await(t, w.out.String, fmt.Sprintf(`(.*\n){%d}`, i+1))
		if got, want := strings.Contains(text, "(flapping)"), i == 3; got != want {
			t.Errorf("after %d changes flapping is %v:\n%s", i+1, got, text)
		}
	}
}

func TestWatchNDJSON(t *testing.T) {
	s := newShop(t)
	s.set(1, discover.Passing, "")
	w := watch(t, s.server.Addr(), nil, "pay-service", "-o", "ndjson")
	first := watch(t, s.server.Addr(), nil, "pay-service") // tells when it began to watch; the other is silent
	await(t, first.errOut.String, "watching")
	deadline := time.Now().Add(10 * time.Second)
	for health := discover.Critical; w.out.String() == "" && time.Now().Before(deadline); {
		s.report(one, health, "so it is")
		health = map[discover.Health]discover.Health{discover.Critical: discover.Warning, discover.Warning: discover.Critical}[health]
		time.Sleep(20 * time.Millisecond)
	}
	s.restart(func() { await(t, w.out.String, `"type":"stale"`) })
	text := await(t, w.out.String, `(?s)"type":"stale".*"type":"fresh".*"type":"removed"`)
	keys := []string{"after", "age_seconds", "before", "error", "fields", "flapping", "service", "time", "type", "why"}
	types := map[string]map[string]any{}
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		var e map[string]any
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		if got := slices.Sorted(maps.Keys(e)); !slices.Equal(got, keys) {
			t.Errorf("the keys are %v", got)
		}
		types[e["type"].(string)] = e
	}
	change := types["changed"]
	after, _ := change["after"].(map[string]any)
	if fmt.Sprint(change["fields"]) != "[health]" || change["before"] == nil || after["id"] != one || !strings.Contains(change["why"].(string), "so it is") {
		t.Errorf("changed: %v", change)
	}
	if e := types["stale"]; e["error"] == "" || e["age_seconds"].(float64) < 0 || e["before"] != nil {
		t.Errorf("stale: %v", e)
	}
	if e := types["removed"]; e["after"] != nil || e["before"] == nil {
		t.Errorf("removed: %v", e)
	}
	if first.errOut.String() == "" || w.errOut.String() != "" {
		t.Errorf("talk beside objects: %q", w.errOut)
	}
}

func TestWatchFailsAtOnceWithoutAnyAnswer(t *testing.T) {
	w := watch(t, "127.0.0.1:1", nil, "pay-service")
	if err := w.result(); !errors.Is(err, discover.ErrUnreachable) {
		t.Errorf("got %v", err)
	}
}

func TestWatchOfNobody(t *testing.T) {
	s := newShop(t)
	w := watch(t, s.server.Addr(), nil, "pay-service")
	await(t, w.errOut.String, "watching pay-service: no instance is there")
	s.set(1, discover.Passing, "")
	await(t, w.out.String, "added")
}

// play is what a terminal shows after text was written to it, on its alternate buffer, and what stays when it is left.
func play(text string) (page []string, stays string) {
	text, stays, _ = strings.Cut(text, "\x1b[?1049l")
	row := 0
	for text != "" {
		seq, _, n, _ := ansi.DecodeSequence(text, ansi.NormalState, nil)
		text = text[n:]
		var at int
		switch _, err := fmt.Sscanf(seq, "\x1b[%d;1H", &at); {
		case err == nil:
			row = at - 1
			page = append(page, make([]string, max(row+1-len(page), 0))...)
		case seq == "\x1b[K":
			page[row] = ""
		case seq == "\x1b[J":
			page = page[:row]
		case seq == "\x1b[2J":
			page = nil
		case strings.HasPrefix(seq, "\x1b[?"), strings.HasPrefix(seq, "\x1b[") && strings.HasSuffix(seq, "m"):
		default:
			page[row] += seq
		}
	}
	return page, stays
}

func (w *watched) page() string {
	page, _ := play(w.out.String())
	return strings.Join(page, "\n")
}

func onTTY(columns, rows int) func(*terminal) {
	return func(f *terminal) {
		f.IO.SetTTY(true, true, true)
		f.IO.SetColor(true)
		f.IO.SetSize(func() (int, int) { return columns, rows })
	}
}

func TestWatchTable(t *testing.T) {
	hostile := "\x1b[2Jevil\x1b]0;title\x07\u202e\nsecond line"
	s := newShop(t)
	s.set(1, discover.Passing, "")
	s.set(2, discover.Passing, "")
	s.report("pay-service-127.0.0.1-2", discover.Critical, hostile+strings.Repeat(" long", 60))
	s.set(3, discover.Warning, "slow", func(r *discover.Registration) { r.Version = "v1" + hostile })
	s.set(4, discover.Passing, "", func(r *discover.Registration) { r.Address = "2001:db8:1234:5678:9abc:def0:1234:5678" })
	for _, columns := range []int{10, 40, 44, 60, 80, 160} {
		t.Run(fmt.Sprint(columns), func(t *testing.T) {
			w := watch(t, s.server.Addr(), onTTY(columns, 24), "pay-service")
			await(t, w.page, "q le")
			s.report(one, discover.Critical, hostile)
			page := await(t, w.page, `\d\d:\d\d:\d\d?`) // before it changes back, which unseen is no change
			s.report(one, discover.Passing, "")
			for line := range strings.Lines(page) {
				if got := ansi.StringWidth(strings.TrimRight(line, "\n")); got > columns {
					t.Errorf("a line of %d columns: %q", got, line)
				}
			}
			if raw := w.out.String(); strings.ContainsAny(raw, "\u202e\x07\n") || strings.Contains(raw, "\x1b[2Jevil") || strings.Contains(raw, "\x1b]") {
				t.Errorf("escapes of the network reach the terminal: %q", raw)
			}
			want := map[int]string{
				10:  `pay-servi…`,
				40:  `(?s)ADDRESS +HEALTH +SINCE +FLAPS\n127\.0\.0\.1:1 +passing`,
				44:  `(?s)^pay-servi…  2 passing, 1 warning, 1 critical\n`,
				60:  `(?s)ADDRESS +HEALTH +SINCE +FLAPS +LAST \w+ *\n`,
				80:  `(?s)pay-service  2 passing, 1 warning, 1 critical +watching for \d+s\nADDRESS +VERSION +HEALTH`,
				160: `(?s)LAST 5m +WHY *\n.*critical +\S+ +0 +\S+▁+ +\S*evil`,
			}[columns]
			await(t, w.page, want)
		})
	}
}

func TestWatchTableFollowsTheTerminal(t *testing.T) {
	s := newShop(t)
	for port := range 30 {
		s.set(port+1, discover.Passing, "")
	}
	s.set(30, discover.Critical, "")
	var mu sync.Mutex
	columns, rows := 160, 50
	resize := func(c, r int) {
		mu.Lock()
		defer mu.Unlock()
		columns, rows = c, r
	}
	w := watch(t, s.server.Addr(), func(f *terminal) {
		onTTY(0, 0)(f)
		f.IO.SetSize(func() (int, int) {
			mu.Lock()
			defer mu.Unlock()
			return columns, rows
		})
	}, "pay-service")
	if page := await(t, w.page, "q leaves"); strings.Count(page, "127.0.0.1:") != 30 {
		t.Errorf("not all are shown:\n%s", page)
	}
	resize(60, 12)
	page := await(t, w.page, `(?s)FLAPS[^\n]*\n127.0.0.1:30 +v1 +critical.*… and \d\d more, passing\n`)
	if lines := strings.Split(page, "\n"); len(lines) > 12 || slices.ContainsFunc(lines, func(l string) bool { return ansi.StringWidth(l) > 60 }) {
		t.Errorf("the page does not fit:\n%s", page)
	}
	for _, tiny := range []int{1, 2, 3} {
		resize(tiny, tiny)
		await(t, func() string { p := w.page(); return fmt.Sprint(len(strings.Split(p, "\n")), ansi.StringWidth(p)) }, fmt.Sprintf(`^[0-%d] `, tiny))
	}
}

func TestWatchTableTellsAnOutage(t *testing.T) {
	s := newShop(t)
	s.set(1, discover.Passing, "")
	w := watch(t, s.server.Addr(), onTTY(100, 24), "pay-service")
	await(t, w.page, `127\.0\.0\.1:1 .*passing`)
	s.restart(func() {
		await(t, w.page, `(?s)\nSTALE, \d+s old: connection refused; .*127\.0\.0\.1:1 .*passing.*Consul cannot be asked`)
	})
	page := await(t, w.page, `(?s)^pay-service  no instance is there.*127\.0\.0\.1:1 .*gone.*Consul answers again`)
	if strings.Contains(page, "STALE") {
		t.Errorf("still stale:\n%s", page)
	}
}

func TestWatchTableIsLeft(t *testing.T) {
	s := newShop(t)
	s.set(1, discover.Passing, "")
	for key, code := range map[string]int{"q": failure.CodeDone, "\x03": failure.CodeInterrupted} {
		w := watch(t, s.server.Addr(), onTTY(80, 24), "pay-service")
		await(t, w.page, "q leaves")
		if _, err := io.WriteString(w.keys, "x"+key); err != nil {
			t.Fatal(err)
		}
		_ = w.keys.Close()
		if err := w.result(); failure.Code(t.Context(), err) != code {
			t.Errorf("%q: %v", key, err)
		}
		_, stays := play(w.out.String())
		if !strings.Contains(stays, "passing") || strings.Contains(stays, "q leaves") || !strings.HasSuffix(stays, "\n") {
			t.Errorf("what stays is %q", stays)
		}
	}
}

// slow is a terminal that takes nothing until it is told to.
type slow struct {
	shared
	blocked chan struct{}
	writes  int
}

func (s *slow) Write(p []byte) (int, error) {
	s.mu.Lock()
	s.writes++
	s.mu.Unlock()
	<-s.blocked
	return s.shared.Write(p)
}

func (s *slow) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

func TestWatchDoesNotWaitForASlowTerminal(t *testing.T) {
	s := newShop(t)
	s.set(1, discover.Passing, "")
	out := &slow{blocked: make(chan struct{})}
	release := sync.OnceFunc(func() { close(out.blocked) })
	log := t.TempDir() + "/log"
	watch(t, s.server.Addr(), func(f *terminal) { onTTY(80, 24)(f); f.IO.Out = out }, "pay-service", "--exec", "echo x >> "+log)
	t.Cleanup(release)
	await(t, func() string { return fmt.Sprint(out.count()) }, "1") // it begins to draw when it has seen the first set
	for range 20 {                                                  // each is seen, since the hook sees it, and none is drawn
		for _, health := range []discover.Health{discover.Critical, discover.Warning} {
			s.report(one, health, "")
		}
	}
	await(t, func() string { return readFile(log) }, "x")
	s.report(one, discover.Critical, "the last word")
	if n := out.count(); n > 1 {
		t.Errorf("%d writes are under way", n)
	}
	release()
	await(t, func() string { page, _ := play(out.String()); return strings.Join(page, "\n") }, `critical.*\n`)
}
