package copier

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/events/internal/progress"
	"github.com/suokelife/suokectl/pkg/events/internal/transact"
)

// Result is what a run did. It is filled as far as the run came, with an error
// too.
type Result struct {
	Source string `json:"source"`
	Target string `json:"target"`
	// Copied are the records of this run, Before those of earlier ones.
	Copied int64 `json:"copied"`
	Before int64 `json:"before"`
	// Left are the records that were read and not chosen.
	Left int64 `json:"left_out"`
	// Expired are the offsets that went before the copy came to them.
	Expired int64 `json:"expired"`
	// HeldBack is how many offsets lie behind an open transaction of the source.
	HeldBack int64 `json:"held_back"`
}

// maxFailures is how many transactions may fail in a row: brokers restart, and
// leaders move.
const maxFailures = 3

// Run copies. The error is [ErrOntoItself], [ErrInternal], an
// [*events.UnknownTopicError], a [*FencedError], or what a cluster refused. When
// ctx ends, the transaction under way is ended within ten seconds; ctx's cause is
// returned.
func (c *Copier) Run(ctx context.Context, o Options) (Result, error) {
	result := Result{Source: o.Source, Target: o.Target}
	j, err := c.job(ctx, o, nil)
	if err != nil {
		return result, err
	}
	j.run = rand.Text()
	if err := progress.Ensure(ctx, c.target); err != nil {
		return result, err
	}
	r := &run{job: j, result: &result}
	for failures := 0; failures < maxFailures; failures++ {
		before := result.Copied
		err = r.session(ctx)
		var fenced *FencedError
		if err == nil || errors.As(err, &fenced) || ctx.Err() != nil || !r.producerFailed {
			break
		}
		if result.Copied > before {
			failures = 0
		}
	}
	return result, err
}

// run is one run of a copy, in as many sessions as producers it needs.
type run struct {
	*job
	result   *Result
	total    int64 // to read at most; 0 when the source is followed
	claimed  bool  // this run has left its mark
	producer *transact.Producer
	state    *state
	gathered *gatherer
	written  time.Time // when the positions were last

	producerFailed bool
}

// session opens a producer and copies until the end, or until it fails.
func (r *run) session(ctx context.Context) (err error) {
	if err := r.stillOurs(ctx); err != nil {
		return err
	}
	r.producerFailed = true
	codec, err := r.Compression.Codec()
	if err != nil {
		return err
	}
	opts := []kgo.Opt{kgo.ProducerBatchCompression(codec), kgo.MaxBufferedRecords(1 << 20)}
	if limit := number(configs(r.to)["max.message.bytes"]); limit > 0 {
		opts = append(opts, kgo.ProducerBatchMaxBytes(int32(min(max(limit, 512), 64<<20))))
	}
	if r.producer, err = transact.Open(ctx, r.target, r.name, opts...); err != nil {
		return err
	}
	defer r.producer.Close()
	if err := r.claim(ctx); err != nil {
		return r.explain(err)
	}
	r.producerFailed = false
	return r.explain(r.pump(ctx))
}

// stillOurs is asked before a producer is opened anew, so that a run does not
// fence who took over from it.
func (r *run) stillOurs(ctx context.Context) error {
	if !r.claimed {
		return nil
	}
	s, err := r.load(ctx)
	if err == nil && s != nil && s.Run != r.run {
		err = &FencedError{Source: r.Source, Target: r.Target}
	}
	return err
}

// claim reads how far the copy has come, and leaves the mark of this run.
func (r *run) claim(ctx context.Context) (err error) {
	fresh := r.Restart && !r.claimed
	if r.state, err = r.load(ctx); err == nil && (r.state == nil || fresh) {
		r.state, err = r.begin(ctx)
	}
	if err != nil {
		return err
	}
	if !r.claimed {
		plan, err := r.plan(ctx, r.state)
		if err != nil {
			return err
		}
		for _, p := range plan.Partitions {
			r.result.Expired += p.Expired
		}
		r.result.Before = r.state.Copied
		if r.Until != nil {
			r.total = plan.Records
		}
	}
	if err := r.commit(ctx, batch{next: r.state.Next}); err != nil {
		return err
	}
	r.claimed = true
	return nil
}

// explain gives the error of who was fenced its type.
func (r *run) explain(err error) error {
	if transact.IsFenced(err) {
		return &FencedError{Source: r.Source, Target: r.Target, Err: err}
	}
	return err
}

