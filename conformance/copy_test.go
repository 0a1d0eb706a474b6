//go:build unix

package conformance

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/pkg/events"
)

var copyRecords = flag.Int("copy-records", 50_000, "records of the topics that are copied, exported and imported; 1000000 is what is promised")

const copyPartitions = 4

// mixed is a record of some kind: null and empty keys and values, binary, large,
// headers that are there twice.
func mixed(topic string, i int) *kgo.Record {
	r := &kgo.Record{Topic: topic, Partition: int32(i % copyPartitions), Key: fmt.Appendf(nil, "k-%d", i%1000), Value: fmt.Appendf(nil, "%d %x", i, i*i),
		Timestamp: time.Now().Add(-time.Duration(i%3600) * time.Second).Truncate(time.Millisecond)}
	switch i % 7 {
	case 0:
		r.Value = nil
	case 1:
		r.Key, r.Value = nil, []byte{}
	case 2:
		r.Key, r.Value = []byte{}, []byte{0, 0xff, byte(i)}
	case 3:
		r.Headers = []kgo.RecordHeader{{Key: "a", Value: []byte{byte(i)}}, {Key: "b"}, {Key: "a", Value: []byte{}}}
	case 4:
		r.Value = slices.Repeat([]byte{byte(i), 0x00, '"', 0xc3}, i%400)
	}
	return r
}

// copyWorld is a cluster, the program, and a topic of records of all kinds.
type copyWorld struct {
	*replayWorld
	source string
}

func newCopyWorld(t *testing.T, name string) *copyWorld {
	t.Helper()
	w := &copyWorld{newReplayWorld(t, sharedKafka.get(t).Brokers), "test.copy-service." + name + ".v1"}
	w.create(w.source)
	for i := range *copyRecords {
		w.raw.Produce(t.Context(), mixed(w.source, i), func(_ *kgo.Record, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	if err := w.raw.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *copyWorld) create(topic string) {
	w.t.Helper()
	if _, err := kadm.NewClient(w.raw).CreateTopic(w.t.Context(), copyPartitions, 1, nil, topic); err != nil {
		w.t.Fatal(err)
	}
}

// spell tells all of the records of each partition that a copy keeps, in order.
func (w *copyWorld) spell(topic string) [][]string {
	w.t.Helper()
	list := make([][]string, copyPartitions)
	end := events.End()
	_, err := w.client.Scan(w.t.Context(), events.ScanOptions{Topic: topic, Until: &end}, func(r *kgo.Record) error {
		text := fmt.Sprintf("%d %t %x %t %x", r.Timestamp.UnixMilli(), r.Key == nil, r.Key, r.Value == nil, r.Value)
		for _, h := range r.Headers {
			text += fmt.Sprintf(" %q %t %x", h.Key, h.Value == nil, h.Value)
		}
		list[r.Partition] = append(list[r.Partition], text)
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

func (w *copyWorld) same(topic string) {
	w.t.Helper()
	got, want := w.spell(topic), w.spell(w.source)
	for p := range want {
		if !slices.Equal(got[p], want[p]) {
			w.t.Errorf("%s partition %d has %d records, the source %d, or others", topic, p, len(got[p]), len(want[p]))
		}
	}
}

// torment runs a command over and over, kills it with SIGKILL at random moments,
// half the time with a second one beside it, and at the end lets one run finish.
func (w *copyWorld) torment(kills int, args ...string) {
	w.t.Helper()
	life := 500 * time.Millisecond
	killed := 0
	for n := 0; killed < kills && n < 3*kills; n++ {
		first := w.begin(args...)
		sleep(life)
		others := []*exec.Cmd{first}
		if rand.IntN(2) == 0 {
			others = append(others, w.begin(args...))
			sleep(life)
		}
		for _, cmd := range others {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			if cmd.ProcessState.Exited() { // it had come to its end: the next live shorter
				life = life * 4 / 5
			} else {
				killed++
				life = min(life*5/4, 5*time.Second)
			}
		}
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), 2*time.Minute)
	defer cancel()
	out, err := w.command(ctx, args...).CombinedOutput()
	if err != nil {
		w.t.Fatalf("%v: %v\n%s", args, err, out)
	}
	w.t.Logf("%d killed; the last: %s", killed, strings.Join(strings.Fields(string(out)), " "))
}

func (w *copyWorld) begin(args ...string) *exec.Cmd {
	cmd := w.command(w.t.Context(), args...)
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	return cmd
}

// TestCopyKilled copies in one cluster, is killed again and again, and finds the
// target equal to the source, record by record.
func TestCopyKilled(t *testing.T) {
	t.Parallel()
	w := newCopyWorld(t, "copied")
	target := "test.copy-service.copy.v1"
	w.create(target)
	w.torment(20, "events", "copy", w.source, target)
	w.same(target)
}

// TestExportAndImportKilled does the same with an archive: the export is killed
// and gone on with, and so is the import.
func TestExportAndImportKilled(t *testing.T) {
	t.Parallel()
	w := newCopyWorld(t, "exported")
	file := filepath.Join(t.TempDir(), "archive")
	first := w.begin("events", "export", w.source, "--file", file)
	sleep(300 * time.Millisecond)
	_ = first.Process.Kill()
	_ = first.Wait()
	if out, err := w.command(t.Context(), "events", "export", w.source, "--file", file, "--resume").CombinedOutput(); err != nil {
		// It was killed before the header was there: then nothing is gone on with.
		file += "-2"
		t.Logf("resume: %s", out)
		if out, err := w.command(t.Context(), "events", "export", w.source, "--file", file).CombinedOutput(); err != nil {
			t.Fatalf("export: %v\n%s", err, out)
		}
	}
	target := "test.copy-service.imported.v1"
	w.create(target)
	w.torment(10, "events", "import", file, "--to", w.source+"="+target)
	w.same(target)
}
