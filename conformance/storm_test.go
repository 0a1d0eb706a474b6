//go:build unix

package conformance

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"

	"github.com/suokelife/suokectl/internal/testenv"
	"github.com/suokelife/suokectl/pkg/discover"
	"github.com/suokelife/suokectl/pkg/discover/consulgrpc"
	"github.com/suokelife/suokectl/pkg/resilience"
	"github.com/suokelife/suokectl/pkg/rpc"
)

// The size of the storm. It lasts until there were so many calls and so many bad instances.
const (
	stormCalls   = 100_000
	stormBad     = 40
	stormCallers = 4 // of a channel, and as many of a pool
	stormTries   = 3
	stormAttempt = 250 * time.Millisecond
	stormOpen    = 2 * time.Second // a breaker
	stormAge     = 5 * time.Second // of the pool's channels
	stormTTL     = 6 * time.Second // of a check: Consul still names a stopped instance so long
	// A call may take all its tries and waits, and what the machine takes.
	stormPatience = 20 * time.Second
	stormMost     = 8 // instances that live at a time
)

var stormSeed = flag.Uint64("storm-seed", 0, "what happens in the storm; 0 is anything")

// TestStorm makes a hundred thousand calls while instances are killed, stopped and added at random. At most two are bad
// and not known to be at a time, so that three tries reach a good one. What ends a call then is the retry budget alone,
// 10 tokens of which each failure takes one and each success gives back a tenth: retries are made while more than 5 are
// left. That happens when many calls fail at once, and it must say so.
//
// It is not parallel: it counts goroutines.
func TestStorm(t *testing.T) {
	before := goleak.IgnoreCurrent()
	seed := *stormSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	s := &storm{
		t: t, random: rand.New(rand.NewPCG(seed, 0)), consul: testenv.Consul(t),
		began: time.Now(), healthyFailures: map[string]int{},
	}
	t.Logf("again with -storm-seed %d", seed)
	client, err := discover.New(discover.Config{Address: s.consul.Addr})
	if err != nil {
		t.Fatal(err)
	}
	for range 6 {
		s.add()
	}
	ways := []*stormWay{{name: "Channel", channel: &stormChannel{storm: s}}, {name: "Pool"}}
	channel, err := rpc.NewChannel(t.Context(), ways[0].channel.config(client))
	if err != nil {
		t.Fatal(err)
	}
	pool := rpc.NewPool(rpc.PoolConfig{
		MaxAge: stormAge,
		Dial:   func(rpc.Key) (rpc.Config, error) { return ways[1].next(s).config(client), nil },
		OnSwap: func(_ rpc.Key, err error) { s.swapped(err) },
	})
	ways[0].conn, ways[1].conn = channel, pool.Conn(rpc.Key{Service: stormService})
	s.blow(ways)
	if err := errors.Join(channel.Close(), pool.Close(), client.Close()); err != nil {
		t.Error(err)
	}
	t.Logf("\n%s", s.tables(ways))
	s.verify(ways)
	s.end()
	s.consul.Stop()
	if err := goleak.Find(before); err != nil {
		t.Error(err)
	}
}

const stormService = "storm-service"

// storm is a service whose instances come and go.
type storm struct {
	t      *testing.T
	random *rand.Rand
	consul *testenv.ConsulServer
	began  time.Time

	living []*stormInstance // looked at by the test's own goroutine alone
	added  int

	mu              sync.Mutex
	episodes        []*episode
	healthyFailures map[string]int // code and message of attempts that failed at instances that were well
	swaps           int
	badSwaps        []error
}

// stormInstance is one that lives.
type stormInstance struct {
	*instanceProcess
	since   time.Time // it has been as it is
	stopped *episode
	until   time.Time // it is stopped
}

// episode is a time in which an instance was bad.
type episode struct {
	address, kind string
	began, ended  time.Time // ended is zero while it is
	tallies       map[*stormChannel]*tally
}

