package rpc

import (
	"context"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/suokelife/suokectl/pkg/resilience"
	"github.com/suokelife/suokectl/pkg/telemetry"
)

// Attempt is one try of a call.
type Attempt struct {
	// Number counts from 1.
	Number int `json:"number"`
	// Instance is the address that the request was sent to, empty when it was
	// sent to none.
	Instance string `json:"instance,omitempty"`
	// Code is the gRPC code's name, such as UNAVAILABLE.
	Code string `json:"code"`
	// Message is the status message, empty for OK.
	Message string `json:"message,omitempty"`
	// DurationMS is how long the attempt took, in milliseconds.
	DurationMS float64 `json:"duration_ms"`
	// RetryReason says why another attempt followed, or why none did although
	// tries were left.
	RetryReason string `json:"retry_reason,omitempty"`
	// WaitMS is the wait before the next attempt, in milliseconds.
	WaitMS float64 `json:"wait_ms,omitempty"`
}

func milliseconds(d time.Duration) float64 {
	return float64(d.Round(time.Microsecond)) / float64(time.Millisecond)
}

// callState is a call's own context, which its attempts share, and what they
// leave for one another and for the caller. A call makes one attempt at a time.
type callState struct {
	context.Context
	channel *Channel
	id      string            // see requestID
	given   metadata.MD       // what the caller sends along
	trace   trace.SpanContext // above the spans of the attempts
	shown   bool              // its attempts are told of although it goes well
	only    string            // the one instance that may be picked, "" for any
	not     string            // the one that may not be picked
	stream  bool              // it is one, which may go on for long
	method  method            // which is called, where its attempts are repeated

	mu        sync.Mutex
	tried     []string // instances; in few until there are many
	few       [4]string
	attempts  []Attempt
	current   attempt
	firstByte time.Time // of the response, where Config.Timings are wanted
}

// attempt is one that is under way. What happens to it in the transport is told
// by the picker.
type attempt struct {
	number   int
	start    time.Time
	instance string
	picked   func(balancer.DoneInfo) // of the connection that was picked
	permit   resilience.Permit       // of the instance's breaker
	probe    bool                    // a stream is what the half-open breaker waits for
	trailer  metadata.MD
	open     *UnavailableError // the breakers that did not let it pass
	unsent   error             // why it was sent nowhere: open, or a *DiscoveryError
}

type callKey struct{}

// Value answers for the call itself, for the picker.
func (c *callState) Value(key any) any {
	if key == (callKey{}) {
		return c
	}
	return c.Context.Value(key)
}

// callIn returns the call that ctx belongs to, or nil.
func callIn(ctx context.Context) *callState {
	call, _ := ctx.Value(callKey{}).(*callState)
	return call
}

// call returns the call that ctx is of, or a new one with its context.
func (ch *Channel) call(ctx context.Context) (context.Context, *callState) {
	if call := callIn(ctx); call != nil && call.channel == ch {
		return ctx, call
	}
	given, _ := metadata.FromOutgoingContext(ctx)
	call := &callState{Context: ctx, channel: ch, given: given, trace: telemetry.Trace(trace.SpanContextFromContext(ctx))}
	call.tried = call.few[:0]
	return call, call
}

// requestID returns the one id of all attempts, which the context has or which
// is made with the first.
func (c *callState) requestID() string {
	if c.id == "" {
		c.id = telemetry.CleanRequestID(telemetry.RequestID(c.Context))
	}
	return c.id
}

// begin starts the next attempt.
func (c *callState) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current = attempt{number: len(c.attempts) + 1, start: time.Now()}
}

// end notes how the attempt ended.
func (c *callState) end(err error) {
	if err == nil && !c.shown {
		return
	}
	s := status.Convert(err)
	c.mu.Lock()
	defer c.mu.Unlock()
	a := &c.current
	c.attempts = append(c.attempts, Attempt{
		Number: a.number, Instance: a.instance, Code: CodeName(s.Code()), Message: detail(s.Message()),
		DurationMS: milliseconds(time.Since(a.start)),
	})
}

// pick notes that an instance was picked for the attempt, and returns what is to
// be told of its end.
func (c *callState) pick(instance string, permit resilience.Permit, probe bool, done func(balancer.DoneInfo)) func(balancer.DoneInfo) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tried = append(c.tried, instance)
	a := &c.current
	a.instance, a.permit, a.probe, a.picked = instance, permit, probe, done
	return c.done
}

