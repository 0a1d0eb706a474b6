package load_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/suokelife/suokectl/pkg/rpc/load"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	check = "grpc.health.v1.Health/Check"
	watch = "grpc.health.v1.Health/Watch"
)

// server answers by functions.
type server struct {
	grpc_health_v1.UnimplementedHealthServer
	check func(context.Context, *grpc_health_v1.HealthCheckRequest) error
	watch func(grpc_health_v1.Health_WatchServer) error
}

func (s server) Check(ctx context.Context, r *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	return &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}, s.check(ctx, r)
}

func (s server) Watch(_ *grpc_health_v1.HealthCheckRequest, stream grpc_health_v1.Health_WatchServer) error {
	return s.watch(stream)
}

// serve starts a server, of which the returned function is the end.
func serve(t *testing.T, listener net.Listener, s server) (stop func()) {
	t.Helper()
	g := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(g, s)
	done := make(chan error, 1)
	go func() { done <- g.Serve(listener) }()
	return sync.OnceFunc(func() {
		g.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func onLoopback(t *testing.T, s server) (conn *grpc.ClientConn, stop func()) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stop = serve(t, listener, s)
	t.Cleanup(stop)
	return connect(t, listener.Addr().String()), stop
}

func connect(t *testing.T, address string, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(address, append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	return conn
}

// inBubble is gRPC in memory, whose time is the bubble's.
func inBubble(t *testing.T, s server, use func(*testing.T, grpc.ClientConnInterface)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		listener := bufconn.Listen(1 << 20)
		stop := serve(t, listener, s)
		defer stop()
		conn, err := grpc.NewClient("passthrough:///bubble", grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		use(t, conn)
	})
}

func run(t *testing.T, ctx context.Context, c load.Config) *load.Result { //nolint:revive // t first, as everywhere here
	t.Helper()
	r, err := load.Run(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func conns(list ...grpc.ClientConnInterface) []grpc.ClientConnInterface { return list }

// A server stalls for a second, and all who come meanwhile wait: the open model
// shows their waiting, the closed model nearly none of it.
func TestAStallShowsInTheTailOfTheOpenModel(t *testing.T) {
	stalling := func() server {
		begin := time.Now()
		var stall sync.Mutex
		return server{check: func(context.Context, *grpc_health_v1.HealthCheckRequest) error {
			stall.Lock()
			defer stall.Unlock()
			if since := time.Since(begin); since >= 2*time.Second && since < 3*time.Second {
				time.Sleep(3*time.Second - since)
			}
			return nil
		}}
	}
	var open, closed *load.Result
	for _, model := range []struct {
		rate   float64
		result **load.Result
	}{{100, &open}, {0, &closed}} {
		synctest.Test(t, func(t *testing.T) {
			s := stalling()
			inner := s.check
			if model.rate == 0 { // a caller that is served in 10 ms comes as often
				s.check = func(ctx context.Context, r *grpc_health_v1.HealthCheckRequest) error {
					time.Sleep(10 * time.Millisecond)
					return inner(ctx, r)
				}
			}
			listener := bufconn.Listen(1 << 20)
			stop := serve(t, listener, s)
			defer stop()
			conn, err := grpc.NewClient("passthrough:///bubble", grpc.WithTransportCredentials(insecure.NewCredentials()),
				grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			*model.result = run(t, t.Context(), load.Config{
				Conns: conns(conn), Method: check, Rate: model.rate, Duration: 10 * time.Second, Concurrency: 1,
			})
		})
	}
	// 100 of 1000 calls were to begin within the second, and waited for its end:
	// half a second on average.
	if open.Calls != 1000 || open.Latency.P99MS < 890 || open.Latency.P99MS > 910 || open.Latency.P95MS < 490 || open.Latency.P95MS > 510 {
		t.Errorf("open: %d calls, %+v", open.Calls, open.Latency)
	}
	if open.Late < 98 || open.Late > 100 || open.Lag.MaxMS < 980 {
		t.Errorf("open: %d late, %+v", open.Late, open.Lag)
	}
	// The one caller met the stall once.
	if closed.Latency.P99MS > 11 || closed.Latency.MaxMS < 980 {
		t.Errorf("closed: %d calls, %+v", closed.Calls, closed.Latency)
	}
}

func TestCallsThatCannotBeginAreMissedAndNotDropped(t *testing.T) {
	inBubble(t, server{check: func(ctx context.Context, _ *grpc_health_v1.HealthCheckRequest) error {
		<-ctx.Done()
		return ctx.Err()
	}}, func(t *testing.T, conn grpc.ClientConnInterface) {
		r := run(t, t.Context(), load.Config{
			Conns: conns(conn), Method: check, Rate: 10, Duration: 10 * time.Second, Concurrency: 2, Timeout: time.Second,
		})
		if r.Calls+r.Missed != 100 || r.Failed != r.Calls || r.Missed < 70 || r.Calls < 18 {
			t.Errorf("%d calls, %d failed, %d missed of 100", r.Calls, r.Failed, r.Missed)
		}
		if len(r.Codes) != 1 || r.Codes[0].Code != "DEADLINE_EXCEEDED" || r.Latency.MinMS < 989 || r.Latency.MaxMS > 2010 {
			t.Errorf("codes %+v, latency %+v", r.Codes, r.Latency)
		}
	})
}

func TestTheClosedModel(t *testing.T) {
	inBubble(t, server{check: func(context.Context, *grpc_health_v1.HealthCheckRequest) error {
		time.Sleep(100 * time.Millisecond)
		return nil
	}}, func(t *testing.T, conn grpc.ClientConnInterface) {
		for name, test := range map[string]struct {
			config                  load.Config
			calls, warmup, interval int
		}{
			"bounded by time":              {load.Config{Concurrency: 5, Duration: 2 * time.Second}, 100, 0, 250},
			"bounded by number":            {load.Config{Concurrency: 5, Requests: 33}, 33, 0, 250},
			"by number before by time":     {load.Config{Concurrency: 5, Requests: 33, Duration: time.Hour}, 33, 0, 250},
			"by time before by number":     {load.Config{Concurrency: 1, Requests: 99, Duration: time.Second}, 10, 0, 250},
			"more callers than calls":      {load.Config{Concurrency: 50, Requests: 3}, 3, 0, 250},
			"a warm-up is not counted":     {load.Config{Concurrency: 2, Duration: time.Second, Warmup: time.Second}, 20, 20, 250},
			"nor for the number":           {load.Config{Concurrency: 1, Requests: 10, Warmup: time.Second}, 10, 10, 250},
			"a ramp in steps":              {load.Config{Concurrency: 2, Duration: 2 * time.Second, Ramp: load.Ramp{Over: 2 * time.Second, Steps: 2}}, 30, 0, 250},
			"the end is not waited for":    {load.Config{Concurrency: 2, Requests: 4, Ramp: load.Ramp{Over: time.Hour}}, 4, 0, 250},
			"the default is by time":       {load.Config{Concurrency: 1}, 100, 0, 250},
			"intervals grow with the time": {load.Config{Concurrency: 1, Duration: 90 * time.Second}, 900, 0, 500},
		} {
			test.config.Conns, test.config.Method = conns(conn), check
			begin := time.Now()
			r := run(t, t.Context(), test.config)
			if r.Calls != test.calls || r.Failed != 0 || r.Warmup != test.warmup || r.IntervalMS != float64(test.interval) || r.Partial {
				t.Errorf("%s: %d calls, %d failed, %d in the warm-up, intervals of %v", name, r.Calls, r.Failed, r.Warmup, r.IntervalMS)
			}
			if r.Latency.P50MS < 99 || r.Latency.P50MS > 101 {
				t.Errorf("%s: latency %+v", name, r.Latency)
			}
			if time.Since(begin) > 2*time.Minute {
				t.Errorf("%s: it took %v", name, time.Since(begin))
			}
		}
	})
}

func TestTheOpenModel(t *testing.T) {
	var inFlight, most atomic.Int32
	inBubble(t, server{check: func(context.Context, *grpc_health_v1.HealthCheckRequest) error {
		most.Store(max(most.Load(), inFlight.Add(1)))
		defer inFlight.Add(-1)
		time.Sleep(100 * time.Millisecond)
		return nil
	}}, func(t *testing.T, conn grpc.ClientConnInterface) {
		for name, test := range map[string]struct {
			config            load.Config
			calls, warmup     int
			rate, least, most float64 // the latencies in ms
		}{
			"constant":  {load.Config{Rate: 50, Duration: 4 * time.Second}, 200, 0, 50, 99, 101},
			"by number": {load.Config{Rate: 50, Requests: 51}, 51, 0, 51 / 1.1, 99, 101},
			"warm-up":   {load.Config{Rate: 50, Duration: 2 * time.Second, Warmup: time.Second}, 100, 50, 50, 99, 101},
			"ramp":      {load.Config{Rate: 100, Duration: 2 * time.Second, Ramp: load.Ramp{Over: 2 * time.Second}}, 100, 0, 50, 99, 101},
			"too much":  {load.Config{Rate: 20, Duration: 2 * time.Second, Concurrency: 1}, 40, 0, 10, 99, 2100},
		} {
			test.config.Conns, test.config.Method = conns(conn), check
			most.Store(0)
			r := run(t, t.Context(), test.config)
			if r.Calls != test.calls || r.Warmup != test.warmup || r.Missed != 0 || r.Latency.MinMS < test.least || r.Latency.MaxMS > test.most {
				t.Errorf("%s: %d calls, %d in the warm-up, latency %+v", name, r.Calls, r.Warmup, r.Latency)
			}
			if r.Rate < test.rate*0.95 || r.Rate > test.rate*1.01 {
				t.Errorf("%s: rate %v", name, r.Rate)
			}
			if limit := int32(test.config.Concurrency); limit > 0 && most.Load() > limit {
				t.Errorf("%s: %d calls were in flight", name, most.Load())
			}
		}
	})
}

func TestARunThatIsEndedIsPartial(t *testing.T) {
	for name, rate := range map[string]float64{"closed": 0, "open": 100} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, server{check: func(ctx context.Context, _ *grpc_health_v1.HealthCheckRequest) error {
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(300 * time.Millisecond):
					return nil
				}
			}}, func(t *testing.T, conn grpc.ClientConnInterface) {
				ctx, cancel := context.WithTimeout(t.Context(), 1050*time.Millisecond)
				defer cancel()
				r := run(t, ctx, load.Config{Conns: conns(conn), Method: check, Concurrency: 4, Rate: rate, Duration: time.Hour})
				if !r.Partial || r.Calls != 12 || r.Failed != 0 || r.Aborted != 4 || r.ElapsedMS > 1050 {
					t.Errorf("result: %+v", r)
				}
				if want := 105 + 1 - 12 - 4; rate > 0 && (r.Missed < want-1 || r.Missed > want) {
					t.Errorf("%d arrivals are missed, want %d", r.Missed, want)
				}
			})
		})
	}
}

