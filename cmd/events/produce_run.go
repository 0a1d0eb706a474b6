package events

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/suokelife/suokectl/pkg/events"
)

const (
	// bulkLinger is how long lines wait for others to share their request.
	bulkLinger = 2 * time.Millisecond
	// lastAcks is how long acknowledgements are awaited after an interrupt.
	lastAcks = 5 * time.Second
	// checkpoints is how often it is noted down how far a run has come, and
	// shown.
	checkpoints = 250 * time.Millisecond
	// bufferRecords and bufferBytes are the most that is on its way: enough to fill the requests
	// to many partitions, so that none waits for the linger's end.
	bufferRecords = 40000
	bufferBytes   = 32 << 20
)

// errStopped ends a run with --on-error stop.
var errStopped = errors.New("stopped at the first event that was not produced; --on-error skip goes on")

// production is one run of produce.
type production struct {
	opts     *ProduceOptions
	producer *producer
	input    *produceInput
	progress *produceProgress
	rejects  *rejects
	resume   *resumeFile     // nil when the input cannot be gone on with
	records  []events.Record // what is given to the producer, in memory that is used again

	mu      sync.Mutex
	spare   []*inputBatch // that are settled, to be used again
	track   tracker
	report  productionReport
	stopped error
}

// produce sends record after record until the input or ctx ends. What is on
// its way then is left to finish.
func (p *production) produce(ctx context.Context) error {
	reading, stop := context.WithCancel(ctx)
	defer stop()
	reader, err := p.input.reader(reading)
	if err != nil {
		return err
	}
	var beside sync.WaitGroup
	beside.Go(func() { p.checkpointUntil(reading) })
	batches := make(chan *inputBatch)
	beside.Go(func() { p.readAhead(reading, reader, batches) })
	defer beside.Wait()
	defer stop()
	pace := newPacer(p.opts.Rate)
	for batch := range batches {
		end, line := batch.end, batch.brokeOff // it may serve again soon
		if err := pace.wait(ctx); err != nil {
			return err
		}
		// An interrupt ends the reading, not what is on its way.
		err := p.send(context.WithoutCancel(ctx), batch)
		switch {
		case err != nil:
			return err
		case errors.Is(end, io.EOF):
			return nil
		case end != nil && ctx.Err() == nil:
			return fmt.Errorf("read %s: %w", p.input.place(line, 0), end)
		}
	}
	return context.Cause(ctx)
}

// send produces records. The error is one that the next would meet too.
func (p *production) send(ctx context.Context, batch *inputBatch) error {
	p.begin(batch)
	p.records = p.records[:0]
	for i := range len(batch.items) {
		item := &batch.items[i]
		item.Record.Topic = p.opts.Topic
		switch {
		case item.Err != nil:
			p.settle(batch, i, &events.RejectedError{Topic: p.opts.Topic, Err: item.Err})
		case p.opts.DryRun:
			p.settle(batch, i, p.producer.Check(ctx, item.Record))
		default:
			p.records, batch.places = append(p.records, item.Record), append(batch.places, i)
			item.Record = events.Record{} // the producer has it
		}
	}
	p.producer.SendAll(ctx, p.records, func(i int, _ events.Ack, outcome error) {
		p.settle(batch, batch.places[i], outcome)
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stopped
}

func (p *production) begin(batch *inputBatch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	batch.first = p.track.begin(batch.items)
	batch.open.Store(int32(len(batch.items)))
}

// settle notes the outcome of a record of a batch. What was acknowledged is noted
// together, with the last of the batch: to do so for each would cost more than
// sending it.
func (p *production) settle(batch *inputBatch, i int, err error) {
	if err != nil {
		p.noteFailure(batch, i, err)
	}
	if batch.open.Add(-1) == 0 {
		p.noteAcked(batch)
	}
}

// noteAcked notes what of a batch was acknowledged; the batch serves again.
func (p *production) noteAcked(batch *inputBatch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range batch.items {
		if !batch.failed[i] {
			p.track.settle(batch.first + i)
			p.report.acked(batch.items[i].Line)
		}
	}
	clear(batch.items) // the texts are not needed any more
	batch.release()
	clear(batch.failed)
	p.spare = append(p.spare, batch)
}

func (p *production) noteFailure(batch *inputBatch, i int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	item := &batch.items[i]
	batch.failed[i] = true
	if topic := topicError(err); topic != nil { // every other record would meet it too
		p.stopped = firstError(p.stopped, topic)
		p.report.problem(lineProblem{Line: item.Line, Outcome: outcomeNotSent, Error: topic.Error()})
		return
	}
	err = p.producer.explain(err)
	outcome := outcomeOf(err)
	if outcome == outcomeRejected || isKept(err) {
		p.track.settle(batch.first + i)
	} else if outcome == outcomeNotSent && p.stopped == nil {
		p.stopped = err
	}
	if p.opts.OnError == onErrorStop && p.stopped == nil {
		p.stopped = errStopped
	}
	column := columnOf(item, err)
	p.report.problem(lineProblem{Line: item.Line, Column: column, Outcome: outcome, Error: err.Error()})
	p.progress.talk("%s: %s", p.input.place(item.Line, column), err)
	if outcome == outcomeRejected {
		p.rejects.write(item.Text)
	}
}

// checkpointUntil shows and notes down how far the run has come, until ctx ends.
func (p *production) checkpointUntil(ctx context.Context) {
	ticker := time.NewTicker(checkpoints)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			p.checkpoint()
		}
	}
}

