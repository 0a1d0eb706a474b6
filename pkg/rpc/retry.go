package rpc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/suokelife/suokectl/pkg/resilience"
	"github.com/suokelife/suokectl/pkg/spec"
	"github.com/suokelife/suokectl/pkg/telemetry"
)

const (
	// headerAttempts and headerPushback are gRPC's own (gRFC A6).
	headerAttempts = "grpc-previous-rpc-attempts"
	headerPushback = "grpc-retry-pushback-ms"
)

// CallError is the error of a unary call that was tried more than once, or would
// have been with a retry budget left, or of a question to server reflection. It
// has the status of the last attempt and says how many there were;
// status.FromError and errors.As see through it.
type CallError struct {
	Attempts []Attempt
	Err      error
}

func (e *CallError) Error() string {
	s := e.GRPCStatus()
	return CodeName(s.Code()) + ": " + s.Message()
}

// Unwrap returns the [*resilience.RetryError] behind it.
func (e *CallError) Unwrap() error { return e.Err }

// GRPCStatus returns the last attempt's status; its message also has the number
// of tries when there was more than one, and says when the budget ended them.
func (e *CallError) GRPCStatus() *status.Status {
	s := status.Convert(lastError(e.Err))
	var notes []string
	if n := len(e.Attempts); n > 1 {
		notes = append(notes, fmt.Sprintf("after %d tries", n))
	}
	if spent(e.Err) {
		notes = append(notes, resilience.ErrNoBudget.Error())
	}
	if notes == nil {
		return s
	}
	p := s.Proto()
	p.Message = fmt.Sprintf("%s (%s)", p.GetMessage(), strings.Join(notes, ", "))
	return status.FromProto(p)
}

// spent reports whether the retry budget is why there was no further try.
func spent(err error) bool {
	var retry *resilience.RetryError
	return errors.As(err, &retry) && errors.Is(retry.Stopped, resilience.ErrNoBudget)
}

// unary is the channel's owner of retry. A call that goes well at once costs no
// more than its headers.
func (ch *Channel) unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) (err error) {
	ctx, span := startSpan(ctx, ch.config.Tracer, method, trace.SpanKindClient)
	if span != nil {
		defer func() { endSpan(span, err, err != nil) }()
	}
	ctx, call := ch.call(ctx)
	call.method.path = method
	if err = ch.send(ctx, call, method, req, reply, cc, invoke, options); err == nil {
		ch.budget.Success()
		return nil
	}
	first := true
	_, err = repeat(ctx, call, func() (struct{}, error) {
		if first {
			first = false
			return struct{}{}, err
		}
		return struct{}{}, ch.send(ctx, call, method, req, reply, cc, invoke, options)
	})
	if attempts := call.list(); err != nil && (len(attempts) > 1 || spent(err)) {
		return &CallError{Attempts: attempts, Err: err}
	}
	return lastError(err)
}

// send makes one attempt.
func (ch *Channel) send(ctx context.Context, call *callState, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, options []grpc.CallOption) error {
	call.begin()
	ctx, cancel := ch.attemptContext(ctx, call)
	defer cancel()
	err := invoke(ctx, method, req, reply, cc, options...)
	err = call.explained(err)
	call.end(err)
	return err
}

// lastError drops the retry's own wrapping, of which one attempt has no need.
func lastError(err error) error {
	var retry *resilience.RetryError
	if errors.As(err, &retry) {
		return retry.Last().Err
	}
	return err
}

// repeat makes attempts as the channel's retry says. f makes one, and notes its
// beginning and its end in the call.
func repeat[T any](ctx context.Context, call *callState, f func() (T, error)) (T, error) {
	ch := call.channel
	policy := resilience.Policy{
		Tries:   ch.retry.Tries,
		Backoff: ch.retry.Backoff,
		Budget:  ch.budget,
		Judge:   func(err error) (bool, time.Duration) { return ch.judge(call, err) },
		OnRetry: func(try resilience.Try) { ch.announce(call, try) },
	}
	value, err := resilience.Do(ctx, policy, func(context.Context) (T, error) { return f() })
	var retry *resilience.RetryError
	if errors.As(err, &retry) && retry.Stopped != nil {
		if reason := whyNot(call, retry); reason != "" {
			call.explain("not retried: "+reason, 0)
		}
	}
	return value, err
}

// whyNot says why there was no further try, where the code does not say it.
func whyNot(call *callState, retry *resilience.RetryError) string {
	if !errors.Is(retry.Stopped, resilience.ErrFinal) {
		return retry.Stopped.Error()
	}
	switch s := status.Convert(retry.Last().Err); {
	case s.Code() == codes.Unknown && strings.HasPrefix(s.Message(), httpError):
		return "an HTTP status came in place of gRPC's, and the call may have been carried out"
	case s.Code() == codes.DeadlineExceeded && call.channel.keepsToOne(call):
		return "the call may have been carried out, and its method is not defined as idempotent"
	default:
		return ""
	}
}