// tally is what a channel met in an episode.
type tally struct{ failures, probings int }

func (e *episode) tally(c *stormChannel) *tally {
	if e.tallies[c] == nil {
		e.tallies[c] = &tally{}
	}
	return e.tallies[c]
}

// stormChannel is a channel that is observed; the pool makes several.
type stormChannel struct {
	storm *storm
	// pooled is whether it is one of the pool's: a call that fails when it has just been replaced is taken for its
	// successor's.
	pooled bool
}

func (c *stormChannel) config(client *discover.Client) rpc.Config {
	return rpc.Config{
		Target:   "consul:///" + stormService + "?version=v1",
		Resolver: consulgrpc.NewBuilder(client),
		Retry: &rpc.Retry{
			Tries: stormTries, AttemptTimeout: stormAttempt,
			Backoff: resilience.Backoff{First: 10 * time.Millisecond, Jitter: 0.2},
			OnRetry: c.failed,
		},
		Breaker: &resilience.BreakerConfig{OpenFor: stormOpen, OnChange: c.changed},
	}
}

// failed notes an attempt that failed: of the last bad time of its instance that it met, or of an instance that is well.
func (c *stormChannel) failed(a rpc.Attempt) {
	c.storm.mu.Lock()
	defer c.storm.mu.Unlock()
	began := time.Now().Add(-time.Duration(a.DurationMS * float64(time.Millisecond)))
	for _, e := range slices.Backward(c.storm.episodes) {
		if e.address == a.Instance && (e.ended.IsZero() || e.ended.After(began)) {
			e.tally(c).failures++
			return
		}
	}
	where := "at a good instance"
	if a.Instance == "" {
		where = "sent nowhere"
	}
	c.storm.healthyFailures[where+": "+a.Code]++
}

func (c *stormChannel) changed(instance string, _, to resilience.State) {
	c.storm.mu.Lock()
	defer c.storm.mu.Unlock()
	for _, e := range slices.Backward(c.storm.episodes) {
		if e.address == instance && to == resilience.HalfOpen {
			e.tally(c).probings++
			return
		}
	}
}

func (s *storm) swapped(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.swaps++
	if err != nil {
		s.badSwaps = append(s.badSwaps, err)
	}
}

// stormWay is a way to call, and what came of it.
type stormWay struct {
	name string
	conn grpc.ClientConnInterface

	mu        sync.Mutex
	channel   *stormChannel       // the newest
	attempts  [stormTries + 1]int // calls by number of attempts
	latencies [stormTries + 1][]time.Duration
	spent     []string // calls that failed since the budget was spent
	failed    []string // calls that failed otherwise
}

// next is the way's next channel.
func (w *stormWay) next(s *storm) *stormChannel {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.channel = &stormChannel{storm: s, pooled: true}
	return w.channel
}

// blow calls on all ways until there were enough calls and enough bad instances.
func (s *storm) blow(ways []*stormWay) {
	stop := make(chan struct{})
	ended := make(chan struct{})
	var callers sync.WaitGroup
	for _, w := range ways {
		for range stormCallers {
			callers.Go(func() { w.call(stop) })
		}
	}
	go func() { callers.Wait(); close(ended) }()
	for !s.enough(ways) {
		time.Sleep(time.Duration(s.random.IntN(200)) * time.Millisecond) // the moment is random, and nothing is waited for
		s.act()
	}
	close(stop)
	<-ended
}

func (s *storm) enough(ways []*stormWay) bool {
	calls := 0
	for _, w := range ways {
		calls += w.calls()
	}
	return calls >= stormCalls && len(s.episodes) >= stormBad
}

func (w *stormWay) calls() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(w.spent) + len(w.failed)
	for _, calls := range w.attempts {
		n += calls
	}
	return n
}

