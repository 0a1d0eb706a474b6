package lent

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// The sizes of answers that are read into lent memory. Below, the detour costs
// more than it saves; above, the client refuses them.
const (
	leastLent = 32 << 10
	mostLent  = 100 << 20
)

// leastVersion is the first version of a fetch request whose answer is looked
// into: Kafka 2.7's, and the first one with flexible fields.
const leastVersion = 12

// The fields of a request and an answer that are looked at, by their place.
const (
	atKey         = 4
	atVersion     = 6
	atCorrelation = 8
	requestLeast  = 12

	sizeBytes = 4
	headBytes = sizeBytes + 4 // size and correlation id
)

// conn is read by one goroutine and written to by one.
type conn struct {
	net.Conn
	memory *Memory
	in     *bufio.Reader

	out     []byte // to be read by the client next
	through int    // bytes that it is given as they come then

	mu     sync.Mutex
	asked  map[int32]int16 // versions of fetch requests, by correlation id
	closed bool
}

func newConn(c net.Conn, m *Memory) *conn {
	return &conn{Conn: c, memory: m, in: bufio.NewReader(c), asked: make(map[int32]int16)}
}

// Write takes one request at a time, as the client writes them.
func (c *conn) Write(b []byte) (int, error) {
	if len(b) >= requestLeast && binary.BigEndian.Uint16(b[atKey:]) == uint16(kmsg.Fetch) {
		if version := int16(binary.BigEndian.Uint16(b[atVersion:])); version >= leastVersion {
			c.mu.Lock()
			c.asked[int32(binary.BigEndian.Uint32(b[atCorrelation:]))] = version
			c.mu.Unlock()
		}
	}
	return c.Conn.Write(b)
}

func (c *conn) Read(p []byte) (int, error) {
	if len(c.out) == 0 && c.through == 0 {
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	if len(c.out) > 0 {
		n := copy(p, c.out)
		c.out = c.out[n:]
		return n, nil
	}
	n, err := c.in.Read(p[:min(len(p), c.through)])
	c.through -= n
	return n, err
}

// Close drops what nobody has claimed.
func (c *conn) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.memory.forgetAll(c)
	return c.Conn.Close()
}

// next looks at the answer that comes, and says how the client is to have it.
func (c *conn) next() error {
	head, err := c.in.Peek(sizeBytes)
	if err != nil {
		if c.through = len(head); c.through > 0 {
			return nil
		}
		return err
	}
	size := int(int32(binary.BigEndian.Uint32(head)))
	c.through = sizeBytes + max(size, 0)
	if size < headBytes-sizeBytes || size > mostLent {
		return nil
	}
	if head, err = c.in.Peek(headBytes); err != nil {
		return err
	}
	if version, ok := c.answered(int32(binary.BigEndian.Uint32(head[sizeBytes:]))); ok && size >= leastLent {
		c.through = 0
		return c.lend(size, version)
	}
	return nil
}

// answered reports whether an answer is to a fetch request, and of what version.
func (c *conn) answered(correlation int32) (version int16, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	version, ok = c.asked[correlation]
	delete(c.asked, correlation)
	return version, ok
}

// lend reads an answer into a block, and has the client read one that refers to it.
func (c *conn) lend(size int, version int16) error {
	if _, err := c.in.Discard(sizeBytes); err != nil {
		return err
	}
	l := &Loan{memory: c.memory, block: c.memory.get(size), answer: kmsg.NewPtrFetchResponse(), from: c}
	l.users.Store(1)
	if _, err := io.ReadFull(c.in, l.block); err != nil {
		return err
	}
	l.answer.SetVersion(version)
	head, body := l.block[:headBytes-sizeBytes+1], l.block[headBytes-sizeBytes+1:]
	if head[len(head)-1] != 0 || l.answer.ReadFrom(body) != nil || l.answer.SessionID != 0 {
		c.out = append(binary.BigEndian.AppendUint32(nil, uint32(size)), l.block...)
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	short := kmsg.FetchResponse{Version: version, ThrottleMillis: l.answer.ThrottleMillis, SessionID: c.memory.hold(l)}
	c.out = short.AppendTo(append(make([]byte, sizeBytes), head...))
	binary.BigEndian.PutUint32(c.out, uint32(len(c.out)-sizeBytes))
	return nil
}
