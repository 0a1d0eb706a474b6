package rpc

import (
	"errors"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// The texts are gRPC's own; to have the first from a server takes 20 s.
func TestReasonsOfSilence(t *testing.T) {
	for text, want := range map[string]error{
		`connection error: desc = "error reading server preface: raw-read tcp 127.0.0.1:37240->127.0.0.1:28101: use of closed network connection"`: ErrNoAnswer,
		`connection error: desc = "transport: Error while dialing: dial tcp 192.0.2.1:443: i/o timeout"`:                                           ErrNoAnswer,
		`connection error: desc = "transport: authentication handshake failed: context deadline exceeded"`:                                         ErrNoAnswer,
		`connection error: desc = "error reading server preface: EOF"`:                                                                             ErrTLSServer,
		"the database does not answer: i/o timeout":                                                                                                nil,
		"the cache: dial tcp: connection refused":                                                                                                  nil,
		"context deadline exceeded while it was busy":                                                                                              nil,
	} {
		if got := new(Channel).reason(status.New(codes.Unavailable, text)); !errors.Is(got, want) {
			t.Errorf("reason of %q = %v, want %v", text, got, want)
		}
	}
}
