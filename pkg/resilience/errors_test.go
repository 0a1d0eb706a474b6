package resilience_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/suokelife/suokectl/pkg/resilience"
)

func TestKindsOfServiceErrors(t *testing.T) {
	details := map[string]any{"attempts": 3}
	temporary := resilience.NewTemporary("busy", "too busy", details)
	permanent := resilience.NewPermanent("no_such_user", "nobody of that name", details)
	unavailable := resilience.NewUnavailable("user-service", details)
	for _, c := range []struct {
		err     error
		text    string
		want    resilience.ServiceError
		isTemp  bool
		isPerm  bool
		isUnava bool
	}{
		{temporary, "too busy", resilience.ServiceError{Code: "busy", Retry: true, Timeout: time.Second}, true, false, false},
		{permanent, "nobody of that name", resilience.ServiceError{Code: "no_such_user"}, false, true, false},
		{
			unavailable, "user-service service is currently unavailable",
			resilience.ServiceError{Code: resilience.CodeUnavailable, Retry: true, Timeout: 5 * time.Second}, true, false, true,
		},
	} {
		wrapped := fmt.Errorf("look the user up: %w", c.err)
		var service *resilience.ServiceError
		if !errors.As(wrapped, &service) {
			t.Fatalf("%v is no ServiceError", c.err)
		}
		if service.Code != c.want.Code || service.Retry != c.want.Retry || service.Timeout != c.want.Timeout || service.Details["attempts"] != 3 {
			t.Errorf("%v = %+v", c.err, service)
		}
		if c.err.Error() != c.text {
			t.Errorf("text = %q, want %q", c.err, c.text)
		}
		_, isTemp := errors.AsType[*resilience.TemporaryError](wrapped)
		_, isPerm := errors.AsType[*resilience.PermanentError](wrapped)
		_, isUnava := errors.AsType[*resilience.UnavailableError](wrapped)
		if isTemp != c.isTemp || isPerm != c.isPerm || isUnava != c.isUnava {
			t.Errorf("%v: temporary %t, permanent %t, unavailable %t", c.err, isTemp, isPerm, isUnava)
		}
	}
}

func TestServiceErrorShowsItsCause(t *testing.T) {
	e := resilience.NewTemporary("busy", "too busy", nil)
	e.Err = io.ErrUnexpectedEOF
	if e.Error() != "too busy: unexpected EOF" || !errors.Is(e, io.ErrUnexpectedEOF) {
		t.Errorf("error = %q", e)
	}
	if got := (&resilience.ServiceError{Code: "busy"}).Error(); got != "busy" {
		t.Errorf("without a message: %q", got)
	}
}

func TestRetryPolicyJudges(t *testing.T) {
	caused := resilience.NewPermanent("broken", "cannot be mended", nil)
	caused.Err = syscall.ECONNRESET
	unhurried := resilience.NewTemporary("busy", "busy", nil)
	unhurried.Timeout = 0
	for _, c := range []struct {
		name  string
		err   error
		retry bool
		delay time.Duration
	}{
		{"temporary", resilience.NewTemporary("busy", "busy", nil), true, time.Second},
		{"unavailable", resilience.NewUnavailable("x", nil), true, 5 * time.Second},
		{"temporary with no delay of its own", unhurried, true, resilience.ByBackoff},
		{"permanent", resilience.NewPermanent("no", "no", nil), false, 0},
		{"permanent, caused by a connection", caused, false, 0},
		{"of no kind", &resilience.ServiceError{Code: "x"}, false, 0},
		{"dial refused", &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, true, resilience.ByBackoff},
		{"broken pipe", fmt.Errorf("write: %w", syscall.EPIPE), true, resilience.ByBackoff},
		{"cut off", io.ErrUnexpectedEOF, true, resilience.ByBackoff},
		{"end of a stream", io.EOF, false, 0},
		{"deadline", context.DeadlineExceeded, true, resilience.ByBackoff},
		{"DNS timeout", &net.DNSError{IsTimeout: true}, true, resilience.ByBackoff},
		{"cancelled", context.Canceled, false, 0},
		{"anything else", errDown, false, 0},
	} {
		retry, delay := resilience.RetryPolicy().Judge(c.err)
		if retry != c.retry || delay != c.delay {
			t.Errorf("%s: retry %t after %v, want %t after %v", c.name, retry, delay, c.retry, c.delay)
		}
	}
}