// keepsToOne reports whether a call that ran out of time is not to be sent again.
func (ch *Channel) keepsToOne(call *callState) bool {
	return ch.retry.AfterDeadline == spec.RetryIdempotent && call.mayBeDone()
}

// httpError is how gRPC begins to tell of an answer that is not gRPC's.
const httpError = "unexpected HTTP status code received from server: "

// attemptContext returns the context of the attempt that has begun, with its
// deadline and its headers.
func (ch *Channel) attemptContext(ctx context.Context, call *callState) (context.Context, context.CancelFunc) {
	ctx, limit := ch.outgoing(ctx, call), ch.retry.AttemptTimeout
	deadline, bounded := ctx.Deadline()
	if limit <= 0 || bounded && time.Until(deadline) <= limit {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, limit)
}

// judge says whether an attempt is worth another one (G3). A literal address
// that never answered is not, since there is nowhere else to go; nor are open
// breakers, for whoever has a fallback to turn to, nor settings that do not fit
// the server's.
func (ch *Channel) judge(call *callState, err error) (bool, time.Duration) {
	if _, open := errors.AsType[*UnavailableError](err); open {
		return false, 0
	}
	switch s := status.Convert(err); s.Code() {
	case codes.DeadlineExceeded:
		if ch.keepsToOne(call) {
			return false, 0
		}
	case codes.Unavailable:
		if ch.literal() && !ch.answered.Load() || isSetting(ch.reason(s)) {
			return false, 0
		}
	default:
		return false, 0
	}
	pushback := call.trailer().Get(headerPushback)
	if len(pushback) == 0 {
		if delay, asked := retryDelay(status.Convert(err)); asked {
			return true, delay
		}
		return true, resilience.ByBackoff
	}
	ms, err := strconv.ParseUint(pushback[0], 10, 31)
	if err != nil { // a negative number, or none at all, means: do not retry
		return false, 0
	}
	return true, time.Duration(ms) * time.Millisecond
}

func (ch *Channel) announce(call *callState, try resilience.Try) {
	code := status.Code(try.Err)
	reason := CodeName(code) + " is retried"
	if code == codes.DeadlineExceeded && call.mayBeDone() {
		reason += ", although the call may have been carried out"
	}
	failed := call.explain(reason, try.Wait)
	if ch.retry.OnRetry != nil {
		ch.retry.OnRetry(failed)
	}
}

// stream gives streams the same metadata. They are not retried, but they wait
// for a connection no longer than an attempt may take.
func (ch *Channel) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, options ...grpc.CallOption) (grpc.ClientStream, error) {
	ctx, span := startSpan(ctx, ch.config.Tracer, method, trace.SpanKindClient)
	ctx, call := ch.call(ctx)
	call.stream = true
	ctx, cancel := context.WithCancel(ch.outgoing(ctx, call))
	end := func(err error) { cancel(); endSpan(span, err, err != nil) }
	inTime := ch.timer(cancel)
	stream, err := streamer(ctx, desc, cc, method, append(slices.Clip(options), grpc.OnFinish(end))...)
	switch {
	case !inTime():
		err = status.Errorf(codes.DeadlineExceeded, "no connection to %s within %v", ch.config.Name, ch.retry.AttemptTimeout)
	case err != nil:
		err = call.explained(err)
	default:
		call.boundProbe(ctx)
		return serviceStream{stream, call}, nil
	}
	end(err)
	return nil, err
}

// timer calls cancel when an attempt has taken too long. It returns a function
// that ends it and reports whether that was in time.
func (ch *Channel) timer(cancel func()) (inTime func() bool) {
	if ch.retry.AttemptTimeout <= 0 {
		return func() bool { return true }
	}
	return time.AfterFunc(ch.retry.AttemptTimeout, cancel).Stop
}

// outgoing adds the headers of an attempt: the call's request id, which is the
// same for all attempts, and the call's span, or where nobody records that, a span
// of the attempt's own in the call's trace. What the caller has set stays.
func (ch *Channel) outgoing(ctx context.Context, call *callState) context.Context {
	var array [20]string
	names := &ch.config.Headers
	list := append(
		array[:0],
		names.RequestID, call.requestID(),
		names.ClientVersion, ch.config.ClientVersion,
		names.APIVersion, ch.config.APIVersion,
	)
	span := call.trace
	if ch.config.Tracer == nil {
		span = telemetry.NextSpan(span)
	}
	list = telemetry.AppendTraceHeaders(list, span)
	if n := call.current.number; n > 1 {
		list = append(list, headerAttempts, strconv.Itoa(n-1))
	}
	return metadata.AppendToOutgoingContext(ctx, missing(list, call.given)...)
}

// missing drops from names and values in turn what is empty or given.
func missing(list []string, given metadata.MD) []string {
	kept := list[:0]
	for i := 0; i < len(list); i += 2 {
		if list[i+1] != "" && len(given.Get(list[i])) == 0 {
			kept = append(kept, list[i], list[i+1])
		}
	}
	return kept
}