// checkpoint notes down how far the run has come. What was rejected is on the
// disk before that is.
func (p *production) checkpoint() {
	p.mu.Lock()
	at := p.track.done
	p.progress.show(p.report, at)
	err := p.rejects.flush()
	p.mu.Unlock()
	if err == nil {
		err = p.resume.save(at)
	}
	if err != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.stopped = firstError(p.stopped, err)
	}
}

// finish waits for the outcomes that are still open. After an interrupt it
// waits a few seconds more; what is open then is unknown.
func (p *production) finish(ctx context.Context, readErr error) (productionReport, error) {
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), lastAcks)
		defer cancel()
	}
	_ = p.producer.Close(ctx) // each record that is left behind was settled as unknown
	p.checkpoint()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.progress.clear()
	whole := readErr == nil && p.stopped == nil && p.track.settled()
	return p.report.sorted(), firstError(readErr, p.stopped, p.rejects.close(), p.resume.close(whole))
}

// pacer spreads records evenly over time.
type pacer struct {
	interval time.Duration
	due      time.Time
}

func newPacer(rate float64) *pacer {
	if rate <= 0 {
		return &pacer{}
	}
	return &pacer{interval: time.Duration(float64(time.Second) / rate), due: time.Now()}
}

// wait waits for the next record's moment. A run that fell behind does not
// hurry to catch up with more than a tenth of a second.
func (p *pacer) wait(ctx context.Context) error {
	if p.interval == 0 {
		return nil
	}
	if late := time.Now().Add(-100 * time.Millisecond); p.due.Before(late) {
		p.due = late
	}
	pause := time.Until(p.due)
	p.due = p.due.Add(p.interval)
	if pause < time.Millisecond {
		return nil // timers are no finer; the next ones wait for these too
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// rejects is the file of records that were rejected; nil is none.
type rejects struct {
	file *os.File
	w    *bufio.Writer
	err  error
}

func openRejects(path string) (*rejects, error) {
	if path == "" {
		return nil, nil
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	return &rejects{file: file, w: bufio.NewWriter(file)}, nil
}

func (r *rejects) write(text []byte) {
	if r != nil {
		_, _ = r.w.Write(text) // the writer keeps its first error for Flush
		_ = r.w.WriteByte('\n')
	}
}

func (r *rejects) flush() error {
	if r == nil || r.err != nil || r.w.Buffered() == 0 {
		return nil
	}
	if r.err = r.w.Flush(); r.err == nil {
		r.err = r.file.Sync()
	}
	return r.err
}

func (r *rejects) close() error {
	if r == nil {
		return nil
	}
	return firstError(r.flush(), r.file.Close())
}
