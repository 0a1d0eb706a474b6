package schema

import (
	"context"
	"errors"
	"time"
)

// key names a version of a subject, or the newest.
type key struct {
	subject string
	version int
}

// entry is what is known of a key.
type entry struct {
	schema   Schema
	absent   error // set when there is no such subject
	until    time.Time
	compiled [3]func() (*compiled, error) // by scope
}

func (e *entry) fresh() bool { return e.until.IsZero() || time.Now().Before(e.until) }

// load answers from memory while that is fresh, else from the registry. Two callers may both ask at first; that is
// cheaper than to let one wait for the other's deadline.
func (r *Registry) load(ctx context.Context, k key) (*entry, error) {
	r.mu.Lock()
	e := r.cached[k]
	r.mu.Unlock()
	if e == nil || !e.fresh() {
		var err error
		if e, err = r.refresh(ctx, k); err != nil {
			return nil, err
		}
	}
	return e, e.absent
}

func (r *Registry) refresh(ctx context.Context, k key) (*entry, error) {
	s, err := r.fetch(ctx, k)
	e := &entry{schema: s}
	switch {
	case errors.Is(err, ErrSubjectNotFound):
		e.absent = err
		e.until = time.Now().Add(r.cfg.MaxAge)
	case err != nil:
		return nil, err
	case k.version == Latest:
		e.until = time.Now().Add(r.cfg.MaxAge)
	}
	e.compiled = r.cfg.compileOnce(s)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.cached) >= maxCached {
		clear(r.cached)
	}
	r.cached[k] = e
	return e, nil
}

// maxCached bounds the memory; a fleet has fewer topics than that.
const maxCached = 4096

func (r *Registry) forget(subject string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.cached, key{subject, Latest})
}
