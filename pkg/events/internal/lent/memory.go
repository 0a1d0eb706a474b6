package lent

import (
	"context"
	"maps"
	"net"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// What is kept for the next answers while nobody uses it.
const (
	idleBlocks = 4
	mostIdle   = 10 << 20
)

// mostUnclaimed is how many answers may come while one is not claimed: the client
// claims them as they come, but for those of a request that was given up just then.
const mostUnclaimed = 64

// Memory lends the blocks in which the fetch answers of one client lie. It may be
// used by several goroutines.
type Memory struct {
	idle chan []byte

	mu      sync.Mutex
	last    int32
	waiting map[int32]*Loan // by the session ids that refer to them
}

// NewMemory returns memory of which nothing is taken yet.
func NewMemory() *Memory {
	return &Memory{idle: make(chan []byte, idleBlocks), waiting: make(map[int32]*Loan)}
}

// Loan is the memory of one answer. Who holds a nil one holds nothing.
type Loan struct {
	memory *Memory
	block  []byte
	answer *kmsg.FetchResponse
	from   *conn
	users  atomic.Int32
}

// Share adds a user, who returns the loan too.
func (l *Loan) Share() {
	if l != nil {
		l.users.Add(1)
	}
}

// Return is called by each user at the end. With the last one the answer's bytes
// are lent to somebody else; a loan that is never returned is left to the
// garbage collector.
func (l *Loan) Return() {
	if l != nil && l.users.Add(-1) == 0 {
		l.memory.put(l.block)
	}
}

// Dial returns a dial function of the same kind, whose connections read large
// fetch answers into m. They may carry no fetch requests but those whose answers
// are claimed, and none that is part of a session.
func (m *Memory) Dial(dial DialFunc) DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return newConn(c, m), nil
	}
}

// DialFunc opens a connection.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// Claim returns the answer that the client was given, or the one to which it
// refers, with the loan of its records' memory.
func (m *Memory) Claim(answer *kmsg.FetchResponse) (*kmsg.FetchResponse, *Loan) {
	if answer.SessionID == 0 || len(answer.Topics) > 0 { // then a broker made it
		return answer, nil
	}
	l := m.forget(answer.SessionID)
	if l == nil {
		return answer, nil
	}
	return l.answer, l
}

// hold keeps a loan until it is claimed, and returns what refers to it.
func (m *Memory) hold(l *Loan) int32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = max(m.last+1, 1)
	m.waiting[m.last] = l
	delete(m.waiting, m.last-mostUnclaimed)
	return m.last
}

func (m *Memory) forget(reference int32) *Loan {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.waiting[reference]
	delete(m.waiting, reference)
	return l
}

// forgetAll drops what came from a connection that is closed.
func (m *Memory) forgetAll(from *conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.waiting, func(_ int32, l *Loan) bool { return l.from == from })
}

func (m *Memory) get(size int) []byte {
	select {
	case block := <-m.idle:
		if cap(block) >= size {
			return block[:size]
		}
	default:
	}
	return make([]byte, size)
}

func (m *Memory) put(block []byte) {
	if cap(block) > mostIdle {
		return
	}
	select {
	case m.idle <- block:
	default:
	}
}
