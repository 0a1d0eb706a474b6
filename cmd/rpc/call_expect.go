package rpc

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/pkg/rpc"
)

func codeNames() []string {
	var list []string
	for code := codes.OK; code <= codes.Unauthenticated; code++ {
		list = append(list, rpc.CodeName(code))
	}
	return list
}

// expected reads --expect; nil is no expectation.
func (o *CallOptions) expected() (*codes.Code, error) {
	if o.Expect == "" {
		return nil, nil
	}
	for code := codes.OK; code <= codes.Unauthenticated; code++ {
		if strings.EqualFold(o.Expect, rpc.CodeName(code)) || o.Expect == strconv.Itoa(int(code)) || strings.EqualFold(o.Expect, code.String()) {
			return &code, nil
		}
	}
	return nil, failure.Usagef("--expect %q is no gRPC code: it is one of %s", o.Expect, strings.Join(codeNames(), ", "))
}

// compare says whether a call ended as was expected. What is no status of a call,
// such as misuse, stays as it is.
func compare(ctx context.Context, want codes.Code, err error) error {
	code := failure.Code(ctx, err)
	if err != nil && (code < failure.CodeRPC || code > failure.CodeRPC+int(codes.Unauthenticated)) {
		return err
	}
	got := codes.OK
	if err != nil {
		got = codes.Code(code - failure.CodeRPC)
	}
	switch {
	case got == want:
		return nil
	case err == nil:
		return failure.WithCode(fmt.Errorf("the call ended with OK, and not with %s", rpc.CodeName(want)), failure.CodeFailed)
	default:
		return failure.WithCode(fmt.Errorf("the call did not end with %s: %w", rpc.CodeName(want), err), failure.CodeFailed)
	}
}
