package load

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// caller makes one call at a time.
type caller struct {
	*run
	number  int
	conn    grpc.ClientConnInterface
	context context.Context //nolint:containedctx // of its calls, with their headers
	cancel  context.CancelFunc
	options []grpc.CallOption
	timer   *time.Timer
	batch   *batch

	// of the calls that begin until renew, see bounded
	bound  context.Context //nolint:containedctx // shared by several calls
	unbind context.CancelFunc
	renew  time.Duration

	// of the call under way
	peer  peer.Peer
	reply reply

	names map[net.Addr]string
}

// newCaller has a context of its own, so that calls register for its end with
// no other caller's.
func newCaller(r *run, number int) *caller {
	c := &caller{run: r, number: number, conn: r.config.Conns[number%len(r.config.Conns)]}
	c.context, c.cancel = context.WithCancel(metadata.NewOutgoingContext(r.calls, r.config.Headers))
	c.options = []grpc.CallOption{grpc.ForceCodecV2(codec{}), grpc.Peer(&c.peer)}
	c.timer = time.NewTimer(forever)
	c.batch = r.collector.batch()
	c.names = map[net.Addr]string{}
	return c
}

func (c *caller) work() {
	defer c.cancel()
	defer c.timer.Stop()
	if c.arrivals == nil {
		c.workClosed()
	} else {
		c.workOpen()
	}
	c.collector.take(c.batch)
}

// workClosed calls again and again.
func (c *caller) workClosed() {
	bounded, warmup := c.config.Requests > 0, c.config.Warmup
	if !c.sleep(c.config.Ramp.caller(c.number, c.config.Concurrency)) {
		return
	}
	for {
		body, ok := c.config.Bodies.take(c.launch)
		start := c.now()
		if !ok || start >= c.end || c.launch.Err() != nil {
			return
		}
		if bounded && start >= warmup && c.left.Add(-1) < 0 {
			c.stop()
			return
		}
		if !c.call(sample{start: start, sent: start}, body) {
			return
		}
	}
}

// workOpen calls when it is time.
func (c *caller) workOpen() {
	for c.launch.Err() == nil {
		start, ok := c.arrivals.next()
		if !ok {
			return
		}
		now := c.now()
		late := now > start
		if patience := c.config.Timeout; patience > 0 && now-start > patience {
			c.record(sample{start: start, ended: now, missed: true})
			continue
		}
		body, ok := c.config.Bodies.take(c.launch)
		if !ok || !c.sleep(start) || !c.call(sample{start: start, sent: c.now(), late: late}, body) {
			return
		}
	}
}

// sleep waits until it is time. It returns false when no call is to begin any
// more.
func (c *caller) sleep(until time.Duration) bool {
	wait := until - c.now()
	if wait <= 0 {
		return true
	}
	if wait > flushAfter {
		c.handOver()
	}
	c.timer.Reset(wait)
	select {
	case <-c.timer.C:
		return true
	case <-c.launch.Done():
		return false
	}
}

// call returns false when the run was ended and the call with it.
func (c *caller) call(s sample, body *request) bool {
	c.peer, c.reply = peer.Peer{}, reply{}
	err := c.invoke(body)
	s.ended = c.now()
	if err != nil {
		if c.calls.Err() != nil {
			c.record(sample{aborted: true})
			return false
		}
		failed := status.Convert(err)
		s.code, s.message = failed.Code(), failed.Message()
	}
	s.instance, s.bytesSent, s.bytesReceived = c.instance(), body.size, c.reply.size
	c.record(s)
	return true
}

func (c *caller) invoke(body *request) error {
	ctx := c.bounded()
	if c.config.ServerStream {
		return c.stream(ctx, body)
	}
	return c.conn.Invoke(ctx, c.method, body, &c.reply, c.options...)
}

// bounded returns a context with the deadline of the next call. One context
// serves all calls that begin within a hundredth of the timeout, which is by how
// much their deadline is early at most: a timer for each call would cost as much
// as a fifth of the call.
func (c *caller) bounded() context.Context {
	timeout := c.config.Timeout
	if timeout == 0 {
		return c.context
	}
	if now := c.now(); c.bound == nil || now > c.renew {
		if c.bound != nil {
			c.unbind()
		}
		c.bound, c.unbind = context.WithTimeout(c.context, timeout)
		c.renew = now + timeout/100
	}
	return c.bound
}

// stream reads all that the server streams.
func (c *caller) stream(ctx context.Context, body *request) error {
	stream, err := c.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, c.method, c.options...)
	if err != nil {
		return err
	}
	if err := stream.SendMsg(body); err != nil && !errors.Is(err, io.EOF) { // then the reason comes by RecvMsg
		return err
	}
	_ = stream.CloseSend() // always nil
	for {
		if err := stream.RecvMsg(&c.reply); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// instance names who took the call, "" when nobody did.
func (c *caller) instance() string {
	if c.peer.Addr == nil {
		return ""
	}
	name, known := c.names[c.peer.Addr]
	if !known {
		name = c.peer.Addr.String()
		c.names[c.peer.Addr] = name
	}
	return name
}

func (c *caller) record(s sample) {
	if c.batch.add(s) {
		c.handOver()
	}
}

// handOver lets the collector count what there is.
func (c *caller) handOver() {
	if len(c.batch.samples) > 0 {
		c.collector.take(c.batch)
		c.batch = c.collector.batch()
	}
}