func TestProgressIsTold(t *testing.T) {
	inBubble(t, server{check: func(context.Context, *grpc_health_v1.HealthCheckRequest) error {
		time.Sleep(10 * time.Millisecond)
		return status.Error(codes.Internal, "no")
	}}, func(t *testing.T, conn grpc.ClientConnInterface) {
		var list []load.Progress
		r := run(t, t.Context(), load.Config{
			Conns: conns(conn), Method: check, Concurrency: 1, Duration: 3 * time.Second, Warmup: time.Second,
			OnProgress: func(p load.Progress) { list = append(list, p) },
		})
		if len(list) < 7 || !list[0].Warming || list[0].Calls != 0 || list[len(list)-1].Warming {
			t.Fatalf("progress: %+v", list)
		}
		if last := list[len(list)-1]; last.Calls == 0 || last.Calls > r.Calls || last.Failed != last.Calls || last.Rate < 75 || last.Rate > 125 || last.P50 < 9*time.Millisecond {
			t.Errorf("the last: %+v", last)
		}
	})
}

// A caller that waits for its next call in seconds has told of the one before.
func TestProgressOfFewCallsIsTold(t *testing.T) {
	inBubble(t, server{check: func(context.Context, *grpc_health_v1.HealthCheckRequest) error { return nil }}, func(t *testing.T, conn grpc.ClientConnInterface) {
		var list []load.Progress
		run(t, t.Context(), load.Config{
			Conns: conns(conn), Method: check, Concurrency: 50, Rate: 20, Duration: 2 * time.Second,
			OnProgress: func(p load.Progress) { list = append(list, p) },
		})
		if len(list) < 3 {
			t.Fatalf("progress: %+v", list)
		}
		for _, p := range list {
			if due := int(20 * p.Elapsed.Seconds()); p.Calls < due-1 || p.Rate < 16 || p.Rate > 24 {
				t.Errorf("after %s %d calls were told of, of %d, at %.0f/s", p.Elapsed, p.Calls, due, p.Rate)
			}
		}
	})
}