// call calls without a pause.
func (w *stormWay) call(stop <-chan struct{}) {
	client := testgrpc.NewTestServiceClient(w.conn)
	for {
		select {
		case <-stop:
			return
		default:
		}
		ctx, cancel := context.WithTimeout(context.Background(), stormPatience)
		var header metadata.MD
		start := time.Now()
		_, err := client.UnaryCall(ctx, &testgrpc.SimpleRequest{}, grpc.Header(&header))
		w.note(time.Since(start), header, err)
		cancel()
	}
}

func (w *stormWay) note(took time.Duration, header metadata.MD, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	call, ok := errors.AsType[*rpc.CallError](err)
	if ok { // the channel tells of the attempts before it
		w.channel.failed(call.Attempts[len(call.Attempts)-1])
	}
	var retry *resilience.RetryError
	switch {
	case err == nil:
		n := int(header.Get(headerAttempt)[0][0] - '0')
		w.attempts[n]++
		w.latencies[n] = append(w.latencies[n], took)
	case errors.As(err, &retry) && errors.Is(retry.Stopped, resilience.ErrNoBudget):
		w.spent = append(w.spent, err.Error())
	default:
		text := err.Error()
		if ok {
			text += fmt.Sprintf(" %+v", call.Attempts)
		}
		w.failed = append(w.failed, fmt.Sprintf("after %s: %s", took, text))
	}
}

// act lets something happen to an instance.
func (s *storm) act() {
	for _, i := range s.living {
		if i.stopped != nil && time.Now().After(i.until) {
			if s.random.IntN(3) == 0 {
				s.kill(i)
			} else {
				s.carryOn(i)
			}
			return
		}
	}
	victim := s.victim()
	switch {
	case victim == nil || len(s.living) < stormMost && s.random.IntN(3) == 0:
		if len(s.living) < stormMost {
			s.add()
		}
	case s.random.IntN(2) == 0:
		s.kill(victim)
	default:
		s.halt(victim)
	}
}

// victim is an instance that may become bad: at most two are at a time of which a channel does not know it for long,
// and two others that have been well for long must be left.
func (s *storm) victim() *stormInstance {
	bad, well := 0, []*stormInstance{}
	for _, i := range s.living {
		if i.stopped == nil && time.Since(i.since) > 2*stormOpen {
			well = append(well, i)
		}
	}
	for _, e := range s.episodes {
		if e.ended.IsZero() && (e.kind == "stopped" || time.Since(e.began) < 2*stormAttempt) {
			bad++
		}
	}
	if bad >= stormTries-1 || len(well) < 3 {
		return nil
	}
	return well[s.random.IntN(len(well))]
}

func (s *storm) add() {
	s.living = append(s.living, &stormInstance{instanceProcess: startInstance(s.t, s.consul.Addr, stormService), since: time.Now()})
	s.added++
}

// turnsBad begins an episode.
func (s *storm) turnsBad(i *stormInstance, kind string) *episode {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := &episode{address: i.address, kind: kind, began: time.Now(), tallies: map[*stormChannel]*tally{}}
	s.episodes = append(s.episodes, e)
	return e
}

func (s *storm) kill(i *stormInstance) {
	if i.stopped == nil {
		s.turnsBad(i, "killed")
	} else {
		s.mu.Lock()
		i.stopped.kind = "stopped, killed"
		s.mu.Unlock()
	}
	i.kill()
	s.living = slices.DeleteFunc(s.living, func(other *stormInstance) bool { return other == i })
}

func (s *storm) halt(i *stormInstance) {
	i.stopped = s.turnsBad(i, "stopped")
	i.until = time.Now().Add(time.Second/2 + time.Duration(s.random.Int64N(int64(2*time.Second))))
	i.signal(s.t, syscall.SIGSTOP)
}

func (s *storm) carryOn(i *stormInstance) {
	i.signal(s.t, syscall.SIGCONT)
	s.mu.Lock()
	i.stopped.kind, i.stopped.ended = "stopped, went on", time.Now()
	s.mu.Unlock()
	i.stopped, i.since = nil, time.Now()
}

