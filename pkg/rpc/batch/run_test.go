package batch_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"
	"pgregory.net/rapid"

	userv1 "github.com/suokelife/suokectl/internal/lab/services/gen/suokelife/user/v1"
	"github.com/suokelife/suokectl/pkg/resilience"
	"github.com/suokelife/suokectl/pkg/rpc"
	"github.com/suokelife/suokectl/pkg/rpc/batch"
)

// users answers GetProfile by a function, and counts what it was asked.
type users struct {
	userv1.UnimplementedUserServiceServer
	answer func(context.Context, string) error
	mu     sync.Mutex
	asked  map[string]int
}

func (u *users) GetProfile(ctx context.Context, r *userv1.GetProfileRequest) (*userv1.GetProfileResponse, error) {
	u.mu.Lock()
	if u.asked == nil {
		u.asked = map[string]int{}
	}
	u.asked[r.GetUserId()]++
	u.mu.Unlock()
	if u.answer != nil {
		if err := u.answer(ctx, r.GetUserId()); err != nil {
			return nil, err
		}
	}
	return &userv1.GetProfileResponse{UserId: r.GetUserId()}, nil
}

// listen starts a server at an address, for the length of a test or until stop.
func (u *users) listen(t *testing.T, address string) (bound string, stop func()) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	userv1.RegisterUserServiceServer(server, u)
	reflection.Register(server)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	stop = sync.OnceFunc(func() {
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return listener.Addr().String(), stop
}

// caller returns one for GetProfile, for the length of a test.
func caller(t *testing.T, address string) *batch.Caller {
	t.Helper()
	retry := rpc.Retry{Tries: 3, AttemptTimeout: 5 * time.Second, Backoff: resilience.Backoff{First: 50 * time.Millisecond}}
	c := &batch.Caller{
		Target:  address,
		Request: rpc.Request{Method: "GetProfile"},
		Dial: func(ctx context.Context, target string) (*rpc.Channel, error) {
			return rpc.NewChannel(ctx, rpc.Config{Target: target, Retry: &retry})
		},
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := c.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// requests are n lines, each with its number.
func requests(n int) string {
	var lines strings.Builder
	for i := range n {
		fmt.Fprintf(&lines, "{\"user_id\":\"%d\"}\n", i+1)
	}
	return lines.String()
}

func results(t testing.TB, out []byte) (list []batch.Result) {
	t.Helper()
	for text := range bytes.Lines(out) {
		var r batch.Result
		if err := json.Unmarshal(text, &r); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		list = append(list, r)
	}
	return list
}

func journal(t testing.TB, path string) *batch.Journal {
	t.Helper()
	j, err := batch.OpenJournal(path, batch.Heading{Method: "GetProfile"})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// Ten thousand lines of which some are bad and some calls fail.
func TestManyLines(t *testing.T) {
	const n = 10_000
	u := &users{answer: func(_ context.Context, id string) error {
		if strings.HasSuffix(id, "7") {
			return status.Error(codes.NotFound, "no "+id)
		}
		return nil
	}}
	address, _ := u.listen(t, "127.0.0.1:0")
	input := strings.Replace(requests(n), `{"user_id":"5000"}`, `{"user_id":5000}`, 1)
	input = strings.Replace(input, `{"user_id":"6000"}`, `{"user_id":`, 1)
	var out bytes.Buffer
	summary, err := batch.Run(t.Context(), batch.Config{Call: caller(t, address).Call, Bare: true}, strings.NewReader(input), &out)
	if err != nil {
		t.Fatal(err)
	}
	list := results(t, out.Bytes())
	if len(list) != n || summary.Lines != n || summary.Codes["OK"] != 8998 || summary.Codes["NOT_FOUND"] != 1000 || summary.Codes["invalid"] != 2 {
		t.Errorf("%d results, %+v", len(list), summary)
	}
	for i, r := range list {
		want := batch.OutcomeOK
		switch {
		case i+1 == 5000, i+1 == 6000:
			want = batch.OutcomeInvalid
		case (i+1)%10 == 7:
			want = batch.OutcomeFailed
		}
		if r.Line != i+1 || r.Outcome != want {
			t.Fatalf("result %d: %+v, want %s", i, r, want)
		}
		if want == batch.OutcomeOK && string(r.Response) != fmt.Sprintf(`{"userId":"%d"}`, i+1) {
			t.Fatalf("result %d: %s", i, r.Response)
		}
	}
	if r := list[4999]; !strings.Contains(r.Message, "GetProfileRequest at user_id: ") {
		t.Errorf("a wrong type: %+v", r)
	}
	if r := list[5999]; r.Column != 11 || !strings.Contains(r.Message, "it is not JSON") {
		t.Errorf("no JSON: %+v", r)
	}
	if names := summary.CodeNames(); !slices.Equal(names, []string{"OK", "NOT_FOUND", "invalid"}) {
		t.Errorf("codes %v", names)
	}
}

func TestStopOnError(t *testing.T) {
	u := &users{answer: func(_ context.Context, id string) error {
		if id == "3" {
			return status.Error(codes.Internal, "broken")
		}
		return nil
	}}
	address, _ := u.listen(t, "127.0.0.1:0")
	var out bytes.Buffer
	config := batch.Config{Call: caller(t, address).Call, Bare: true, Concurrency: 1, StopOnError: true}
	summary, err := batch.Run(t.Context(), config, strings.NewReader(requests(50)), &out)
	if list := results(t, out.Bytes()); !errors.Is(err, batch.ErrStopped) || len(list) != 3 || list[2].Code != "INTERNAL" || summary.Lines != 3 {
		t.Errorf("%v, %+v", err, list)
	}
}

func TestRate(t *testing.T) {
	u := &users{}
	address, _ := u.listen(t, "127.0.0.1:0")
	config := batch.Config{Call: caller(t, address).Call, Bare: true, Rate: 200}
	summary, err := batch.Run(t.Context(), config, strings.NewReader(requests(41)), io.Discard)
	if err != nil || summary.Elapsed < 200*time.Millisecond {
		t.Errorf("41 calls at 200 a second took %v, %v", summary.Elapsed, err)
	}
}

// The input stays open: what is there is answered, and the end of the context
// ends the run, with what is in flight.
func TestAnInputWithoutAnEnd(t *testing.T) {
	u := &users{}
	address, _ := u.listen(t, "127.0.0.1:0")
	in, typed := io.Pipe()
	defer typed.Close()
	seen, out := io.Pipe()
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error, 1)
	call := caller(t, address).Call
	go func() {
		_, err := batch.Run(ctx, batch.Config{Call: call, Bare: true}, in, out)
		ended <- err
		out.Close()
	}()
	answers := json.NewDecoder(seen)
	for n := 1; n <= 2; n++ {
		if _, err := io.WriteString(typed, "{\"user_id\":\"1\"}\n"); err != nil {
			t.Fatal(err)
		}
		var r batch.Result
		if err := answers.Decode(&r); err != nil || r.Line != n || r.Code != "OK" {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	enough := errors.New("enough")
	cancel(enough)
	if err := <-ended; !errors.Is(err, enough) {
		t.Errorf("it ended with %v", err)
	}
}

// After the end of the context calls in flight may end in time; those that do not
// are given up, and unknown to the next run, which sends them again if told to.
func TestDrain(t *testing.T) {
	var slow sync.WaitGroup
	slow.Add(2)
	quick := make(chan struct{})
	again := false
	u := &users{answer: func(ctx context.Context, id string) error {
		switch {
		case again:
		case id == "1":
			slow.Done()
			<-ctx.Done()
		case id == "2":
			slow.Done()
			<-quick
		}
		return nil
	}}
	address, _ := u.listen(t, "127.0.0.1:0")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		slow.Wait()
		cancel()
		close(quick)
	}()
	path := filepath.Join(t.TempDir(), "journal")
	config := batch.Config{Call: caller(t, address).Call, Bare: true, Concurrency: 2, Drain: 300 * time.Millisecond, Journal: journal(t, path)}
	var out bytes.Buffer
	summary, err := batch.Run(ctx, config, strings.NewReader(requests(5)), &out)
	if list := results(t, out.Bytes()); !errors.Is(err, context.Canceled) || summary.InFlight != 1 || len(list) != 1 || list[0].Line != 2 {
		t.Fatalf("%v, %+v, %s", err, summary, &out)
	}
	again = true
	for _, resend := range []bool{false, true} {
		if err := config.Journal.Close(); err != nil {
			t.Fatal(err)
		}
		config.Journal, config.ResendUnknown = journal(t, path), resend
		out.Reset()
		if _, err := batch.Run(t.Context(), config, strings.NewReader(requests(5)), &out); err != nil {
			t.Fatal(err)
		}
		want := batch.OutcomeUnknown
		if resend {
			want = batch.OutcomeOK
		}
		if list := results(t, out.Bytes()); len(list) != 5 || list[0].Outcome != want || list[4].Outcome != batch.OutcomeOK {
			t.Errorf("resent %v: %s", resend, &out)
		}
	}
	if err := config.Journal.Close(); err != nil {
		t.Fatal(err)
	}
	if u.asked["1"] != 2 || u.asked["2"] != 1 || u.asked["5"] != 1 {
		t.Errorf("the server was asked %v", u.asked)
	}
}

func TestAnotherInputIsRefused(t *testing.T) {
	u := &users{}
	address, _ := u.listen(t, "127.0.0.1:0")
	path := filepath.Join(t.TempDir(), "journal")
	call := caller(t, address).Call
	run := func(input string) error {
		j := journal(t, path)
		_, err := batch.Run(t.Context(), batch.Config{Call: call, Bare: true, Journal: j}, strings.NewReader(input), io.Discard)
		return errors.Join(err, j.Close())
	}
	if err := run(requests(3)); err != nil {
		t.Fatal(err)
	}
	err := run(strings.Replace(requests(5), `"2"`, `"two"`, 1))
	if !errors.Is(err, batch.ErrOtherInput) || !strings.Contains(err.Error(), "line 2") || u.asked["4"] != 0 {
		t.Errorf("%v, and line 4 was sent %d times", err, u.asked["4"])
	}
	if err := run(requests(5)); err != nil || u.asked["1"] != 1 || u.asked["5"] != 1 {
		t.Errorf("an input that has grown: %v, %v", err, u.asked)
	}
}

// A server that restarts is waited for. What was in flight at its end may fail.
func TestARestart(t *testing.T) {
	const n, at, concurrency = 2000, 1000, 4
	var count atomic.Int32
	reached := make(chan struct{})
	u := &users{answer: func(context.Context, string) error {
		if count.Add(1) == at {
			close(reached)
		}
		return nil
	}}
	address, stop := u.listen(t, "127.0.0.1:0")
	call := caller(t, address).Call
	restarted := make(chan struct{})
	go func() {
		defer close(restarted)
		<-reached
		stop()
		time.Sleep(300 * time.Millisecond) // is the outage
		u.listen(t, address)
	}()
	var out bytes.Buffer
	summary, err := batch.Run(t.Context(), batch.Config{Call: call, Bare: true, Concurrency: concurrency}, strings.NewReader(requests(n)), &out)
	<-restarted
	if err != nil || summary.Lines != n || summary.Failed() > concurrency {
		t.Errorf("%v, %+v", err, summary)
	}
}

// An instance whose breaker is open is waited for: the lines that follow do not all
// fail like those that opened it.
func TestOpenBreakers(t *testing.T) {
	const n, bad = 50, 3
	var count atomic.Int32
	u := &users{answer: func(context.Context, string) error {
		if count.Add(1) <= bad {
			return status.Error(codes.Unavailable, "not yet")
		}
		return nil
	}}
	address, _ := u.listen(t, "127.0.0.1:0")
	c := &batch.Caller{
		Target: "users", Request: rpc.Request{Method: "GetProfile"},
		Dial: func(ctx context.Context, target string) (*rpc.Channel, error) {
			return rpc.NewChannel(ctx, rpc.Config{
				Target:    target,
				Instances: func(context.Context) ([]string, error) { return []string{address}, nil },
				Retry:     &rpc.Retry{Tries: 1, AttemptTimeout: 5 * time.Second},
				Breaker:   &resilience.BreakerConfig{Failures: bad, OpenFor: 100 * time.Millisecond, Probes: 1},
			})
		},
	}
	defer c.Close()
	if err := c.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	summary, err := batch.Run(t.Context(), batch.Config{Call: c.Call, Bare: true, Concurrency: 1}, strings.NewReader(requests(n)), &out)
	if err != nil || summary.Codes["OK"] != n-bad || summary.Codes["UNAVAILABLE"] != bad {
		t.Errorf("%v, %+v", err, summary)
	}
}

// Nothing answers: each line fails after its time, and says so.
func TestABlackHole(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	c := &batch.Caller{
		Target: silent.Addr().String(), Request: rpc.Request{Method: "a.B/C"},
		Dial: func(ctx context.Context, target string) (*rpc.Channel, error) {
			return rpc.NewChannel(ctx, rpc.Config{Target: target, Retry: &rpc.Retry{Tries: 1, AttemptTimeout: 100 * time.Millisecond}})
		},
	}
	defer c.Close()
	var out bytes.Buffer
	summary, err := batch.Run(t.Context(), batch.Config{Call: c.Call, Bare: true}, strings.NewReader("{}\n{}\n{}\n"), &out)
	if err != nil || summary.Codes["DEADLINE_EXCEEDED"] != 3 || summary.Elapsed > 3*time.Second {
		t.Errorf("%v, %+v, %s", err, summary, &out)
	}
}

// down is a writer that is closed after so many bytes.
type down struct{ left int }

func (d *down) Write(p []byte) (int, error) {
	if d.left -= len(p); d.left < 0 {
		return 0, io.ErrClosedPipe
	}
	return len(p), nil
}

// The output is closed in the middle: the journal still knows of all that was sent.
func TestAClosedOutput(t *testing.T) {
	u := &users{}
	address, _ := u.listen(t, "127.0.0.1:0")
	path := filepath.Join(t.TempDir(), "journal")
	config := batch.Config{Call: caller(t, address).Call, Bare: true, Journal: journal(t, path)}
	_, err := batch.Run(t.Context(), config, strings.NewReader(requests(5000)), &down{left: 100_000})
	if !errors.Is(err, io.ErrClosedPipe) || !strings.Contains(err.Error(), "write the results") {
		t.Fatalf("it ended with %v", err)
	}
	if err := config.Journal.Close(); err != nil {
		t.Fatal(err)
	}
	if len(u.asked) == 5000 {
		t.Error("it went on to the end")
	}
	config.Journal = journal(t, path)
	var out bytes.Buffer
	summary, err := batch.Run(t.Context(), config, strings.NewReader(requests(5000)), &out)
	if err := errors.Join(err, config.Journal.Close()); err != nil || summary.Failed() > 0 || len(results(t, out.Bytes())) != 5000 {
		t.Errorf("%v, %+v", err, summary)
	}
	for id, times := range u.asked {
		if times != 1 {
			t.Fatalf("line %s was sent %d times", id, times)
		}
	}
}

// Runs that end anywhere add up to one: each line is sent once and answered once,
// in order, whatever is left of the input, its blank lines and its bad ones.
func TestRunsAddUp(t *testing.T) {
	u := &users{}
	address, _ := u.listen(t, "127.0.0.1:0")
	call := caller(t, address).Call
	dir := t.TempDir()
	var cases atomic.Int32
	rapid.Check(t, func(rt *rapid.T) {
		u.asked = nil
		n := rapid.IntRange(1, 60).Draw(rt, "lines")
		var input strings.Builder
		var want []int
		number := 0
		for i := range n {
			number++
			switch rapid.SampledFrom([]string{"good", "good", "good", "blank", "bad"}).Draw(rt, "line") {
			case "blank":
				input.WriteString(" \n")
				continue
			case "bad":
				input.WriteString("{\n")
			default:
				fmt.Fprintf(&input, "{\"user_id\":\"%d\"}\n", i+1)
			}
			want = append(want, number)
		}
		path := filepath.Join(dir, strconv.Itoa(int(cases.Add(1))))
		for {
			stopAfter := rapid.IntRange(1, n+1).Draw(rt, "calls of a run")
			ctx, cancel := context.WithCancel(t.Context())
			var made atomic.Int32
			j := journal(t, path)
			config := batch.Config{
				Bare: true, Concurrency: rapid.IntRange(1, 8).Draw(rt, "concurrency"), Journal: j,
				Call: func(ctx context.Context, e batch.Entry) (*rpc.Call, error) {
					if int(made.Add(1)) == stopAfter {
						cancel()
					}
					return call(ctx, e)
				},
			}
			var out bytes.Buffer
			_, err := batch.Run(ctx, config, strings.NewReader(input.String()), &out)
			cancel()
			if closed := j.Close(); closed != nil {
				rt.Fatal(closed)
			}
			var got []int
			for _, r := range results(t, out.Bytes()) {
				got = append(got, r.Line)
			}
			if err == nil {
				if !slices.Equal(got, want) {
					rt.Fatalf("lines %v, want %v", got, want)
				}
				break
			}
		}
		for id, times := range u.asked {
			if times != 1 {
				rt.Fatalf("line %s was sent %d times", id, times)
			}
		}
	})
}