func TestBodiesAndHeadersArrive(t *testing.T) {
	var mu sync.Mutex
	services := map[string]int{}
	conn, _ := onLoopback(t, server{check: func(ctx context.Context, r *grpc_health_v1.HealthCheckRequest) error {
		md, _ := metadata.FromIncomingContext(ctx)
		mu.Lock()
		defer mu.Unlock()
		services[r.GetService()+fmt.Sprint(md.Get("x-run"))]++
		return nil
	}})
	body := func(service string) []byte { return append([]byte{1<<3 | 2, byte(len(service))}, service...) }
	for name, test := range map[string]struct {
		bodies *load.Bodies
		want   map[string]int
	}{
		"none":      {nil, map[string]int{"[one]": 30}},
		"one":       {load.Fixed(body("a")), map[string]int{"a[one]": 30}},
		"in turn":   {load.Fixed(body("a"), body("b"), body("c")), map[string]int{"a[one]": 10, "b[one]": 10, "c[one]": 10}},
		"generated": {load.Generated(func(n uint64) ([]byte, error) { return body(fmt.Sprint(n % 2)), nil }), map[string]int{"0[one]": 15, "1[one]": 15}},
	} {
		t.Run(name, func(t *testing.T) {
			clear(services)
			r := run(t, t.Context(), load.Config{
				Conns: conns(conn), Method: check, Concurrency: 1, Requests: 30, Bodies: test.bodies,
				Headers: metadata.Pairs("x-run", "one"), Timeout: time.Minute,
			})
			if r.Failed != 0 || fmt.Sprint(services) != fmt.Sprint(test.want) || r.BytesReceived != 60 {
				t.Errorf("%+v; the server saw %v, want %v", r.Codes, services, test.want)
			}
		})
	}
}

