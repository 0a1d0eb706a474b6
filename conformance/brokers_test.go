//go:build unix

package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/internal/testenv"
	"github.com/suokelife/suokectl/pkg/spec"
)

const brokersPartitions = 6

// TestBrokers works on a cluster of three brokers while leaders move, and while the brokers that matter most at the
// moment are killed with SIGKILL and come back.
func TestBrokers(t *testing.T) {
	t.Parallel()
	cluster := testenv.KafkaBrokers(t)
	world := brokersWorld{newReplayWorld(t, cluster.Brokers), t.Context(), cluster, nil}
	world.admin = kadm.NewClient(world.raw)
	for _, c := range []struct {
		name string
		run  func(*brokersWorld)
	}{
		{"what is shown while one is down", (*brokersWorld).showsWhoIsDown},
		{"a producer whose leaders move", (*brokersWorld).producesThroughMoves},
		{"a producer that lacks replicas", (*brokersWorld).producesWithoutReplicas},
		{"a group whose coordinator is killed", (*brokersWorld).consumesThroughMoves},
		{"a scan whose leaders move", (*brokersWorld).scansThroughMoves},
		{"a copy whose coordinator is killed", (*brokersWorld).copiesThroughAKill},
	} {
		ok := t.Run(c.name, func(t *testing.T) {
			began := time.Now()
			c.run(world.in(t))
			t.Logf("took %s", time.Since(began).Round(100*time.Millisecond))
		})
		if !ok { // who knows which broker it left dead
			return
		}
	}
}

// brokersWorld is a cluster of three, and the program.
type brokersWorld struct {
	*replayWorld
	ctx   context.Context //nolint:containedctx // of one test
	kafka *testenv.KafkaCluster
	admin *kadm.Client
}

func (w brokersWorld) in(t *testing.T) *brokersWorld {
	program := *w.replayWorld
	program.t, w.replayWorld = t, &program
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	w.ctx = ctx
	return &w
}

func (w *brokersWorld) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *brokersWorld) eventually(what string, ask func() bool) {
	w.t.Helper()
	awaitTrue(w.ctx, w.t, what, ask)
}

// create makes a topic with three copies, and waits until all brokers know it; configs are alternating names and values.
func (w *brokersWorld) create(topic string, configs ...string) {
	w.t.Helper()
	values := map[string]*string{}
	for i := 0; i < len(configs); i += 2 {
		values[configs[i]] = &configs[i+1]
	}
	_, err := w.admin.CreateTopic(w.ctx, brokersPartitions, 3, values, topic)
	w.must(err)
	w.settle(topic)
}

// settle waits until all copies of a topic are in sync.
func (w *brokersWorld) settle(topic string) {
	w.t.Helper()
	w.eventually("the copies of "+topic+" are in sync", func() bool {
		p := w.partitions(topic)
		return len(p) > 0 && !slices.ContainsFunc(p, func(p kadm.PartitionDetail) bool { return len(p.ISR) < len(p.Replicas) || p.Leader < 0 })
	})
}

func (w *brokersWorld) partitions(topic string) []kadm.PartitionDetail {
	w.t.Helper()
	metadata, err := w.admin.Metadata(w.ctx, topic)
	w.must(err)
	return metadata.Topics[topic].Partitions.Sorted()
}

// move lets another broker lead each partition of a topic.
func (w *brokersWorld) move(topic string) {
	w.t.Helper()
	before := w.partitions(topic)
	var assignments kadm.AlterPartitionAssignmentsReq
	var set kadm.TopicsSet
	for _, p := range before {
		assignments.Assign(topic, p.Partition, append(p.Replicas[1:], p.Replicas[0]))
		set.Add(topic, p.Partition)
	}
	_, err := w.admin.AlterPartitionAssignments(w.ctx, assignments)
	w.must(err)
	_, err = w.admin.ElectLeaders(w.ctx, kadm.ElectPreferredReplica, set)
	w.must(err)
	w.eventually("others lead "+topic, func() bool {
		now := w.partitions(topic)
		return !slices.ContainsFunc(before, func(p kadm.PartitionDetail) bool {
			return p.Leader == now[p.Partition].Leader && p.Leader == p.Replicas[0]
		})
	})
}

// kill ends a broker with SIGKILL, and waits until others lead what it led of a topic.
func (w *brokersWorld) kill(id int32, topic string) {
	w.t.Helper()
	w.kafka.Node(id).Kill()
	w.eventually("others lead "+topic, func() bool {
		return !slices.ContainsFunc(w.partitions(topic), func(p kadm.PartitionDetail) bool { return p.Leader == id || p.Leader < 0 })
	})
}

// restore brings brokers back.
func (w *brokersWorld) restore(topic string, ids ...int32) {
	w.t.Helper()
	var starting sync.WaitGroup
	errs := make([]error, len(ids))
	for i, id := range ids {
		starting.Go(func() { errs[i] = w.kafka.Node(id).Restart() })
	}
	starting.Wait()
	w.must(errors.Join(errs...))
	w.settle(topic)
}

// suokectl runs the program, which has to succeed, and returns what it printed.
func (w *brokersWorld) suokectl(args ...string) string {
	w.t.Helper()
	cmd := w.command(w.ctx, args...)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("%v: %v\n%s%s", args, err, out, complaints.String())
	}
	return string(out)
}

// printed decodes what the program prints as JSON, and reports whether it succeeded.
func printed[T any](w *brokersWorld, args ...string) (answer T, ok bool) {
	w.t.Helper()
	out, err := w.command(w.ctx, append(args, "-o", "json")...).Output()
	if err == nil {
		w.must(json.Unmarshal(out, &answer))
	}
	return answer, err == nil
}

// fill makes a topic of numbered records, which are more than is fetched ahead.
func (w *brokersWorld) fill(topic string, n int) {
	w.t.Helper()
	w.create(topic)
	padding := strings.Repeat("x", 1000)
	for i := range n {
		r := &kgo.Record{Topic: topic, Partition: int32(i % brokersPartitions), Key: strconv.AppendInt(nil, int64(i), 10), Value: []byte(padding)}
		w.raw.Produce(w.ctx, r, func(_ *kgo.Record, err error) {
			if err != nil {
				w.t.Error(err)
			}
		})
	}
	w.must(w.raw.Flush(w.ctx))
}

// filling is how many records of a filled topic were read from each partition.
type filling [brokersPartitions]int

// take wants r to be the next of its partition.
func (f *filling) take(r *kgo.Record) error {
	if want := strconv.Itoa(int(r.Partition) + brokersPartitions*f[r.Partition]); string(r.Key) != want {
		return fmt.Errorf("partition %d: got %s in the place of %s", r.Partition, r.Key, want)
	}
	f[r.Partition]++
	return nil
}

func (f *filling) total() (n int) {
	for _, of := range f {
		n += of
	}
	return n
}

// numbered is the n-th event of a key.
func numbered(topic, key string, n int) (value []byte) {
	source := strings.Split(topic, ".")[1]
	value, err := spec.Default().BuildEvent(spec.Meta{ID: fmt.Sprintf("%s/%d", key, n), Type: "thing-happened", Source: source}, json.RawMessage(`{}`))
	if err != nil {
		panic(err) // it is valid
	}
	return value
}

// numberOf is the reverse.
func numberOf(id string) (key string, n int) {
	key, number, _ := strings.Cut(id, "/")
	n, err := strconv.Atoi(number)
	if err != nil {
		panic(err) // nobody else writes here
	}
	return key, n
}
