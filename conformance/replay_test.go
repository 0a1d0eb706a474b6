//go:build unix

package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/events/dlq"
	"github.com/suokelife/suokectl/pkg/spec"
)

const (
	replayLetters    = 20_000
	replayPartitions = 4
	replayKills      = 20
)

// TestReplayKilled replays with the program itself on a real Kafka, kills it with SIGKILL at random moments, half the
// time with a second one beside it that takes over, and counts what readers see.
func TestReplayKilled(t *testing.T) {
	t.Parallel()
	w := newReplayWorld(t, sharedKafka.get(t).Brokers)
	table := []string{"round  kills  beside  fenced  in the topic  missing  twice  unselected  ledger wrong  replayed after each kill"}
	undisturbed := w.round(0)
	began := time.Now()
	undisturbed.end()
	w.life = time.Since(began)
	table = append(table, undisturbed.verify())
	for kills, round := 0, 1; kills < replayKills; round++ {
		r := w.round(round)
		for r.progress() < len(r.selected) {
			r.killOnce()
		}
		r.end()
		kills += r.kills
		table = append(table, r.verify())
	}
	t.Logf("a run that nothing disturbs takes %s\n%s", w.life.Round(time.Millisecond), strings.Join(table, "\n"))
}

// replayWorld is a cluster and the program.
type replayWorld struct {
	t      *testing.T
	binary string
	env    []string
	life   time.Duration // of a run that nothing disturbs; kills fall inside of it
	raw    *kgo.Client
	client *events.Client
}

func newReplayWorld(t *testing.T, brokers []string) *replayWorld {
	t.Helper()
	dir := t.TempDir()
	w := &replayWorld{t: t, binary: filepath.Join(dir, "suokectl")}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", w.binary, ".")
	build.Dir = ".." // the program's own module, with its versions
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}
	w.env = append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir+"/config", "XDG_CACHE_HOME="+dir+"/cache", "XDG_STATE_HOME="+dir+"/state", "XDG_RUNTIME_DIR="+dir)
	for _, args := range [][]string{
		{"config", "set-context", "real", "kafka.brokers=" + strings.Join(brokers, ",")},
		{"config", "use-context", "real"},
	} {
		if out, err := w.command(t.Context(), args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	var err error
	if w.client, err = events.New(events.Config{Brokers: brokers}); err != nil {
		t.Fatal(err)
	}
	w.raw, err = w.client.Open(t.Context(), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.raw.Close()
		_ = w.client.Close()
	})
	return w
}

func (w *replayWorld) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, w.binary, args...)
	cmd.Env = w.env
	return cmd
}

// replayRound is one dead-letter topic.
type replayRound struct {
	*replayWorld
	number                int
	origin, letters       string
	selected              map[string]bool // ids of the events
	fingerprint           string
	kills, beside, fenced int
	replayed              int
	steps                 []string // how much was replayed after each kill
}

func (w *replayWorld) round(number int) *replayRound {
	w.t.Helper()
	r := &replayRound{replayWorld: w, number: number, selected: map[string]bool{}}
	r.origin = fmt.Sprintf("test.replay-service.killed.v%d", number+1)
	r.letters = r.origin + ".dlq"
	admin := kadm.NewClient(w.raw)
	for _, topic := range []string{r.origin, r.letters} {
		if _, err := admin.CreateTopic(w.t.Context(), replayPartitions, 1, nil, topic); err != nil {
			w.t.Fatal(err)
		}
	}
	r.write()
	client, err := dlq.Open(w.t.Context(), w.client)
	if err != nil {
		w.t.Fatal(err)
	}
	groups, err := client.Groups(w.t.Context(), r.letters)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, g := range groups {
		if g.Class == "chosen" {
			r.fingerprint = g.Fingerprint
		}
	}
	return r
}

// write makes the letters, of which three in five are to be selected. They are large, so that a partition takes several
// transactions.
func (r *replayRound) write() {
	r.t.Helper()
	padding := strings.Repeat("x", 4000)
	var failed error
	var mu sync.Mutex
	for i := range replayLetters {
		id := fmt.Sprintf("event-%d", i)
		reason := "left"
		if i%5 < 3 {
			reason, r.selected[id] = "chosen", true
		}
		partition := int32(i % replayPartitions)
		value, err := spec.Default().BuildEvent(spec.Meta{ID: id, Type: "killed", Source: "replay-service"}, json.RawMessage(`"`+padding+`"`))
		if err != nil {
			r.t.Fatal(err)
		}
		value, place := spec.Default().AddDeadLetter(value, spec.DeadLetter{Error: reason, OriginalTopic: r.origin, Time: time.Now()})
		r.raw.Produce(r.t.Context(), &kgo.Record{Topic: r.letters, Partition: partition, Key: []byte(strconv.Itoa(i % 100)), Value: value, Headers: []kgo.RecordHeader{
			{Key: spec.HeaderDLQError, Value: []byte(reason)},
			{Key: spec.HeaderDLQOriginalPartition, Value: []byte(strconv.Itoa(int(partition)))},
			{Key: spec.HeaderDLQPlace, Value: []byte(place)},
		}}, func(_ *kgo.Record, err error) {
			mu.Lock()
			defer mu.Unlock()
			failed = errors.Join(failed, err)
		})
	}
	if err := r.raw.Flush(r.t.Context()); err != nil || failed != nil {
		r.t.Fatal(err, failed)
	}
}

