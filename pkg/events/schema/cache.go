package schema

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// key names a version of a subject, the newest of it, or an id.
type key struct {
	subject string
	version int
	id      int
}

func (k key) String() string {
	switch {
	case k.id != 0:
		return fmt.Sprintf("the schema with id %d", k.id)
	case k.version == Latest:
		return "the latest version of " + k.subject
	}
	return fmt.Sprintf("%s version %d", k.subject, k.version)
}

// entry is what is known of a key.
type entry struct {
	schema   Schema
	absent   error     // set when there is none
	at       time.Time // when it was learnt
	forEver  bool
	fromDisk bool
	renewing atomic.Bool

	mu     sync.Mutex
	parsed *Parsed
	broken error // why it cannot be parsed
}

func (e *entry) fresh(maxAge time.Duration) bool { return e.forEver || time.Since(e.at) < maxAge }

// cache is what a registry remembers, and the renewals that go on in the background.
type cache struct {
	ctx     context.Context //nolint:containedctx // it lives as long as the cache
	cancel  context.CancelFunc
	renewed sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	entries map[key]*entry
}

func newCache() cache {
	ctx, cancel := context.WithCancel(context.Background())
	return cache{ctx: ctx, cancel: cancel, entries: map[key]*entry{}}
}

func (c *cache) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.renewed.Wait()
}

// maxCached bounds the memory; a fleet has fewer topics than that.
const maxCached = 4096

func (c *cache) get(k key) *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.entries[k]
}

func (c *cache) put(k key, e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.entries) >= maxCached {
		clear(c.entries)
	}
	c.entries[k] = e
}

func (c *cache) drop(k key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, k)
}

// background runs do, unless the cache is closed.
func (c *cache) background(do func(context.Context)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.renewed.Go(func() { do(c.ctx) })
	}
}

// recall answers as load does, and from disk before it asks.
func (r *Registry) recall(ctx context.Context, k key) (*entry, error) {
	if r.cached.get(k) == nil {
		if e := r.disk.load(k, r.cfg.MaxAge); e != nil {
			r.cached.put(k, e)
		}
	}
	return r.load(ctx, k)
}

// load answers from memory while that is fresh, else from the registry. Two callers may both ask at first; that is
// cheaper than to let one wait for the other's deadline.
func (r *Registry) load(ctx context.Context, k key) (*entry, error) {
	if e := r.cached.get(k); e != nil && e.fresh(r.cfg.MaxAge) {
		r.renew(k, e)
		return e, e.absent
	}
	e, err := r.refresh(ctx, k)
	if err != nil {
		return nil, err
	}
	return e, e.absent
}

// renew asks again in the background for what is half too old. When that fails, the answer grows too old.
func (r *Registry) renew(k key, e *entry) {
	if e.forEver || e.fresh(r.cfg.MaxAge/2) || !e.renewing.CompareAndSwap(false, true) {
		return
	}
	r.cached.background(func(ctx context.Context) {
		defer e.renewing.Store(false)
		_, _ = r.refresh(ctx, k)
	})
}

func (r *Registry) refresh(ctx context.Context, k key) (*entry, error) {
	asked := time.Now()
	s, err := r.fetch(ctx, k)
	e := &entry{schema: s, at: asked}
	switch {
	case errors.Is(err, ErrSubjectNotFound) && k.id == 0, errors.Is(err, ErrSchemaNotFound) && k.id != 0:
		e.absent = err
	case err != nil:
		return nil, err
	default:
		e.forEver = k.version != Latest || k.id != 0
	}
	e.inherit(r.cached.get(k))
	r.cached.put(k, e)
	r.disk.save(k, e)
	return e, nil
}

// inherit keeps what was made of the same schema.
func (e *entry) inherit(before *entry) {
	if before == nil || e.absent != nil || before.schema.ID != e.schema.ID || before.schema.Text != e.schema.Text {
		return
	}
	before.mu.Lock()
	defer before.mu.Unlock()
	e.parsed, e.broken = before.parsed, before.broken
}

// understood parses the schema of an entry, once.
func (r *Registry) understood(ctx context.Context, e *entry) (*Parsed, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.parsed != nil || e.broken != nil {
		return e.parsed, e.broken
	}
	p, err := r.Parse(ctx, e.schema)
	if errors.Is(err, ErrInvalidSchema) {
		e.broken = err
	}
	e.parsed = p
	return p, err
}

func (r *Registry) forget(subject string) {
	k := key{subject: subject, version: Latest}
	r.cached.drop(k)
	r.disk.drop(k)
}
