package rpc

import (
	"context"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/stats"
)

// Timings say where the time of a call went, in milliseconds. The first three
// are known on a channel whose Config asks for them, and are durations; the
// others are times since the call began. The first call of such a channel began
// with it, for it had to wait until instances were found.
type Timings struct {
	// ResolveMS is how long it took to find the instances of a service, or the
	// addresses of a host.
	ResolveMS float64 `json:"resolve_ms,omitempty"`
	// ConnectMS and TLSMS are how long the connection to the instance that
	// answered took, and the TLS handshake on it.
	ConnectMS float64 `json:"connect_ms,omitempty"`
	TLSMS     float64 `json:"tls_ms,omitempty"`
	// DescriptorsMS is when the method's descriptors were there.
	DescriptorsMS float64 `json:"descriptors_ms"`
	// FirstByteMS is when the response's headers were there.
	FirstByteMS float64 `json:"first_byte_ms,omitempty"`
	// FirstMessageMS is when the first message was there; 0 when none came.
	FirstMessageMS float64 `json:"first_message_ms,omitempty"`
	// TotalMS is when the call ended.
	TotalMS float64 `json:"total_ms"`
}

// timeline notes when the connections of a channel were made.
type timeline struct {
	start time.Time

	used atomic.Bool // by a call

	mu       sync.Mutex
	resolved time.Duration
	dialled  map[string]*dialled // by address
}

type dialled struct{ connect, tls time.Duration }

func newTimeline() *timeline { return &timeline{start: time.Now(), dialled: map[string]*dialled{}} }

// began returns when a call began that begins now.
func (t *timeline) began() time.Time {
	if t == nil || t.used.Swap(true) {
		return time.Now()
	}
	return t.start
}

// options make a connection tell its times.
func (t *timeline) options(transport credentials.TransportCredentials) []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithContextDialer(t.dial),
		grpc.WithTransportCredentials(timedCredentials{transport, t}),
		grpc.WithStatsHandler(timedCalls{}),
	}
}

func (t *timeline) dial(ctx context.Context, address string) (net.Conn, error) {
	t.mu.Lock()
	if len(t.dialled) == 0 && t.resolved == 0 {
		t.resolved = time.Since(t.start)
	}
	t.mu.Unlock()
	network, where := "tcp", address
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		network, where = "unix", strings.TrimPrefix(path, "//")
	}
	start := time.Now()
	conn, err := new(net.Dialer).DialContext(ctx, network, where)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dialled[where] = &dialled{connect: time.Since(start)}
	return &timedConn{conn, where}, nil
}

// timedConn remembers the address for which it was made.
type timedConn struct {
	net.Conn

	address string
}

// timedCredentials measure handshakes.
type timedCredentials struct {
	credentials.TransportCredentials

	timeline *timeline
}

func (c timedCredentials) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	start := time.Now()
	secured, info, err := c.TransportCredentials.ClientHandshake(ctx, authority, conn)
	timed, ok := conn.(*timedConn)
	if err == nil && ok && c.Info().SecurityProtocol == "tls" {
		c.timeline.mu.Lock()
		defer c.timeline.mu.Unlock()
		if d := c.timeline.dialled[timed.address]; d != nil {
			d.tls = time.Since(start)
		}
	}
	return secured, info, err
}

func (c timedCredentials) Clone() credentials.TransportCredentials {
	return timedCredentials{c.TransportCredentials.Clone(), c.timeline}
}

// timedCalls note when the first byte of a call's response comes.
type timedCalls struct{}

func (timedCalls) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (timedCalls) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (timedCalls) HandleConn(context.Context, stats.ConnStats)                       {}

func (timedCalls) HandleRPC(ctx context.Context, event stats.RPCStats) {
	switch event.(type) {
	case *stats.InHeader, *stats.InTrailer:
		if call := callIn(ctx); call != nil {
			call.answered()
		}
	}
}

func (c *callState) answered() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.firstByte.IsZero() {
		c.firstByte = time.Now()
	}
}

// fill notes the times of a call that has ended.
func (t *timeline) fill(timings *Timings, state *callState, start time.Time) {
	if t == nil {
		return
	}
	instance := ""
	if attempts := state.list(); len(attempts) > 0 {
		instance = attempts[len(attempts)-1].Instance
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	timings.ResolveMS = milliseconds(t.resolved)
	if d := t.dialled[instance]; d != nil {
		timings.ConnectMS, timings.TLSMS = milliseconds(d.connect), milliseconds(d.tls)
	}
	state.mu.Lock()
	defer state.mu.Unlock()
	if !state.firstByte.IsZero() {
		timings.FirstByteMS = milliseconds(state.firstByte.Sub(start))
	}
}
