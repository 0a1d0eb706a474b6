package events

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/suokelife/suokectl/pkg/events/internal/lent"
)

// What one answer may hold; a broker sends at least one batch, however large.
const (
	answerBytes    = 8 << 20
	leastPartition = 64 << 10
	mostPartition  = 4 << 20
)

// followWait is how long a broker may wait for records to come.
const followWait = time.Second

// patience is how long a partition may be without an answer.
const patience = time.Minute

// The waits before a lane asks again.
const (
	firstPause = 20 * time.Millisecond
	longPause  = 2 * time.Second
)

// errBehind is the trouble with a leader that does not have what there was.
var errBehind = errors.New("the broker does not have all the records that were there")

// scanLane fetches for some partitions. They had one leader when it started; when
// that changes it asks one broker after the other.
type scanLane struct {
	*scan
	cursors []*cursor
	beside  int           // lanes that run at the same time, this one included
	wake    chan struct{} // a cursor wants more
	chunks  []*chunk      // to be handed on

	turn    int
	trouble error // what keeps it from going on
	since   time.Time
	pause   time.Duration
}

func (s *scan) startLane(ctx context.Context, cursors []*cursor, beside int) {
	l := &scanLane{scan: s, cursors: cursors, beside: beside, wake: make(chan struct{}, 1)}
	for _, c := range cursors {
		c.lane = l
	}
	s.running.Go(func() { l.run(ctx) })
}