// probed tells a half-open breaker what a stream has shown of its instance: how
// the stream ends may be known too late.
func (c *callState) probed(outcome resilience.Outcome) {
	c.mu.Lock()
	a := &c.current
	if !a.probe {
		c.mu.Unlock()
		return
	}
	permit := a.permit
	a.permit, a.probe = resilience.Permit{}, false
	c.mu.Unlock()
	permit.Done(outcome)
}

// boundProbe lets another call be the probe when nothing has come of a stream for
// the time of an attempt: there may be nothing to tell yet.
func (c *callState) boundProbe(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if limit := c.channel.retry.AttemptTimeout; c.current.probe && limit > 0 {
		timer := time.AfterFunc(limit, func() { c.probed(resilience.Ignored) })
		context.AfterFunc(ctx, func() { timer.Stop() })
	}
}

// refuse notes that an instance's breaker did not let the attempt pass.
func (c *callState) refuse(instance string, left time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current.open == nil {
		c.current.open = &UnavailableError{Service: c.channel.config.Name, RecoveryTimeLeft: left}
	}
	open := c.current.open
	if !slices.Contains(open.Instances, instance) {
		open.Instances = append(open.Instances, instance)
	}
	open.RecoveryTimeLeft = min(open.RecoveryTimeLeft, left)
}

// nowhere returns the picker's answer to an attempt that has no instance to go
// to, since breakers are open or else for a reason of discovery; nil when
// neither is so.
func (c *callState) nowhere(discovery error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.current.open != nil:
		c.current.unsent = c.current.open
	case discovery != nil && !c.channel.literal():
		c.current.unsent = &DiscoveryError{Service: c.channel.config.Name, Err: discovery}
	case discovery != nil:
		return status.Error(codes.Unavailable, discovery.Error())
	default:
		return nil
	}
	return status.Error(codes.Unavailable, c.current.unsent.Error())
}

// explained returns what is behind the error of an attempt: why it was sent
// nowhere, which gRPC hands on as text alone, or a service's own error.
func (c *callState) explained(err error) error {
	if err == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if why := c.current.unsent; why != nil && status.Convert(err).Message() == why.Error() {
		return why
	}
	return FromStatus(err)
}

// done learns how it went with the instance that was picked. A connection that
// was gone already is told of as done with nothing sent: that was no try, and
// gRPC may pick again.
func (c *callState) done(info balancer.DoneInfo) {
	c.mu.Lock()
	a := &c.current
	picked, permit := a.picked, a.permit
	a.trailer, a.picked, a.permit, a.probe = info.Trailer, nil, resilience.Permit{}, false
	if !info.BytesSent {
		if i := slices.Index(c.tried, a.instance); i >= 0 && info.Err == nil {
			c.tried = slices.Delete(c.tried, i, i+1)
		}
		a.instance = ""
	}
	c.mu.Unlock()
	if info.BytesReceived {
		c.channel.answered.Store(true)
	}
	permit.Done(outcome(info))
	if picked != nil {
		picked(info)
	}
}

// outcome says what an attempt tells of its instance: only UNAVAILABLE and
// DEADLINE_EXCEEDED are failures, and where nothing was sent nothing was learnt.
func outcome(info balancer.DoneInfo) resilience.Outcome {
	if !info.BytesSent {
		return resilience.Ignored
	}
	switch status.Code(info.Err) {
	case codes.Unavailable, codes.DeadlineExceeded:
		return resilience.Failure
	case codes.Canceled:
		return resilience.Ignored
	default:
		return resilience.Success
	}
}

func (c *callState) hasTried(instance string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Contains(c.tried, instance)
}

// trailer returns the trailer of the attempt that ended last.
func (c *callState) trailer() metadata.MD {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current.trailer
}

// mayPick reports whether the call may go to an instance.
func (c *callState) mayPick(instance string) bool {
	return (c.only == "" || instance == c.only) && (c.not == "" || instance != c.not)
}

// errNotThere says that there is no instance to which the call may go. That is
// not worth another try where any other one would do.
func (c *callState) errNotThere() error {
	if c.only != "" {
		return status.Errorf(codes.Unavailable, "the instance %s is gone", c.only)
	}
	return status.Errorf(codes.Internal, "there is no other instance than %s", c.not)
}

// instance returns where the attempt was sent.
func (c *callState) instance() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current.instance
}

// explain adds to the last attempt why it was followed by another one, or not.
func (c *callState) explain(reason string, wait time.Duration) Attempt {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := &c.attempts[len(c.attempts)-1]
	last.RetryReason, last.WaitMS = reason, milliseconds(wait)
	return *last
}

func (c *callState) list() []Attempt {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Attempt{}, c.attempts...)
}
