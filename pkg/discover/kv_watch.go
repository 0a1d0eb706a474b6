package discover

import (
	"context"
	"iter"
	"slices"
	"time"
)

// KVUpdate is what a watch of keys tells.
type KVUpdate struct {
	// Entries are what is there, sorted by key. Of one key it is that or nothing.
	Entries []Entry
	// Err is set while Consul cannot be asked, or hides some of the keys; Entries are then the last that were known.
	Err error
	// Read is when Entries were read from Consul; zero when they never were.
	Read time.Time
}

// keyWait is how long one read of keys may block. It is short because Consul forgets something: who deletes a tree
// does not move the index of a folder inside it, so that who waits there learns of it only when the wait ends.
const keyWait = time.Minute

// Watch tells a key now and after each change, until ctx ends or the caller stops. That it is gone is a change; that it
// was locked, or written as it was, is none, and its index and session are then those of before. Outages are told as
// [Client.Watch] tells them, with the last good value kept. A key that cannot be used is told once, as an error.
//
// The sequence runs in the caller's goroutine and may be used once.
func (kv KV) Watch(ctx context.Context, key string) iter.Seq[KVUpdate] {
	return kv.watch(ctx, func(ctx context.Context, after uint64) ([]Entry, uint64, error) { return kv.one(ctx, key, after) })
}

// WatchTree is Watch for every key that begins with prefix. A reply that ACLs filtered is an error.
func (kv KV) WatchTree(ctx context.Context, prefix string) iter.Seq[KVUpdate] {
	return kv.watch(ctx, func(ctx context.Context, after uint64) ([]Entry, uint64, error) { return kv.all(ctx, prefix, after) })
}

func (kv KV) watch(ctx context.Context, read func(context.Context, uint64) ([]Entry, uint64, error)) iter.Seq[KVUpdate] {
	p := &poll[[]Entry]{
		client: kv.client,
		read:   read,
		same:   func(a, b []Entry) bool { return slices.EqualFunc(a, b, sameEntry) },
	}
	return func(yield func(KVUpdate) bool) {
		for r := range p.readings(ctx) {
			if !yield(KVUpdate{Entries: r.value, Err: r.err, Read: r.at}) {
				return
			}
		}
	}
}

// sameEntry compares what was written, not when, nor who holds the lock.
func sameEntry(a, b Entry) bool {
	return a.Key == b.Key && string(a.Value) == string(b.Value) && a.Flags == b.Flags
}