// verify holds what is promised.
func (s *storm) verify(ways []*stormWay) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range ways {
		for _, text := range w.failed {
			s.t.Errorf("%s: a call failed although a good instance was left: %s", w.name, text)
		}
		if n := len(w.spent); n*100 > w.calls() {
			s.t.Errorf("%s: the retry budget ended %d calls, more than one in a hundred: %s", w.name, n, w.spent[0])
		}
	}
	for _, e := range s.episodes {
		for channel, tally := range e.tallies {
			if most := channel.mostFailures(tally.probings); tally.failures > most {
				s.t.Errorf("%s, %s: a channel failed there %d times, want at most %d", e.address, e.kind, tally.failures, most)
			}
		}
	}
	for _, err := range s.badSwaps {
		s.t.Errorf("a swap failed: %v", err)
	}
	if s.swaps == 0 {
		s.t.Error("the pool swapped no channel")
	}
}

// mostFailures is how often calls of a channel may fail at a bad instance: five times in a row, as often as others were
// under way there when the breaker opened, and three times whenever it is half open.
func (c *stormChannel) mostFailures(probings int) int {
	most := 5 + stormCallers - 1 + 3*probings
	if c.pooled {
		most += stormCallers
	}
	return most
}

// end ends all processes; before it, no connection may be left at those that live.
func (s *storm) end() {
	var processes []*instanceProcess
	for _, i := range s.living {
		if i.stopped != nil {
			s.carryOn(i)
		}
		processes = append(processes, i.instanceProcess)
	}
	awaitConnections(s.t, processes, func(n int) bool { return n == 0 })
	for _, p := range processes {
		p.end(s.t)
	}
}

func (s *storm) tables(ways []*stormWay) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out strings.Builder
	_, _ = fmt.Fprintf(&out, "%s; %d instances were there, %d bad times of them; the pool swapped %d times\n\n",
		time.Since(s.began).Round(time.Second), s.added, len(s.episodes), s.swaps)
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "calls\tattempts\tcalls\tmedian\t99 %\tslowest")
	for _, way := range ways {
		for n, list := range way.latencies {
			if len(list) > 0 {
				slices.Sort(list)
				_, _ = fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\t%s\n", way.name, n, len(list), short(list[len(list)/2]), short(list[len(list)*99/100]), short(list[len(list)-1]))
			}
		}
		_, _ = fmt.Fprintf(w, "%s\tbudget spent\t%d\t\t\t\n%s\tfailed\t%d\t\t\t\n", way.name, len(way.spent), way.name, len(way.failed))
	}
	_ = w.Flush()
	_, _ = fmt.Fprintln(&out)
	s.episodeTable(&out)
	for _, what := range slices.Sorted(maps.Keys(s.healthyFailures)) {
		_, _ = fmt.Fprintf(&out, "attempts that failed %s, %d times\n", what, s.healthyFailures[what])
	}
	return out.String()
}

func short(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }

// episodeTable shows how many calls a channel made to an instance while that was bad: all that failed, since none
// succeeds.
func (s *storm) episodeTable(out *strings.Builder) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "an instance was\ttimes\tchannels that called it\tcalls of each (median)\tmost\tmost without a probe")
	kinds := map[string][]*episode{}
	for _, e := range s.episodes {
		kinds[e.kind] = append(kinds[e.kind], e)
	}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		var calls []int
		unprobed := 0
		for _, e := range kinds[kind] {
			for _, tally := range e.tallies {
				calls = append(calls, tally.failures)
				if tally.probings == 0 {
					unprobed = max(unprobed, tally.failures)
				}
			}
		}
		slices.Sort(calls)
		if len(calls) == 0 {
			calls = []int{0}
		}
		_, _ = fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\n", kind, len(kinds[kind]), len(calls), calls[len(calls)/2], calls[len(calls)-1], unprobed)
	}
	_ = w.Flush()
}