func TestABodyThatCannotBeMadeEndsTheRun(t *testing.T) {
	conn, _ := onLoopback(t, server{check: func(context.Context, *grpc_health_v1.HealthCheckRequest) error { return nil }})
	broken := errors.New("no more names")
	_, err := load.Run(t.Context(), load.Config{
		Conns: conns(conn), Method: check,
		Bodies: load.Generated(func(n uint64) ([]byte, error) {
			if n == 10_000 {
				return nil, broken
			}
			return nil, nil
		}),
	})
	if !errors.Is(err, broken) || err.Error() != "make request 10001: no more names" {
		t.Errorf("err = %v", err)
	}
}

func TestAStreamIsReadToItsEnd(t *testing.T) {
	conn, _ := onLoopback(t, server{watch: func(stream grpc_health_v1.Health_WatchServer) error {
		for range 5 {
			if err := stream.Send(&grpc_health_v1.HealthCheckResponse{Status: 1}); err != nil {
				return err
			}
		}
		return status.Error(codes.ResourceExhausted, "that is all")
	}})
	r := run(t, t.Context(), load.Config{Conns: conns(conn), Method: watch, ServerStream: true, Concurrency: 3, Requests: 20})
	if r.Calls != 20 || r.BytesReceived != 20*5*2 || len(r.Codes) != 1 || r.Codes[0].Code != "RESOURCE_EXHAUSTED" || r.Codes[0].Message != "that is all" {
		t.Errorf("result: %+v", r)
	}
}

