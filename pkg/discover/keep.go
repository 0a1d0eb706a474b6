package discover

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// DefaultStopWithin bounds the deregistration of an instance when its process ends.
const DefaultStopWithin = 5 * time.Second

// KeepOptions say how a registration is kept. The zero value is good.
type KeepOptions struct {
	// Status is how the process is; what it says is reported to the TTL checks at once, and again at a third of the
	// TTL. Default is one that passes.
	Status *Status
	// Refresh is called before each heartbeat to bring the Status up to date; ctx is given the time until the next one
	// (10 s when there is no TTL check). It is not called twice at a time, and no heartbeat goes out before it
	// returns: a process that is stuck turns critical.
	Refresh func(ctx context.Context, status *Status)
	// Drain is how long the instance is in maintenance, and its Status critical, before it is deregistered, so that
	// callers who hold its address leave while it still answers. Zero deregisters at once.
	Drain time.Duration
	// StopWithin bounds the deregistration, which goes on after the context has ended; default DefaultStopWithin.
	StopWithin time.Duration
	// Told is called with what happens, never twice at a time; heartbeats wait until it returns.
	Told func(KeepEvent)
}

// KeepEventKind says what happened to a registration that is kept.
type KeepEventKind string

// What a KeepEvent tells.
const (
	KeepRegistered   KeepEventKind = "registered"   // for the first time
	KeepReregistered KeepEventKind = "reregistered" // because the agent had forgotten the instance
	KeepConflict     KeepEventKind = "conflict"     // Err is a *ConflictError; the instance is registered all the same
	KeepReported     KeepEventKind = "reported"     // another health than before was reported
	KeepFailed       KeepEventKind = "failed"       // Consul could not be told; it is tried again after RetryIn
	KeepRecovered    KeepEventKind = "recovered"    // Consul was told again after failures
	KeepDraining     KeepEventKind = "draining"
	KeepDeregistered KeepEventKind = "deregistered"
)

// KeepEvent is one thing that happened to a registration.
type KeepEvent struct {
	Kind    KeepEventKind
	ID      string        // the instance's
	Health  Health        // what was reported; KeepReported only
	Note    string        // what was reported with it
	Err     error         // KeepConflict and KeepFailed only
	RetryIn time.Duration // KeepFailed only
}

// LeftBehindError says that an instance could not be deregistered when its process ended.
type LeftBehindError struct {
	ID    string
	After time.Duration // when Consul deregisters it by itself, once it is critical; 0 is never
	Err   error
}

// Error says what was attempted and what becomes of the instance.
func (e *LeftBehindError) Error() string {
	fate := "it stays registered until somebody deregisters it"
	if e.After > 0 {
		fate = fmt.Sprintf("it stays registered until its checks have been critical for %s", e.After)
	}
	return fmt.Sprintf("%v; %s", e.Err, fate)
}

// Unwrap returns what the deregistration met.
func (e *LeftBehindError) Unwrap() error { return e.Err }

// Keep registers the instance and keeps it registered until ctx ends: it sends the heartbeats of its TTL checks,
// registers again when the agent has forgotten it, and goes on trying, with back-off, while Consul cannot be told.
// Then it deregisters, within a bound and although ctx has ended, and returns nil, or a *LeftBehindError.
//
// A registration that cannot succeed as it stands, a *RegistrationError or one that Consul refuses, is returned at
// once. Timers are monotonic: a clock that jumps changes nothing.
func (c *Client) Keep(ctx context.Context, r Registration, o KeepOptions) error {
	k, err := c.keeper(ctx, r, o)
	if err != nil {
		return err
	}
	return k.run(ctx)
}

// Serve is Keep for a service's main: it returns once the first registration went out, or cannot succeed, and keeps it
// in the background. When Consul is not there yet, it goes on trying. stop deregisters, waits for that and returns
// what Keep returns; so does the end of ctx, after which stop only waits. It may be called more than once.
func Serve(ctx context.Context, config Config, r Registration, o KeepOptions) (stop func() error, err error) {
	client, err := New(config)
	if err != nil {
		return nil, err
	}
	k, err := client.keeper(ctx, r, o)
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- errors.Join(k.run(ctx), client.Close()) }()
	return sync.OnceValue(func() error {
		cancel()
		return <-ended
	}), nil
}
