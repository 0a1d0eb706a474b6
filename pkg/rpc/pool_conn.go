package rpc

import (
	"context"
	"sync"

	"google.golang.org/grpc"
)

// PoolConn is the connection of a key. It is safe for concurrent use.
type PoolConn struct {
	pool *Pool
	key  Key
}

var _ grpc.ClientConnInterface = (*PoolConn)(nil)

// Invoke makes a unary call. A channel that cannot be opened is a
// [*DiscoveryError] or says what is wrong with its configuration.
func (c *PoolConn) Invoke(ctx context.Context, method string, args, reply any, options ...grpc.CallOption) error {
	g, err := c.pool.acquire(ctx, c.key)
	if err != nil {
		return err
	}
	defer c.pool.release(c.key, g)
	return g.channel.Invoke(ctx, method, args, reply, options...)
}

// NewStream opens a stream, which keeps its channel until it ends.
func (c *PoolConn) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, options ...grpc.CallOption) (grpc.ClientStream, error) {
	g, err := c.pool.acquire(ctx, c.key)
	if err != nil {
		return nil, err
	}
	release := sync.OnceFunc(func() { c.pool.release(c.key, g) })
	stream, err := g.channel.NewStream(ctx, desc, method, append(options[:len(options):len(options)], grpc.OnFinish(func(error) { release() }))...)
	if err != nil {
		release()
	}
	return stream, err
}
