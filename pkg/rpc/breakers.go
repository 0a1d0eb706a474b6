package rpc

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/suokelife/suokectl/pkg/resilience"
)

// UnavailableError says that a call was sent nowhere, since the circuit breaker
// of every connected instance is open. It unwraps to a
// [*resilience.UnavailableError] that asks to wait until one lets a call pass,
// and has the gRPC status UNAVAILABLE. It is what a fallback waits for.
type UnavailableError struct {
	// Service is the channel's name.
	Service string
	// Instances are those whose breakers are open.
	Instances []string
	// RecoveryTimeLeft is when the first of them lets a call pass.
	RecoveryTimeLeft time.Duration
}

func (e *UnavailableError) Error() string {
	return fmt.Sprintf("%s: the circuit breakers of all its %d connected instances are open; one lets a call pass in %s",
		e.Service, len(e.Instances), e.RecoveryTimeLeft.Round(time.Millisecond))
}

// Unwrap returns the error as resilience knows it.
func (e *UnavailableError) Unwrap() error {
	service := resilience.NewUnavailable(e.Service, map[string]any{"recovery_time": e.RecoveryTimeLeft.Seconds()})
	service.Timeout = e.RecoveryTimeLeft
	return service
}

// GRPCStatus returns UNAVAILABLE.
func (e *UnavailableError) GRPCStatus() *status.Status {
	return status.New(codes.Unavailable, e.Error())
}

// breakers has one for each instance that was ever picked and is still there.
type breakers struct {
	mu     sync.Mutex
	byAddr map[string]*resilience.Breaker
}

// of returns the breaker of an instance; nil when the channel has none.
func (b *breakers) of(instance string, config *resilience.BreakerConfig) *resilience.Breaker {
	if config == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	found := b.byAddr[instance]
	if found == nil {
		named := *config
		named.Name = instance
		found = resilience.NewBreaker(named)
		if b.byAddr == nil {
			b.byAddr = map[string]*resilience.Breaker{}
		}
		b.byAddr[instance] = found
	}
	return found
}

// keep forgets the instances that are gone.
func (b *breakers) keep(instances []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for instance := range b.byAddr {
		if !slices.Contains(instances, instance) {
			delete(b.byAddr, instance)
		}
	}
}
