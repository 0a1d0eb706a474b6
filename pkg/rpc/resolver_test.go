package rpc_test

import (
	"errors"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"

	"github.com/suokelife/suokectl/pkg/rpc"
)

func endpoints(addresses ...string) resolver.State {
	var state resolver.State
	for _, address := range addresses {
		state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: address}}})
	}
	return state
}

// TestAChannelFollowsItsResolver moves a service, and takes it away.
func TestAChannelFollowsItsResolver(t *testing.T) {
	one, _, callsOne := failing(t)
	two, _, callsTwo := failing(t)
	r := manual.NewBuilderWithScheme("told")
	ch := dial(t, rpc.Config{Target: "told:///auth-service", Name: "auth-service", Resolver: r, Retry: once()})
	r.InitialState(endpoints(one))
	for address, calls := range map[string]func() uint32{one: callsOne.Load, two: callsTwo.Load} {
		r.UpdateState(endpoints(address))
		for deadline := time.Now().Add(5 * time.Second); calls() == 0 && time.Now().Before(deadline); {
			if err := logIn(t.Context(), ch); err != nil {
				t.Error(err)
			}
		}
		if calls() == 0 {
			t.Errorf("no call came to %s, where the service moved", address)
		}
	}

	r.UpdateState(endpoints())
	gone := errors.New("its 2 instances are critical")
	r.CC().ReportError(gone)
	err := logIn(t.Context(), ch)
	for deadline := time.Now().Add(5 * time.Second); !errors.Is(err, gone) && time.Now().Before(deadline); {
		err = logIn(t.Context(), ch) // what a resolver tells is taken in by and by
	}
	var none *rpc.DiscoveryError
	if !errors.As(err, &none) || !errors.Is(err, gone) || none.Service != "auth-service" || status.Code(err) != codes.Unavailable {
		t.Errorf("err = %v, want *DiscoveryError because %v", err, gone)
	}
}