// errEnough ends the reading when a transaction has failed.
var errEnough = errors.New("nobody writes any more")

// pump reads in one goroutine and writes in another.
func (r *run) pump(ctx context.Context) error {
	r.gathered = newGatherer()
	r.gathered.batch.next = maps.Clone(r.state.Next)
	read := make(chan readEnd, 1)
	already := r.result.Copied
	from := events.AtOffsets(maps.Clone(r.state.Next))
	reading, stop := context.WithCancel(ctx)
	defer stop()
	go func() { read <- r.read(reading, from, already) }()
	err := r.write(ctx, read, stop)
	if err != nil {
		r.producerFailed = r.producer.Broken()
	}
	return err
}

// readEnd is how the reading ended.
type readEnd struct {
	scan events.ScanResult
	err  error
}

// read gathers what the source has, to the end.
func (r *run) read(ctx context.Context, from events.Bound, matched int64) readEnd {
	scan, err := r.source.Scan(ctx, events.ScanOptions{
		Topic: r.Source, Partitions: r.Partitions, From: from, Until: r.Until, Uncommitted: r.Uncommitted,
	}, func(record *kgo.Record) error {
		wanted := r.Match == nil || r.Match(record)
		if err := r.gathered.add(record, wanted); err != nil || !wanted {
			return err
		}
		if matched++; matched == r.Count {
			return events.ErrStopScan
		}
		return nil
	})
	if err == nil && r.Until != nil && matched != r.Count {
		r.gathered.passed(scan)
	}
	return readEnd{scan, err}
}

// passed moves the positions behind what has no records.
func (g *gatherer) passed(scan events.ScanResult) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range scan.Partitions {
		g.batch.next[p.ID] = max(g.batch.next[p.ID], p.Next)
	}
}

// write commits what is gathered, a batch at a time, until the reading has
// ended; stop ends that.
func (r *run) write(ctx context.Context, read <-chan readEnd, stop func()) error {
	tick := time.NewTicker(batchTime)
	defer tick.Stop()
	var end readEnd
	for ended := false; ; {
		select {
		case end = <-read:
			ended = true
			r.result.Expired += end.scan.Expired
			r.result.HeldBack = end.scan.HeldBack
		case <-r.gathered.full:
		case <-tick.C:
		}
		for more := true; more; more = ended && r.gathered.size() > 0 {
			// An interrupt ends the reading; what was read by then is written.
			if err := r.step(context.WithoutCancel(ctx), ended); err != nil {
				r.gathered.stop(errEnough)
				stop()
				if !ended {
					<-read
				}
				return err
			}
		}
		if ended {
			return end.err
		}
	}
}

func (g *gatherer) size() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.batch.bytes
}

// step writes what is gathered now. Positions alone are written once a second,
// and at the end.
func (r *run) step(ctx context.Context, last bool) error {
	b := r.gathered.take()
	r.result.Left += b.read - int64(len(b.records))
	if len(b.records) == 0 && (maps.Equal(b.next, r.state.Next) || !last && time.Since(r.written) < time.Second) {
		return nil
	}
	began := time.Now()
	err := r.commit(ctx, b)
	r.gathered.took(time.Since(began))
	return err
}

// commit writes records and positions in one transaction.
func (r *run) commit(ctx context.Context, b batch) error {
	after := *r.state
	after.Next, after.Copied = b.next, after.Copied+int64(len(b.records))
	err := r.producer.Do(ctx, func(tx *transact.Tx) error {
		for _, record := range b.records {
			tx.Produce(r.outgoing(record))
		}
		tx.Produce(r.record(&after))
		return nil
	})
	if err != nil {
		return fmt.Errorf("copy to %s: %w", r.Target, err)
	}
	r.state, r.written = &after, time.Now()
	r.result.Copied += int64(len(b.records))
	if r.OnProgress != nil {
		r.OnProgress(Progress{Copied: r.result.Copied, Read: r.result.Copied + r.result.Left, Total: r.total})
	}
	return nil
}

// outgoing makes of a record that was read, which nobody else has any more, the
// one that is written.
func (r *run) outgoing(record *kgo.Record) *kgo.Record {
	record.Topic = r.Target
	if !r.sameNumber {
		record.Partition = transact.AnyPartition
	}
	if r.Present {
		record.Timestamp = time.Time{}
	}
	return record
}
