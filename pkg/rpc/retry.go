package rpc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/suokelife/suokectl/pkg/resilience"
	"github.com/suokelife/suokectl/pkg/telemetry"
)

const (
	// headerAttempts and headerPushback are gRPC's own (gRFC A6).
	headerAttempts = "grpc-previous-rpc-attempts"
	headerPushback = "grpc-retry-pushback-ms"
)

// CallError is the error of a unary call that was tried more than once, or of a
// question to server reflection. It has the status of the last attempt and says
// how many there were; status.FromError and errors.As see through it.
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

// GRPCStatus returns the last attempt's status, the number of tries added to its
// message when there was more than one.
func (e *CallError) GRPCStatus() *status.Status {
	s := status.Convert(lastError(e.Err))
	if len(e.Attempts) < 2 {
		return s
	}
	p := s.Proto()
	p.Message = fmt.Sprintf("%s (after %d tries)", p.GetMessage(), len(e.Attempts))
	return status.FromProto(p)
}

// unary is the channel's owner of retry.
func (ch *Channel) unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	ctx, call := withCall(ch.outgoing(ctx))
	_, err := repeat(ctx, ch, call, func(ctx context.Context) (struct{}, metadata.MD, error) {
		var trailer metadata.MD
		err := invoke(ctx, method, req, reply, cc, append(slices.Clip(options), grpc.Trailer(&trailer))...)
		return struct{}{}, trailer, err
	})
	if attempts := call.list(); err != nil && len(attempts) > 1 {
		return &CallError{Attempts: attempts, Err: err}
	}
	return lastError(err)
}

// lastError drops the retry's own wrapping, of which one attempt has no need.
func lastError(err error) error {
	var retry *resilience.RetryError
	if errors.As(err, &retry) {
		return retry.Last().Err
	}
	return err
}

// repeat makes attempts, each with its own deadline, span and number, as the
// channel's retry says. f returns the trailer, in which a server may push back.
func repeat[T any](ctx context.Context, ch *Channel, call *callState, f func(context.Context) (T, metadata.MD, error)) (T, error) {
	var trailer metadata.MD
	policy := resilience.Policy{
		Tries:   ch.retry.Tries,
		Backoff: ch.retry.Backoff,
		Budget:  ch.budget,
		Judge:   func(err error) (bool, time.Duration) { return ch.judge(err, trailer) },
		OnRetry: func(try resilience.Try) { ch.announce(call, try) },
	}
	value, err := resilience.Do(ctx, policy, func(ctx context.Context) (T, error) {
		ctx, cancel := ch.attemptContext(ctx)
		defer cancel()
		ctx, a := call.begin(ctx)
		value, md, err := f(numbered(ctx, a.number))
		trailer = md
		call.end(a, err)
		return value, err
	})
	var retry *resilience.RetryError
	if errors.As(err, &retry) && retry.Stopped != nil && !errors.Is(retry.Stopped, resilience.ErrFinal) {
		call.explain("not retried: "+retry.Stopped.Error(), 0)
	}
	return value, err
}

func (ch *Channel) attemptContext(ctx context.Context) (context.Context, context.CancelFunc) {
	if ch.retry.AttemptTimeout <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, ch.retry.AttemptTimeout)
}

// judge says whether an attempt is worth another one (G3). A literal address
// that never answered is not, since there is nowhere else to go; nor are
// settings that do not fit the server's.
func (ch *Channel) judge(err error, trailer metadata.MD) (bool, time.Duration) {
	switch s := status.Convert(err); s.Code() {
	case codes.DeadlineExceeded:
	case codes.Unavailable:
		if ch.literal() && !ch.answered.Load() || isSetting(ch.reason(s)) {
			return false, 0
		}
	default:
		return false, 0
	}
	pushback := trailer.Get(headerPushback)
	if len(pushback) == 0 {
		return true, resilience.ByBackoff
	}
	ms, err := strconv.ParseUint(pushback[0], 10, 31)
	if err != nil { // a negative number, or none at all, means: do not retry
		return false, 0
	}
	return true, time.Duration(ms) * time.Millisecond
}

func (ch *Channel) announce(call *callState, try resilience.Try) {
	failed := call.explain(CodeName(status.Code(try.Err))+" is retried", try.Wait)
	if ch.retry.OnRetry != nil {
		ch.retry.OnRetry(failed)
	}
}

// stream gives streams the same metadata. They are not retried, but they wait
// for a connection no longer than an attempt may take.
func (ch *Channel) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, options ...grpc.CallOption) (grpc.ClientStream, error) {
	ctx = numbered(ch.outgoing(ctx), 1)
	limit := ch.retry.AttemptTimeout
	if limit <= 0 {
		return streamer(ctx, desc, cc, method, options...)
	}
	ctx, cancel := context.WithCancel(ctx)
	timer := time.AfterFunc(limit, cancel)
	stream, err := streamer(ctx, desc, cc, method, append(slices.Clip(options), grpc.OnFinish(func(error) { cancel() }))...)
	inTime := timer.Stop()
	if err != nil {
		cancel()
	}
	if inTime {
		return stream, err
	}
	return nil, status.Errorf(codes.DeadlineExceeded, "no connection to %s within %v", ch.config.Name, limit)
}

// outgoing adds what is the same for all attempts of a call. What the caller
// has set stays.
func (ch *Channel) outgoing(ctx context.Context) context.Context {
	md, _ := metadata.FromOutgoingContext(ctx)
	md = md.Copy()
	if md == nil {
		md = metadata.MD{}
	}
	setDefault(md, ch.config.Headers.RequestID, telemetry.CleanRequestID(telemetry.RequestID(ctx)))
	setDefault(md, ch.config.Headers.ClientVersion, ch.config.ClientVersion)
	setDefault(md, ch.config.Headers.APIVersion, ch.config.APIVersion)
	return metadata.NewOutgoingContext(telemetry.WithSpan(ctx), md)
}

func setDefault(md metadata.MD, name, value string) {
	if value != "" && len(md.Get(name)) == 0 {
		md.Set(name, value)
	}
}

// numbered adds what differs between attempts: the number of those before, and
// a span of its own in the call's trace.
func numbered(ctx context.Context, number int) context.Context {
	ctx = telemetry.WithSpan(ctx)
	md, _ := metadata.FromOutgoingContext(ctx)
	md = md.Copy()
	for name, value := range telemetry.TraceHeaders(ctx) {
		setDefault(md, name, value)
	}
	if number > 1 {
		md.Set(headerAttempts, strconv.Itoa(number-1))
	}
	return metadata.NewOutgoingContext(ctx, md)
}
