package events

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/pkg/spec"
)

// queueModel is a queue whose workers take turns as the test draws them.
type queueModel struct {
	*rapid.T
	q       *queue
	working []*line          // at a worker
	waiting map[*line]bool   // for their next try
	done    map[int32][]bool // by partition and number
	tried   map[string]int64 // the last offset of a key that was begun
	over    map[string]bool  // whether it is done
	next    map[int32]int64  // offset
}

// TestQueueKeepsTheOrderOfKeysAndPassesNothing drives a queue at random: the
// records of a key are never at two workers, never out of order, and no
// partition's position passes what is not done, whatever is delivered, retried,
// dropped or revoked.
func TestQueueKeepsTheOrderOfKeysAndPassesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &queueModel{T: t, q: newQueue(spec.Default(), nil)}
		m.q.ctx = context.Background()
		m.reset()
		m.Repeat(map[string]func(*rapid.T){
			"deliver": m.deliver, "take": m.take, "end": m.end, "due": m.due, "revoke": m.revoke, "": m.check,
		})
	})
}

func (m *queueModel) reset() {
	m.working, m.waiting, m.done = nil, map[*line]bool{}, map[int32][]bool{}
	m.tried, m.over, m.next = map[string]int64{}, map[string]bool{}, map[int32]int64{}
}

func (m *queueModel) deliver(t *rapid.T) {
	partition := rapid.Int32Range(0, 2).Draw(t, "partition")
	p := kgo.FetchTopicPartition{Topic: "t", FetchPartition: kgo.FetchPartition{Partition: partition}}
	for range rapid.IntRange(0, 5).Draw(t, "records") {
		r := &kgo.Record{Topic: "t", Partition: partition, Offset: m.next[partition]}
		if k := rapid.IntRange(0, 3).Draw(t, "key"); k > 0 {
			r.Key = []byte{byte('a' + partition), byte('0' + k)}
		}
		m.next[partition]++
		m.done[partition] = append(m.done[partition], false)
		p.Records = append(p.Records, r)
	}
	_ = m.q.deliver(p) // nothing is deleted here
}

// take gives a worker a line, if there is one: a real one would wait.
func (m *queueModel) take(t *rapid.T) {
	m.q.mu.Lock()
	defer m.q.mu.Unlock()
	l := m.q.pop()
	if l == nil {
		return
	}
	l.assignment.running++
	r := l.head.record
	if r.Key != nil {
		last, begun := m.tried[string(r.Key)]
		if begun && (r.Offset < last || r.Offset > last && !m.over[string(r.Key)]) {
			t.Fatalf("key %s: offset %d after %d, which is done: %t", r.Key, r.Offset, last, m.over[string(r.Key)])
		}
		m.tried[string(r.Key)], m.over[string(r.Key)] = r.Offset, false
	}
	for _, other := range m.working {
		if other == l {
			t.Fatal("a line is at two workers")
		}
	}
	m.working = append(m.working, l)
}

func (m *queueModel) end(t *rapid.T) {
	if len(m.working) == 0 {
		return
	}
	i := rapid.IntRange(0, len(m.working)-1).Draw(t, "worker")
	l := m.working[i]
	m.working = slices.Delete(m.working, i, i+1)
	verdict := rapid.SampledFrom([]fate{handled, handled, retried, skipped, duplicate, deadLettered}).Draw(t, "verdict")
	r, live := l.head.record, !l.assignment.closed
	if verdict == retried {
		m.waiting[l] = live
	} else if live {
		m.done[r.Partition][r.Offset] = true
		m.over[string(r.Key)] = true
	}
	m.q.mu.Lock()
	m.q.end(l, outcome{verdict: verdict, wait: time.Hour})
	m.q.mu.Unlock()
}

// due ends the wait of a line.
func (m *queueModel) due(*rapid.T) {
	for l, live := range m.waiting {
		delete(m.waiting, l)
		if live {
			l.timer.Stop()
		}
		m.q.unpark(l)
		return
	}
}

// revoke takes all partitions away and gives them back: what is not committed is
// delivered again.
func (m *queueModel) revoke(t *rapid.T) {
	if rapid.IntRange(0, 9).Draw(t, "rarely") > 0 {
		return
	}
	all := m.q.all()
	m.q.close(all)
	m.check(t)
	for _, a := range all {
		a.cancel(ErrRevoked)
	}
	m.q.forget(all)
	late := m.working
	m.reset()
	m.working = late // their handlers return later
	for _, l := range late {
		if !l.assignment.forgotten {
			t.Fatal("a partition was not forgotten")
		}
	}
}

func (m *queueModel) check(t *rapid.T) {
	for _, a := range m.q.all() {
		want := int64(slices.Index(m.done[a.partition], false))
		if want < 0 {
			want = int64(len(m.done[a.partition]))
		}
		if a.tracker.next.Offset != want {
			t.Fatalf("partition %d may be committed to %d, want %d", a.partition, a.tracker.next.Offset, want)
		}
	}
}

// TestStoppingEndsIdleWorkers, and those that wait for nothing.
func TestStoppingEndsIdleWorkers(t *testing.T) {
	q := newQueue(spec.Default(), nil)
	ended := make(chan *line)
	go func() { ended <- q.next(nil, outcome{}) }()
	q.stop()
	if l := <-ended; l != nil {
		t.Fatalf("a stopped queue gave %v", l)
	}
}

// TestHooksAndDecodersMayPanic and become errors.
func TestGuardTurnsAPanicIntoAnError(t *testing.T) {
	err := guard("the hook", func() error { panic("oh") })
	var p *PanicError
	if !errors.As(err, &p) || p.Value != "oh" || len(p.Stack) == 0 || err.Error() != "the hook panicked: oh" {
		t.Fatalf("got %v", err)
	}
}