func (l *scanLane) run(ctx context.Context) {
	for {
		wanted, open := l.wanted()
		switch {
		case !open:
			l.handOn(ctx)
			return
		case len(wanted) == 0:
			l.handOn(ctx)
			l.idle(ctx)
		default:
			if err := l.round(ctx, wanted); err != nil {
				l.add(&chunk{cursor: wanted[0], err: err})
				l.handOn(ctx)
				return
			}
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// wanted returns the cursors to ask for at one broker, each time beginning with
// another one, since what comes first is answered first. It reports false when
// none is left.
func (l *scanLane) wanted() (wanted []*cursor, open bool) {
	l.turn++
	for i := range l.cursors {
		c := l.cursors[(l.turn+i)%len(l.cursors)]
		if c.fetch >= c.until {
			continue
		}
		open = true
		if l.o.ByTime && c.queued.Load() > 0 {
			continue // enough of it waits to be visited
		}
		if len(wanted) == 0 || wanted[0].leader == c.leader {
			wanted = append(wanted, c)
		}
	}
	return wanted, open
}

func (l *scanLane) idle(ctx context.Context) {
	select {
	case <-l.wake:
	case <-ctx.Done():
	}
}

// round asks once and hands on what is answered. Trouble is not an error until
// it has lasted for long.
func (l *scanLane) round(ctx context.Context, wanted []*cursor) error {
	before := l.trouble
	l.trouble = nil
	advanced, err := l.exchange(ctx, wanted)
	switch {
	case err != nil || ctx.Err() != nil:
		return err
	case advanced:
		l.trouble, l.pause = nil, 0
		return l.relocate(ctx)
	case l.trouble == nil && l.o.Until == nil:
		return nil // nothing has come
	case l.trouble == nil:
		l.trouble = errBehind
	}
	if before == nil {
		l.since = time.Now()
	}
	if time.Since(l.since) > patience {
		return fmt.Errorf("fetch %s partition %d at offset %d: no answer for %s: %w", l.o.Topic, wanted[0].id, wanted[0].fetch, patience, l.trouble)
	}
	l.pause = min(max(2*l.pause, firstPause), longPause)
	select {
	case <-time.After(l.pause):
	case <-ctx.Done():
	}
	return l.relocate(ctx)
}

// relocate finds the leaders of partitions that have lost theirs.
func (l *scanLane) relocate(ctx context.Context) error {
	lost := false
	for _, c := range l.cursors {
		lost = lost || c.leader < 0
	}
	if !lost {
		return nil
	}
	l.handOn(ctx) // looking may take long
	topic, err := l.look(ctx)
	switch {
	case isGone(err):
		return err
	case err != nil:
		l.trouble = err
		return nil
	}
	for _, c := range l.cursors {
		if p, ok := topic.Partitions[c.id]; ok && p.Err == nil {
			c.leader = p.Leader
		}
	}
	return nil
}

// exchange sends a request and takes its answers. What was answered before is
// handed on while the broker is at it.
func (l *scanLane) exchange(ctx context.Context, wanted []*cursor) (advanced bool, err error) {
	if wanted[0].leader < 0 {
		l.handOn(ctx)
		l.trouble = kerr.LeaderNotAvailable
		return false, nil
	}
	asked := l.ask(wanted)
	l.handOn(ctx)
	answers, loan, err := l.answered(<-asked)
	if err != nil {
		l.lose(wanted, err)
		return false, nil
	}
	defer loan.Return()
	filled := false // an earlier partition may have taken all the room
	for _, c := range wanted {
		answer := answers[c.id]
		if answer == nil {
			continue
		}
		moved, err := l.take(ctx, c, answer, loan, filled)
		if err != nil {
			return false, refused(fmt.Sprintf("fetch %s partition %d at offset %d", l.o.Topic, c.id, c.fetch), err)
		}
		advanced = advanced || moved
		filled = filled || len(answer.RecordBatches) > 0
	}
	return advanced, nil
}

// lose notes that the leaders of partitions must be looked up.
func (l *scanLane) lose(cursors []*cursor, why error) {
	l.trouble = why
	for _, c := range cursors {
		c.leader = -1
	}
}

// reply is what came of a request.
type reply struct {
	response kmsg.Response
	err      error
}

// ask sends a fetch request to the broker that leads the cursors.
func (l *scanLane) ask(wanted []*cursor) <-chan reply {
	broker, request := l.kafka.Broker(int(wanted[0].leader)), l.request(wanted)
	asked := make(chan reply, 1)
	go func() { // it ends before the lane, which waits for the reply
		response, err := broker.Request(l.requests, request)
		asked <- reply{response, err}
	}()
	return asked
}

// answered returns the answers by partition, with the loan of their memory.
func (l *scanLane) answered(r reply) (map[int32]*kmsg.FetchResponseTopicPartition, *lent.Loan, error) {
	if r.err != nil {
		return nil, nil, r.err
	}
	fetch, loan := l.client.lent.Claim(r.response.(*kmsg.FetchResponse))
	if err := kerr.ErrorForCode(fetch.ErrorCode); err != nil {
		loan.Return()
		return nil, nil, err
	}
	answers := make(map[int32]*kmsg.FetchResponseTopicPartition)
	for t := range fetch.Topics {
		for p := range fetch.Topics[t].Partitions {
			answer := &fetch.Topics[t].Partitions[p]
			answers[answer.Partition] = answer
		}
	}
	return answers, loan, nil
}

// answer is what all partitions together may send. Less is asked for where the
// records outlive it, since they take several times as much.
func (l *scanLane) answer() int {
	if l.keep {
		return answerBytes / 4
	}
	return answerBytes
}

// room is what one of so many partitions may send. Where partitions wait for
// each other all that they have sent is held decompressed.
func (l *scanLane) room(partitions int) int32 {
	if l.o.ByTime {
		partitions = len(l.cursors)
	}
	return int32(min(max(l.answer()/partitions, leastPartition), mostPartition))
}

func (l *scanLane) request(wanted []*cursor) *kmsg.FetchRequest {
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = l.o.Topic, l.topicID
	for _, c := range wanted {
		p := kmsg.NewFetchRequestTopicPartition()
		p.Partition, p.FetchOffset = c.id, c.fetch
		p.PartitionMaxBytes = l.room(len(wanted))
		t.Partitions = append(t.Partitions, p)
	}
	req := kmsg.NewPtrFetchRequest()
	req.SessionEpoch = -1 // no session
	req.MaxBytes = int32(max(l.answer()/l.beside, mostPartition/4))
	if !l.o.Uncommitted {
		req.IsolationLevel = 1
	}
	if l.o.Until == nil {
		req.MinBytes, req.MaxWaitMillis = 1, int32(followWait.Milliseconds())
	}
	req.Topics = append(req.Topics, t)
	return req
}