// Three retries are four calls, with waits of 2, 4 and 8 s.
func TestRetryPolicyRetriesThreeTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := resilience.RetryPolicy()
		p.Backoff.Jitter = 0
		calls, start := 0, time.Now()
		_, err := resilience.Do(t.Context(), p, func(context.Context) (int, error) {
			calls++
			return 0, context.DeadlineExceeded
		})
		if calls != 4 || time.Since(start) != 14*time.Second || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%d calls in %v: %v", calls, time.Since(start), err)
		}
	})
}

func TestTheErrorsOwnDelayWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		f := func(context.Context) (int, error) { return 0, resilience.NewUnavailable("user-service", nil) }
		_, err := resilience.Do(t.Context(), resilience.RetryPolicy(), f)
		if err == nil || time.Since(start) != 15*time.Second {
			t.Errorf("%v after %v, want three waits of 5 s", err, time.Since(start))
		}
	})
}

func TestWithFallback(t *testing.T) {
	ctx := t.Context()
	guest := func(_ context.Context, e *resilience.UnavailableError) (string, error) {
		return "guest: " + e.Code, nil
	}
	fail := func(err error) func(context.Context) (string, error) {
		return func(context.Context) (string, error) { return "", err }
	}
	got, err := resilience.WithFallback(ctx, fail(fmt.Errorf("get: %w", resilience.NewUnavailable("x", nil))), guest)
	if got != "guest: service_unavailable" || err != nil {
		t.Errorf("of the type: %q, %v", got, err)
	}
	if _, err := resilience.WithFallback(ctx, fail(errDown), guest); err != errDown { //nolint:errorlint // untouched
		t.Errorf("of another type: %v", err)
	}
	if got, err := resilience.WithFallback(ctx, func(context.Context) (string, error) { return "ada", nil }, guest); got != "ada" || err != nil {
		t.Errorf("without an error: %q, %v", got, err)
	}
	noCache := errors.New("no cache")
	_, err = resilience.WithFallback(ctx, fail(errDown), func(context.Context, error) (string, error) { return "", noCache })
	if !errors.Is(err, errDown) || !errors.Is(err, noCache) || err.Error() != "down; the fallback failed too: no cache" {
		t.Errorf("both failed: %v", err)
	}
}

func ExampleServiceError() {
	err := fmt.Errorf("load the profile: %w", resilience.NewUnavailable("user-service", nil))
	var service *resilience.ServiceError
	if errors.As(err, &service) {
		fmt.Println(service.Code, service.Retry, service.Timeout)
	}
	// Output: service_unavailable true 5s
}

func ExampleWithFallback() {
	name, err := resilience.WithFallback(context.Background(),
		func(context.Context) (string, error) { return "", resilience.NewUnavailable("user-service", nil) },
		func(context.Context, *resilience.UnavailableError) (string, error) { return "Unknown", nil })
	fmt.Println(name, err)
	// Output: Unknown <nil>
}

func ExampleRetryPolicy() {
	p := resilience.RetryPolicy()
	p.Backoff.Jitter = 0
	fmt.Println(p.Tries, p.Backoff.Wait(1), p.Backoff.Wait(2), p.Backoff.Wait(9))
	// Output: 4 2s 4s 30s
}

func ExampleWhen() {
	p := resilience.RetryPolicy()
	p.Judge = resilience.When(resilience.IsTimeout)
	retry, _ := p.Judge(context.DeadlineExceeded)
	fmt.Println(retry)
	// Output: true
}
