package secure

import (
	"container/heap"
	"crypto/sha256"
	"sync"
	"time"
)

// DefaultReplaySize is how many tokens a [ReplayCache] remembers.
const DefaultReplaySize = 100_000

// ReplayCache remembers the ids of tokens until they expire, so that each is good
// for one call. It takes about 100 bytes a token, and no more than its size:
// when it is full of tokens that have not expired, others are refused, for
// forgetting one would let it in again. It is safe for concurrent use.
type ReplayCache struct {
	mu   sync.Mutex
	size int
	seen map[tokenID]struct{}
	ends endings
}

// NewReplayCache returns a cache of size tokens, [DefaultReplaySize] when it is
// not positive.
func NewReplayCache(size int) *ReplayCache {
	if size <= 0 {
		size = DefaultReplaySize
	}
	return &ReplayCache{size: size, seen: make(map[tokenID]struct{})}
}

type tokenID [16]byte

type ending struct {
	id tokenID
	at time.Time
}

// use notes a token as used.
func (r *ReplayCache) use(c Claims, now time.Time, leeway time.Duration) error {
	if c.ID == "" {
		return &TokenError{Reason: ErrMissingClaim, Detail: "jti, by which replays are known"}
	}
	sum := sha256.Sum256([]byte(c.Issuer + "\x00" + c.ID))
	id := tokenID(sum[:16])
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.ends) > 0 && !now.Before(r.ends[0].at) {
		ended, _ := heap.Pop(&r.ends).(ending)
		delete(r.seen, ended.id)
	}
	if _, used := r.seen[id]; used {
		return &TokenError{Reason: ErrReplayed}
	}
	if len(r.seen) >= r.size {
		return &TokenError{Reason: ErrReplayed, Detail: "too many tokens are remembered to tell"}
	}
	r.seen[id] = struct{}{}
	heap.Push(&r.ends, ending{id, c.ExpiresAt.Add(leeway)})
	return nil
}

// endings is a heap, the first to end on top.
type endings []ending

func (e endings) Len() int           { return len(e) }
func (e endings) Less(i, j int) bool { return e[i].at.Before(e[j].at) }
func (e endings) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }

// Push is the heap's.
func (e *endings) Push(x any) { *e = append(*e, x.(ending)) }

// Pop is the heap's.
func (e *endings) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}
