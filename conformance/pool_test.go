//go:build unix

package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"google.golang.org/grpc"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"

	"github.com/suokelife/suokectl/pkg/discover"
	"github.com/suokelife/suokectl/pkg/discover/consulgrpc"
	"github.com/suokelife/suokectl/pkg/rpc"
)

const (
	poolTime    = 15 * time.Second
	poolAge     = time.Second
	poolCallers = 8
	poolStreams = 4
	poolService = "pool-service"
	// A stream goes on through two or three swaps.
	poolStreamTime = 2500 * time.Millisecond
)

// TestPoolSwapsUnderLoad calls three processes that Consul knows for 15 s through a pool whose channels live for one.
// No call and no stream fails; when the load has ended there is one connection to each instance, as in the beginning.
func TestPoolSwapsUnderLoad(t *testing.T) {
	t.Parallel()
	consul := sharedConsul.get(t).Addr
	processes := make([]*instanceProcess, 3)
	for i := range processes {
		processes[i] = startInstance(t, consul, poolService)
	}
	client := discoverClient(t, discover.Config{Address: consul})
	var swaps swapLog
	pool := rpc.NewPool(rpc.PoolConfig{
		MaxAge: poolAge, OnSwap: swaps.add,
		Dial: func(rpc.Key) (rpc.Config, error) {
			return rpc.Config{Target: "consul:///" + poolService, Resolver: consulgrpc.NewBuilder(client)}, nil
		},
	})
	defer pool.Close()
	load := &poolLoad{conn: pool.Conn(rpc.Key{Service: poolService})}
	load.call(t.Context())
	isOneEach := func(n int) bool { return n == len(processes) }
	before := awaitConnections(t, processes, isOneEach)
	load.run(t.Context())
	after := awaitConnections(t, processes, isOneEach)
	if err := pool.Close(); err != nil {
		t.Error(err)
	}
	closed := awaitConnections(t, processes, func(n int) bool { return n == 0 })
	for _, p := range processes {
		p.end(t)
	}
	for _, err := range append(load.failed, swaps.failed...) {
		t.Error(err)
	}
	if want := int(poolTime/poolAge) / 2; swaps.n < want {
		t.Errorf("%d swaps, want %d at least", swaps.n, want)
	}
	t.Logf("\n%s", load.table(swaps.n, before, after, closed))
}

// swapLog counts swaps.
type swapLog struct {
	mu     sync.Mutex
	n      int
	failed []error
}

func (l *swapLog) add(key rpc.Key, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n++
	if err != nil {
		l.failed = append(l.failed, fmt.Errorf("a swap of %s: %w", key, err))
	}
}

// poolLoad is calls and streams without a pause.
type poolLoad struct {
	conn grpc.ClientConnInterface

	mu        sync.Mutex
	latencies []time.Duration
	streams   int
	messages  int
	failed    []error
}

func (l *poolLoad) run(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, poolTime)
	defer cancel()
	var callers sync.WaitGroup
	for range poolCallers {
		callers.Go(func() {
			for ctx.Err() == nil {
				l.call(context.WithoutCancel(ctx))
			}
		})
	}
	for range poolStreams {
		callers.Go(func() {
			for ctx.Err() == nil {
				l.stream(context.WithoutCancel(ctx))
			}
		})
	}
	callers.Wait()
}

func (l *poolLoad) call(ctx context.Context) {
	start := time.Now()
	_, err := testgrpc.NewTestServiceClient(l.conn).UnaryCall(ctx, &testgrpc.SimpleRequest{})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.latencies = append(l.latencies, time.Since(start))
	if err != nil {
		l.failed = append(l.failed, fmt.Errorf("a call: %w", err))
	}
}

func (l *poolLoad) stream(ctx context.Context) {
	messages, err := echoes(ctx, l.conn)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.streams++
	l.messages += messages
	if err != nil {
		l.failed = append(l.failed, fmt.Errorf("a stream after %d messages: %w", messages, err))
	}
}

// echoes sends messages on a stream and reads their answers.
func echoes(ctx context.Context, conn grpc.ClientConnInterface) (n int, err error) {
	stream, err := testgrpc.NewTestServiceClient(conn).FullDuplexCall(ctx)
	if err != nil {
		return 0, err
	}
	for end := time.Now().Add(poolStreamTime); time.Now().Before(end); n++ {
		sent := fmt.Appendf(nil, "message %d", n)
		if err := stream.Send(&testgrpc.StreamingOutputCallRequest{Payload: &testgrpc.Payload{Body: sent}}); err != nil {
			return n, err
		}
		got, err := stream.Recv()
		if err != nil {
			return n, err
		}
		if !bytes.Equal(got.GetPayload().GetBody(), sent) {
			return n, fmt.Errorf("%q came back as %q", sent, got.GetPayload().GetBody())
		}
	}
	if err := stream.CloseSend(); err != nil {
		return n, err
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) { // until then it has its channel
		return n, fmt.Errorf("no end of the stream: %w", err)
	}
	return n, nil
}

func (l *poolLoad) table(swaps, before, after, closed int) string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	slices.Sort(l.latencies)
	_, _ = fmt.Fprintln(w, "swaps\tcalls\tstreams\tmessages\tfailed\tmedian\t99 %\tslowest\tconnections before, after, closed")
	_, _ = fmt.Fprintf(w, "%d\t%d\t%d\t%d\t%d\t%s\t%s\t%s\t%d, %d, %d\n", swaps, len(l.latencies), l.streams, l.messages, len(l.failed),
		short(l.latencies[len(l.latencies)/2]), short(l.latencies[len(l.latencies)*99/100]), short(l.latencies[len(l.latencies)-1]), before, after, closed)
	_ = w.Flush()
	return out.String()
}
