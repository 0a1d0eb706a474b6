package events

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"

	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/events/spool"
)

// producer is a producer with the context's spool, where that can be had.
type producer struct {
	*events.Producer
	io      *iostreams.IOStreams
	noSpool error        // why there is none
	cleared atomic.Int64 // events of the spool that came through meanwhile
}

// openProducer connects a producer which dead-letters what the broker refuses.
// Its spool is open's; nil is none.
func openProducer(ctx context.Context, io *iostreams.IOStreams, client *events.Client, open func() (*spool.Spool, error), o events.ProducerOptions) (*producer, error) {
	if err := client.Ping(ctx); err != nil { // nothing is typed in vain: it is said before anything is kept
		return nil, err
	}
	p := &producer{io: io}
	o.DeadLetter = events.DeadLetterRefused
	o.OnSpool = func(c events.SpoolChange) {
		if c.Change == events.SpoolStored || c.Change == events.SpoolDeadLettered {
			p.cleared.Add(1)
		}
	}
	if open != nil {
		if o.Spool, p.noSpool = open(); p.noSpool == nil {
			tellDamage(io, o.Spool)
		}
	}
	var err error
	p.Producer, err = client.NewProducer(ctx, o)
	return p, err
}

func tellDamage(io *iostreams.IOStreams, s *spool.Spool) {
	for _, d := range s.Damage() {
		io.Infof("the spool %s: %v", s.Dir(), d)
	}
}

// explain says why the spool does not keep an event of unknown outcome.
func (p *producer) explain(err error) error {
	var unknown *events.UnknownOutcomeError
	if errors.As(err, &unknown) && unknown.Spool == "" && unknown.NotKept == nil {
		unknown.NotKept = p.noSpool
	}
	return err
}

// Close closes the producer. That the spool is not empty is told, and is no
// error of the events that were produced now.
func (p *producer) Close(ctx context.Context) error {
	err := p.Producer.Close(ctx)
	if n := p.cleared.Load(); n > 0 {
		p.io.Infof("events of the spool that were sent meanwhile: %d", n)
	}
	var unflushed *events.UnflushedError
	if errors.As(err, &unflushed) && unflushed.Records == 0 {
		p.io.Infof("events in the spool %s: %d; `suokectl events produce --spool` sends them", unflushed.Spool, unflushed.Spooled)
		return nil
	}
	return err
}

// runSpool sends what the spool keeps, or lists it.
func runSpool(ctx context.Context, opts *ProduceOptions) error {
	s, err := opts.Spool()
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }() // a producer has closed it, or nothing was written
	tellDamage(opts.IO, s)
	if opts.DryRun {
		return output.List(opts.IO, opts.Output, spoolView(), entriesOf(s))
	}
	drained, dir := events.Drained{}, s.Dir()
	if s.Stats().Entries > 0 {
		if drained, err = drainSpool(ctx, opts, s); err != nil {
			return err
		}
	}
	if err := output.One(opts.IO, opts.Output, drainedView(), drained, nil); err != nil {
		return err
	}
	switch {
	case drained.Left == 0:
		return nil
	case drained.Err == nil:
		return fmt.Errorf("%d events remain in the spool %s: no acknowledgement came", drained.Left, dir)
	}
	return fmt.Errorf("%d events remain in the spool %s: %w", drained.Left, dir, drained.Err)
}

func drainSpool(ctx context.Context, opts *ProduceOptions, s *spool.Spool) (events.Drained, error) {
	client, err := opts.Events()
	if err != nil {
		return events.Drained{}, err
	}
	if err := opts.Guard(ctx, fmt.Sprintf("produce the %d events of the spool", s.Stats().Entries)); err != nil {
		return events.Drained{}, err
	}
	if err := client.Ping(ctx); err != nil {
		return events.Drained{}, err
	}
	p, err := client.NewProducer(ctx, events.ProducerOptions{Spool: s, DeadLetter: events.DeadLetterRefused, Linger: bulkLinger})
	if err != nil {
		return events.Drained{}, err
	}
	drained, err := p.Drain(ctx)
	var unflushed *events.UnflushedError
	if closed := p.Close(ctx); closed != nil && !errors.As(closed, &unflushed) { // what is left is in drained
		err = firstError(err, closed)
	}
	return drained, err
}

func drainedView() output.View[events.Drained] {
	return output.View[events.Drained]{
		Columns: []output.Column[events.Drained]{
			{Name: "STORED", Value: func(d events.Drained) string { return strconv.Itoa(d.Stored) }},
			{Name: "MAYBE TWICE", Value: func(d events.Drained) string { return strconv.Itoa(d.Repeated) }},
			{Name: "DEAD-LETTERED", Value: func(d events.Drained) string { return strconv.Itoa(d.DeadLettered) }},
			{Name: "LEFT", Value: func(d events.Drained) string { return strconv.Itoa(d.Left) }},
		},
		Name: func(d events.Drained) string { return strconv.Itoa(d.Stored) },
	}
}

// spoolEntry is an event in the spool.
type spoolEntry struct {
	ID    uint64 `json:"id"` // in the spool
	Topic string `json:"topic"`
	Key   string `json:"key"`
	// State is waiting or maybe_stored.
	State string `json:"state"`
	Bytes int64  `json:"bytes"`
}

func entriesOf(s *spool.Spool) []spoolEntry {
	list := []spoolEntry{}
	for _, info := range s.List() {
		state := "waiting"
		if info.State == spool.MaybeStored {
			state = "maybe_stored"
		}
		list = append(list, spoolEntry{ID: info.ID, Topic: info.Topic, Key: string(info.Key), State: state, Bytes: info.Bytes})
	}
	return list
}

func spoolView() output.View[spoolEntry] {
	return output.View[spoolEntry]{
		Columns: []output.Column[spoolEntry]{
			{Name: "ID", Value: func(e spoolEntry) string { return strconv.FormatUint(e.ID, 10) }},
			{Name: "TOPIC", Value: func(e spoolEntry) string { return e.Topic }},
			{Name: "KEY", Value: func(e spoolEntry) string { return e.Key }},
			{Name: "STATE", Value: func(e spoolEntry) string { return e.State }},
			{Name: "BYTES", Value: func(e spoolEntry) string { return strconv.FormatInt(e.Bytes, 10) }, Wide: true},
		},
		Name:  func(e spoolEntry) string { return strconv.FormatUint(e.ID, 10) },
		Empty: "The spool is empty.",
	}
}