// start runs the program; the returned function waits for it and says what it printed.
func (r *replayRound) start() (*exec.Cmd, func() string) {
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	cmd := r.command(ctx, "events", "dlq", "replay", r.letters, "--fingerprint", r.fingerprint, "--take-over", "-o", "json")
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGQUIT) } // it hangs: it says where
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	return cmd, func() string {
		defer cancel()
		_ = cmd.Wait() // the ledger judges, not the exit code
		return out.String()
	}
}

// killOnce starts a replay and kills it at a random moment of its life, half the time with another beside it, which is
// mostly killed too.
func (r *replayRound) killOnce() {
	first, waitFirst := r.start()
	sleep(r.life)
	var second *exec.Cmd
	waitSecond := func() string { return "" }
	if rand.IntN(2) == 0 {
		r.beside++
		second, waitSecond = r.start()
		sleep(r.life)
		if rand.IntN(8) > 0 {
			_ = second.Process.Kill()
		}
	}
	_ = first.Process.Kill()
	for _, out := range []string{waitFirst(), waitSecond()} {
		if strings.Contains(out, `"fenced"`) {
			r.fenced++
		}
	}
	for _, cmd := range []*exec.Cmd{first, second} {
		if cmd != nil && !cmd.ProcessState.Exited() {
			r.kills++ // it was alive until then
		}
	}
	r.aim()
}

// aim notes how far the replay has come, and lets the next run live shorter when this one came to its end, longer when
// it had not begun: the machine is not equally fast all the time.
func (r *replayRound) aim() {
	r.t.Helper()
	before, now := r.replayed, r.progress()
	r.replayed = now
	r.steps = append(r.steps, strconv.Itoa(now))
	switch now {
	case len(r.selected):
		r.life = r.life * 2 / 3
	case before:
		r.life = r.life * 5 / 4
	}
}

// progress is how many letters the ledger has.
func (r *replayRound) progress() int {
	r.t.Helper()
	client, err := dlq.Open(r.t.Context(), r.client)
	if err != nil {
		r.t.Fatal(err)
	}
	entries, err := client.Entries(r.t.Context(), r.letters)
	if err != nil {
		r.t.Fatal(err)
	}
	n := 0
	for _, list := range entries {
		n += len(list)
	}
	return n
}

// sleep lets a random part of a time pass: it is the moment of the kill that is random.
func sleep(most time.Duration) { time.Sleep(rand.N(most)) }

// end lets one run come to its end.
func (r *replayRound) end() {
	r.t.Helper()
	cmd, wait := r.start()
	if out := wait(); cmd.ProcessState.ExitCode() != 0 {
		r.t.Fatalf("the last run failed: %s", out)
	}
}

// verify compares the topic and the ledger with the truth.
func (r *replayRound) verify() string {
	r.t.Helper()
	seen, at := map[string]int{}, map[string]string{}
	now := events.End()
	_, err := r.client.Scan(r.t.Context(), events.ScanOptions{Topic: r.origin, Until: &now}, func(rec *kgo.Record) error {
		event, err := spec.Default().ParseEvent(rec.Value)
		if err != nil {
			return err
		}
		seen[event.Meta.ID]++
		at[fmt.Sprintf("%d/%d", rec.Partition, rec.Offset)] = event.Meta.ID
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	missing, twice, unselected := 0, 0, 0
	for id := range r.selected {
		if seen[id] == 0 {
			missing++
		}
	}
	for id, n := range seen {
		if n > 1 {
			twice++
		}
		if !r.selected[id] {
			unselected++
		}
	}
	wrong := r.verifyLedger(at)
	if missing+twice+unselected+wrong > 0 {
		r.t.Errorf("round %d: missing %d, twice %d, unselected %d, ledger wrong %d", r.number, missing, twice, unselected, wrong)
	}
	return fmt.Sprintf("%5d  %5d  %6d  %6d  %12d  %7d  %5d  %10d  %12d", r.number, r.kills, r.beside, r.fenced, len(at), missing, twice, unselected, wrong) + "  " + strings.Join(r.steps, " ")
}

// verifyLedger counts the entries whose letter is not the event at the place that they name, and those that lack.
func (r *replayRound) verifyLedger(at map[string]string) int {
	r.t.Helper()
	client, err := dlq.Open(r.t.Context(), r.client)
	if err != nil {
		r.t.Fatal(err)
	}
	idOf := map[string]string{}
	err = client.Letters(r.t.Context(), r.letters, func(l dlq.Letter) error {
		idOf[fmt.Sprintf("%d/%d", l.Partition, l.Offset)] = l.EventID
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	entries, err := client.Entries(r.t.Context(), r.letters)
	if err != nil {
		r.t.Fatal(err)
	}
	right, wrong := 0, 0
	for p, list := range entries {
		for _, e := range list {
			if e.Target == r.origin && at[fmt.Sprintf("%d/%d", e.Partition, e.Offset)] == idOf[fmt.Sprintf("%d/%d", p, e.Letter)] {
				right++
			} else {
				wrong++
			}
		}
	}
	return wrong + max(0, len(r.selected)-right)
}
