package rpc

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
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

// callState is what a call's attempts share. A nil callState remembers nothing.
type callState struct {
	mu        sync.Mutex
	instances map[string]bool
	attempts  []Attempt
}

type callKey struct{}

// withCall returns a context with the state of a call, kept when there is one.
func withCall(ctx context.Context) (context.Context, *callState) {
	if call := callFrom(ctx); call != nil {
		return ctx, call
	}
	call := &callState{instances: map[string]bool{}}
	return context.WithValue(ctx, callKey{}, call), call
}

func callFrom(ctx context.Context) *callState {
	call, _ := ctx.Value(callKey{}).(*callState)
	return call
}

func (c *callState) tried(instance string) bool {
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.instances[instance]
}

func (c *callState) setTried(instance string, tried bool) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.instances[instance] = tried
}

// attempt is one that is under way; its instance is set from the transport.
type attempt struct {
	number   int
	start    time.Time
	instance atomic.Pointer[string]
}

type attemptKey struct{}

func (c *callState) begin(ctx context.Context) (context.Context, *attempt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := &attempt{number: len(c.attempts) + 1, start: time.Now()}
	return context.WithValue(ctx, attemptKey{}, a), a
}

func (c *callState) end(a *attempt, err error) {
	s := status.Convert(err)
	record := Attempt{
		Number: a.number, Code: CodeName(s.Code()), Message: detail(s.Message()),
		DurationMS: milliseconds(time.Since(a.start)),
	}
	if instance := a.instance.Load(); instance != nil {
		record.Instance = *instance
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.attempts = append(c.attempts, record)
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

// watcher learns from the transport which instance a request went to, and
// whether any instance has ever answered.
type watcher struct{ answered *atomic.Bool }

func (watcher) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

func (w watcher) HandleRPC(ctx context.Context, event stats.RPCStats) {
	switch event := event.(type) {
	case *stats.InHeader, *stats.InTrailer:
		w.answered.Store(true)
	case *stats.OutHeader:
		if a, ok := ctx.Value(attemptKey{}).(*attempt); ok && event.RemoteAddr != nil {
			instance := event.RemoteAddr.String()
			a.instance.Store(&instance)
		}
	}
}

func (watcher) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

func (watcher) HandleConn(context.Context, stats.ConnStats) {}
