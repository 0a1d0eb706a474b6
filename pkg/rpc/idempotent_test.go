package rpc_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/dynamicpb"

	authv1 "github.com/suokelife/suokectl/internal/lab/services/gen/suokelife/auth/v1"
	"github.com/suokelife/suokectl/pkg/rpc"
	"github.com/suokelife/suokectl/pkg/spec"
)

var bank = map[string]string{"bank.proto": `syntax = "proto3"; package bank.v1;
message Empty {}
service Bank {
  rpc Pay(Empty) returns (Empty);
  rpc Close(Empty) returns (Empty) { option idempotency_level = IDEMPOTENT; }
  rpc Balance(Empty) returns (Empty) { option idempotency_level = NO_SIDE_EFFECTS; }
}`}

// What a deadline left may have been done: whether it is asked for again is a
// convention, and the attempts say it.
func TestWhatIsRetriedAfterADeadline(t *testing.T) {
	for _, c := range []struct {
		method   string
		after    spec.AfterDeadline
		code     codes.Code
		attempts int
		reason   string // of the first attempt
	}{
		{"Pay", "", codes.DeadlineExceeded, 3, "DEADLINE_EXCEEDED is retried, although the call may have been carried out"},
		{"Pay", spec.RetryAlways, codes.DeadlineExceeded, 3, "DEADLINE_EXCEEDED is retried, although the call may have been carried out"},
		{"Pay", spec.RetryIdempotent, codes.DeadlineExceeded, 1, "not retried: the call may have been carried out, and its method is not defined as idempotent"},
		{"Pay", spec.RetryIdempotent, codes.Unavailable, 3, "UNAVAILABLE is retried"},
		{"Close", spec.RetryIdempotent, codes.DeadlineExceeded, 3, "DEADLINE_EXCEEDED is retried"},
		{"Balance", spec.RetryIdempotent, codes.DeadlineExceeded, 3, "DEADLINE_EXCEEDED is retried"},
		{"Balance", "", codes.DeadlineExceeded, 3, "DEADLINE_EXCEEDED is retried"},
	} {
		t.Run(c.method+" "+string(c.after)+" "+c.code.String(), func(t *testing.T) {
			server := &defined{answer: func(string, *dynamicpb.Message) (string, error) { return "", status.Error(c.code, "no") }}
			address, dir, retry := server.start(t, bank), t.TempDir(), quick()
			retry.AfterDeadline = c.after
			for _, origin := range []string{rpc.FromServer, rpc.FromCache} { // which keeps the options of a method
				call := invoke(t, dial(t, rpc.Config{Target: address, Retry: retry, DescriptorCache: dir}), c.method, "{}")
				if len(call.Attempts) != c.attempts || call.Attempts[0].RetryReason != c.reason || call.Descriptors.Origin != origin {
					t.Errorf("%s: %+v", origin, call.Attempts)
				}
			}
		})
	}
}

// A generated stub's method is known from what is linked in; a call that was sent
// nowhere cannot have been carried out.
func TestStubsAfterADeadline(t *testing.T) {
	retry := quick()
	retry.AfterDeadline = spec.RetryIdempotent
	address := serveLogin(t, func(context.Context) (*authv1.LoginResponse, error) {
		return nil, status.Error(codes.DeadlineExceeded, "no")
	})
	_, err := authv1.NewAuthServiceClient(dial(t, rpc.Config{Target: address, Retry: retry})).Login(t.Context(), &authv1.LoginRequest{})
	if code, _ := rpc.Code(err); code != codes.DeadlineExceeded || strings.Contains(err.Error(), "tries") {
		t.Errorf("err = %v", err)
	}
	retry.AttemptTimeout = 20 * time.Millisecond
	_, err = authv1.NewAuthServiceClient(dial(t, rpc.Config{Target: blackHole(t), Retry: retry})).Login(t.Context(), &authv1.LoginRequest{})
	if code, _ := rpc.Code(err); code != codes.DeadlineExceeded || !strings.Contains(err.Error(), "after 3 tries") {
		t.Errorf("err = %v", err)
	}
}
