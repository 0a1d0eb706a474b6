package batch

import (
	"context"
	"errors"
	"time"

	"github.com/suokelife/suokectl/pkg/rpc"
)

// work makes calls until there are no more jobs. Those that are left when the run
// has stopped are dropped: they were never sent.
func (r *run) work(calls context.Context) {
	for j := range r.jobs {
		if r.beginning.Err() != nil {
			continue
		}
		if err := r.do(calls, j); err != nil {
			r.stop(err)
		}
	}
}

// do brings a line to its result. Its error ends the run.
func (r *run) do(ctx context.Context, j job) error {
	if r.Journal != nil {
		if err := r.Journal.start(j.line); err != nil {
			return err
		}
	}
	result := r.call(ctx, j.line)
	if r.beginning.Err() != nil && result.Code == codeCancelled {
		r.tally.abandon() // by us: nobody knows what came of it
		return nil
	}
	text := result.append(make([]byte, 0, 256+len(result.Response)))
	if r.Journal != nil {
		if err := r.Journal.done(j.number, text); err != nil {
			return err
		}
	}
	r.tally.count(result.Code, result.Outcome, result.DurationMS)
	if err := r.put(j.place, text); err != nil {
		return err
	}
	if r.StopOnError && result.Outcome != OutcomeOK {
		return ErrStopped
	}
	return nil
}

func (r *run) call(ctx context.Context, l line) Result {
	entry, wrong := parse(l, r.Bare)
	if wrong != nil {
		return bad(l.number, entry, wrong.Err, wrong.Column)
	}
	for {
		call, err := r.Call(ctx, entry)
		if err != nil {
			return r.uncalled(l, entry, err)
		}
		if call.Err() == nil {
			r.succeeded()
		} else if r.recovers(call.Err()) {
			continue
		}
		return called(l.number, entry, call)
	}
}

const codeCancelled = "CANCELLED"

// uncalled is the result of a line of which no call could be made. An error with a
// code is the server's, any other the line's.
func (r *run) uncalled(l line, e Entry, err error) Result {
	if code, ok := rpc.Code(err); ok {
		result := bad(l.number, e, err, 0)
		result.Outcome, result.Code = OutcomeFailed, rpc.CodeName(code)
		return result
	}
	if column, syntax := notJSON(l.text); syntax != nil {
		return bad(l.number, e, syntax, column)
	}
	return bad(l.number, e, err, 0)
}

func (r *run) succeeded() { r.success.Store(time.Now().UnixNano()) }

// recovers waits until a call may be made again that was not sent because the
// breakers of all instances are open: until then all lines would fail like it.
// It does not wait for a service that has been down for long.
func (r *run) recovers(err error) bool {
	open, ok := errors.AsType[*rpc.UnavailableError](err)
	if !ok || time.Since(time.Unix(0, r.success.Load())) > patience || r.beginning.Err() != nil {
		return false
	}
	return sleep(r.beginning, max(open.RecoveryTimeLeft, time.Millisecond))
}
