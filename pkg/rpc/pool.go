package rpc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/suokelife/suokectl/pkg/spec"
)

// Key names a channel of a [Pool]: calls of one identity to one version of a
// service share it.
type Key struct {
	Service, Version string
	// Identity tells apart callers whose credentials differ. It is any name.
	Identity string
}

func (k Key) String() string {
	text := k.Service
	if k.Version != "" {
		text += " " + k.Version
	}
	if k.Identity != "" {
		text += " as " + k.Identity
	}
	return text
}

// PoolConfig describes a pool. Dial is required; the other zero values are the
// specification's (G2).
type PoolConfig struct {
	// Dial says how the channel of a key is made.
	Dial func(Key) (Config, error)
	// Size is how many channels are open at most. The default is 10.
	Size int
	// MaxAge is when a channel is replaced, give or take a tenth of it, so that
	// clients that started together do not dial together. The default is 1 h.
	MaxAge time.Duration
	// OnSwap is told of each replacement, and why one failed, which leaves the
	// old channel in place. It must not block.
	OnSwap func(Key, error)
}

// ErrPoolClosed says that a pool was asked for a call after its Close.
var ErrPoolClosed = status.Error(codes.Canceled, "the pool of connections is closed")

const (
	ageJitter   = 0.1
	swapTimeout = spec.CallTimeout // to be connected
	swapAgain   = time.Second      // after a replacement that failed
)

// Pool keeps one channel for each key, opened with its first call. A channel
// that is too old goes on serving while its successor connects; then calls go to
// the new one, and the old one is closed after the last call that it has: no
// call fails because of a swap. When the pool is full the channel that has been
// idle longest makes room; a call that finds all of them busy waits.
//
// A Pool is safe for concurrent use. Close it after use.
type Pool struct {
	config PoolConfig
	ctx    context.Context //nolint:containedctx // the lifetime of what the pool does by itself
	cancel context.CancelFunc
	tasks  sync.WaitGroup // begun under mu, never after Close

	mu      sync.Mutex
	members map[Key]*member
	retired map[*generation]bool // with calls that have not ended
	changed chan struct{}        // closed and made anew when a member becomes idle or leaves
	closed  bool
}

// member is the place of a key in a pool.
type member struct {
	key      Key
	opened   chan struct{} // closed when opening has ended
	err      error         // why it failed
	current  *generation
	swapping bool
	used     time.Time
}

// generation is one channel of a member, with the calls that it has.
type generation struct {
	channel *Channel
	calls   int
	expires time.Time
}

// NewPool makes a pool. It opens no channel yet.
func NewPool(c PoolConfig) *Pool {
	c.Size = cmp.Or(c.Size, spec.PoolSize)
	c.MaxAge = cmp.Or(c.MaxAge, spec.PoolMaxAge)
	if c.OnSwap == nil {
		c.OnSwap = func(Key, error) {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Pool{config: c, ctx: ctx, cancel: cancel, members: map[Key]*member{}, retired: map[*generation]bool{}, changed: make(chan struct{})}
}

// Close ends the calls that are under way and closes all channels.
func (p *Pool) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.cancel()
	p.tasks.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	var failed []error
	for _, m := range p.members {
		if m.current != nil {
			failed = append(failed, m.current.channel.Close())
		}
	}
	for g := range p.retired {
		failed = append(failed, g.channel.Close())
	}
	clear(p.members)
	clear(p.retired)
	return errors.Join(failed...)
}

// Conn returns a connection for generated stubs, which may keep it for good:
// each call finds the key's present channel.
func (p *Pool) Conn(key Key) *PoolConn { return &PoolConn{pool: p, key: key} }

// acquire counts a call in on the key's present channel.
func (p *Pool) acquire(ctx context.Context, key Key) (*generation, error) {
	for {
		m, wait, err := p.member(key)
		switch {
		case err != nil:
			return nil, err
		case m == nil: // all are busy
			select {
			case <-wait:
				continue
			case <-ctx.Done():
				return nil, status.FromContextError(ctx.Err()).Err()
			}
		}
		select {
		case <-m.opened:
		case <-ctx.Done():
			return nil, status.FromContextError(ctx.Err()).Err()
		}
		if m.err != nil {
			return nil, m.err
		}
		if g := p.enter(m); g != nil {
			return g, nil
		}
	}
}

// member returns the key's, a new one if there is room, or what to wait for.
func (p *Pool) member(key Key) (*member, <-chan struct{}, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, nil, ErrPoolClosed
	}
	if m := p.members[key]; m != nil {
		return m, nil, nil
	}
	if len(p.members) >= p.config.Size && !p.evict() {
		return nil, p.changed, nil
	}
	m := &member{key: key, opened: make(chan struct{})}
	p.members[key] = m
	p.tasks.Go(func() { p.open(m) })
	return m, nil, nil
}

// evict closes the channel that has been idle longest. The pool is locked.
func (p *Pool) evict() bool {
	var oldest *member
	for _, m := range p.members {
		if m.current != nil && m.current.calls == 0 && !m.swapping && (oldest == nil || m.used.Before(oldest.used)) {
			oldest = m
		}
	}
	if oldest == nil {
		return false
	}
	delete(p.members, oldest.key)
	p.shut(oldest.current)
	oldest.current = nil
	return true
}

// shut closes a channel that has no calls. It is not done by the goroutine that
// ends the last call, which may be one of the channel's own. The pool is locked.
func (p *Pool) shut(g *generation) {
	if p.closed {
		p.retired[g] = true // Close sees to it
		return
	}
	p.tasks.Go(func() { _ = g.channel.Close() }) // fails only when closed before
}

// open makes a member's first channel. The member leaves when it fails, so that
// the next call tries again.
func (p *Pool) open(m *member) {
	g, err := p.dial(m.key)
	p.mu.Lock()
	defer p.mu.Unlock()
	m.current, m.err, m.used = g, err, time.Now()
	if err != nil {
		delete(p.members, m.key)
		p.announce()
	}
	close(m.opened)
}

func (p *Pool) dial(key Key) (*generation, error) {
	config, err := p.config.Dial(key)
	if err != nil {
		return nil, fmt.Errorf("configure the channel to %s: %w", key, err)
	}
	ctx, cancel := context.WithTimeout(p.ctx, swapTimeout)
	defer cancel()
	channel, err := NewChannel(ctx, config)
	if err != nil {
		return nil, err
	}
	age := float64(p.config.MaxAge) * (1 + ageJitter*(2*rand.Float64()-1)) //nolint:gosec // jitter is no secret
	return &generation{channel: channel, expires: time.Now().Add(time.Duration(age))}, nil
}

// enter counts a call in, and begins a swap when the channel is too old. It
// returns nil when the member has been evicted.
func (p *Pool) enter(m *member) *generation {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := m.current
	if g == nil || p.closed {
		return nil
	}
	g.calls++
	m.used = time.Now()
	if !m.swapping && m.used.After(g.expires) {
		m.swapping = true
		p.tasks.Go(func() { p.swap(m) })
	}
	return g
}

func (p *Pool) release(key Key, g *generation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g.calls--
	if g.calls > 0 {
		return
	}
	if p.retired[g] {
		delete(p.retired, g)
		p.shut(g)
		return
	}
	if m := p.members[key]; m != nil {
		m.used = time.Now()
	}
	p.announce()
}