// Two instances, of which one dies in the middle: its calls fail, those of the
// other do not.
func TestAServerThatDiesIsCountedByCodeAndInstance(t *testing.T) {
	var calls atomic.Int32
	half := make(chan struct{})
	good, _ := onLoopback(t, server{check: func(context.Context, *grpc_health_v1.HealthCheckRequest) error { return nil }})
	dying, stop := onLoopback(t, server{check: func(ctx context.Context, _ *grpc_health_v1.HealthCheckRequest) error {
		switch n := calls.Add(1); {
		case n == 200:
			close(half)
			fallthrough
		case n > 200: // which are in flight when it dies
			<-ctx.Done()
		}
		return nil
	}})
	dead := make(chan struct{})
	go func() { <-half; stop(); close(dead) }()
	r := run(t, t.Context(), load.Config{Conns: conns(good, dying), Method: check, Concurrency: 4, Requests: 20_000})
	<-dead
	count := map[string]int{}
	for _, code := range r.Codes {
		count[code.Code] = code.Calls
	}
	if r.Calls != 20_000 || count["OK"]+count["UNAVAILABLE"] != 20_000 || count["UNAVAILABLE"] != r.Failed || r.Failed == 0 {
		t.Errorf("codes: %+v", r.Codes)
	}
	sum := 0
	for _, i := range r.Instances {
		sum += i.Calls
		if i.Instance == good.Target() && (i.Failed != 0 || i.Calls == 0) {
			t.Errorf("the good instance: %+v", i)
		}
	}
	if sum != 20_000 || !slices.ContainsFunc(r.Instances, func(i load.Instance) bool { return i.Instance == "" && i.Failed == i.Calls }) {
		t.Errorf("instances: %+v", r.Instances)
	}
}

// What accepts connections and says nothing costs each call its deadline.
func TestABlackHole(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	r := run(t, t.Context(), load.Config{
		Conns: conns(connect(t, silent.Addr().String())), Method: check, Concurrency: 2, Requests: 4, Timeout: 20 * time.Millisecond,
	})
	if r.Calls != 4 || r.Failed != 4 || r.Codes[0].Code != "DEADLINE_EXCEEDED" || r.Latency.MinMS < 19 || r.Instances[0].Instance != "" {
		t.Errorf("result: %+v", r)
	}
}

func TestALoadThatMakesNoSense(t *testing.T) {
	conn := connect(t, "127.0.0.1:1")
	for name, c := range map[string]load.Config{
		"no connection":         {Method: check},
		"no method":             {Conns: conns(conn)},
		"a negative number":     {Conns: conns(conn), Method: check, Requests: -1},
		"a negative time":       {Conns: conns(conn), Method: check, Ramp: load.Ramp{Over: -1}},
		"a negative rate":       {Conns: conns(conn), Method: check, Rate: -1},
		"a rate out of bounds":  {Conns: conns(conn), Method: check, Rate: 2 * load.MaxRate},
		"arrivals of no kind":   {Conns: conns(conn), Method: check, Rate: 1, Arrivals: "bursts"},
		"a negative time limit": {Conns: conns(conn), Method: check, Timeout: -1},
	} {
		if _, err := load.Run(t.Context(), c); !errors.Is(err, load.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
