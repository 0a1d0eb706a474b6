package rpc_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	authv1 "github.com/suokelife/suokectl/internal/lab/services/gen/suokelife/auth/v1"
	"github.com/suokelife/suokectl/pkg/rpc"
)

// pool makes a pool whose keys are all served by address.
func pool(t *testing.T, address string, c rpc.PoolConfig) *rpc.Pool {
	t.Helper()
	c.Dial = func(rpc.Key) (rpc.Config, error) { return rpc.Config{Target: address, Retry: quick()}, nil }
	p := rpc.NewPool(c)
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func logIn(ctx context.Context, conn grpc.ClientConnInterface) error {
	_, err := authv1.NewAuthServiceClient(conn).Login(ctx, &authv1.LoginRequest{})
	return err
}

func answerEmpty(context.Context) (*authv1.LoginResponse, error) { return &authv1.LoginResponse{}, nil }

// TestNoCallFailsBecauseOfASwap calls without a pause while channels live 50 ms.
func TestNoCallFailsBecauseOfASwap(t *testing.T) {
	address := serveLogin(t, answerEmpty)
	var swaps atomic.Int32
	p := pool(t, address, rpc.PoolConfig{MaxAge: 50 * time.Millisecond, OnSwap: func(_ rpc.Key, err error) {
		if err != nil {
			t.Error(err)
		}
		swaps.Add(1)
	}})
	conn := p.Conn(rpc.Key{Service: "auth-service"})
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for swaps.Load() < 5 {
				if err := logIn(t.Context(), conn); err != nil {
					t.Errorf("a call failed: %v", err)
					return
				}
			}
		})
	}
	callers.Wait()
}

// TestACallKeepsItsChannelThroughASwap holds one call while others cause a swap.
func TestACallKeepsItsChannelThroughASwap(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	var calls atomic.Int32
	address := serveLogin(t, func(context.Context) (*authv1.LoginResponse, error) {
		if calls.Add(1) == 1 {
			close(entered)
			<-leave
		}
		return &authv1.LoginResponse{}, nil
	})
	swapped := make(chan struct{}, 100)
	p := pool(t, address, rpc.PoolConfig{MaxAge: time.Nanosecond, OnSwap: func(rpc.Key, error) { swapped <- struct{}{} }})
	conn := p.Conn(rpc.Key{Service: "auth-service"})
	held := make(chan error)
	go func() { held <- logIn(t.Context(), conn) }()
	<-entered
	<-swapped // of the held call
	if err := logIn(t.Context(), conn); err != nil {
		t.Error(err)
	}
	<-swapped
	close(leave)
	if err := <-held; err != nil {
		t.Errorf("the call that was held: %v", err)
	}
}

// TestAFailedSwapLeavesTheOldChannel loses the address for new channels.
func TestAFailedSwapLeavesTheOldChannel(t *testing.T) {
	address, gone := serveLogin(t, answerEmpty), errors.New("nobody knows it")
	var dials atomic.Int32
	failures := make(chan error, 100)
	p := rpc.NewPool(rpc.PoolConfig{
		MaxAge: time.Nanosecond,
		Dial: func(rpc.Key) (rpc.Config, error) {
			if dials.Add(1) > 1 {
				return rpc.Config{}, gone
			}
			return rpc.Config{Target: address, Retry: quick()}, nil
		},
		OnSwap: func(_ rpc.Key, err error) { failures <- err },
	})
	defer p.Close()
	conn := p.Conn(rpc.Key{Service: "auth-service", Version: "v1", Identity: "ada"})
	for range 3 {
		if err := logIn(t.Context(), conn); err != nil {
			t.Error(err)
		}
	}
	wantError(t, <-failures, gone, "auth-service v1 as ada")
}

// TestAFullPoolEvictsTheIdle holds one key busy and calls two others in a pool of two.
func TestAFullPoolEvictsTheIdle(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	var calls atomic.Int32
	address := serveLogin(t, func(context.Context) (*authv1.LoginResponse, error) {
		if calls.Add(1) == 1 {
			close(entered)
			<-leave
		}
		return &authv1.LoginResponse{}, nil
	})
	var mu sync.Mutex
	opened := map[rpc.Key]int{}
	p := rpc.NewPool(rpc.PoolConfig{Size: 2, Dial: func(k rpc.Key) (rpc.Config, error) {
		mu.Lock()
		defer mu.Unlock()
		opened[k]++
		return rpc.Config{Target: address, Retry: quick()}, nil
	}})
	defer p.Close()
	busy, b, c := rpc.Key{Service: "busy"}, rpc.Key{Service: "b"}, rpc.Key{Service: "c"}
	held := make(chan error)
	go func() { held <- logIn(t.Context(), p.Conn(busy)) }()
	<-entered
	for _, key := range []rpc.Key{b, c, b} {
		if err := logIn(t.Context(), p.Conn(key)); err != nil {
			t.Errorf("%v: %v", key, err)
		}
	}
	close(leave)
	if err := <-held; err != nil {
		t.Error(err)
	}
	if opened[busy] != 1 || opened[b] != 2 || opened[c] != 1 {
		t.Errorf("channels opened: %v, want the busy one once, b again after c", opened)
	}
}

// TestAFullPoolOfBusyChannels lets a call wait until one is idle, or its context ends.
func TestAFullPoolOfBusyChannels(t *testing.T) {
	entered, leave := make(chan struct{}, 2), make(chan struct{})
	address := serveLogin(t, func(context.Context) (*authv1.LoginResponse, error) {
		entered <- struct{}{}
		<-leave
		return &authv1.LoginResponse{}, nil
	})
	p := pool(t, address, rpc.PoolConfig{Size: 1})
	held := make(chan error, 2)
	go func() { held <- logIn(t.Context(), p.Conn(rpc.Key{Service: "a"})) }()
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := logIn(ctx, p.Conn(rpc.Key{Service: "b"})); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("err = %v, want DeadlineExceeded", err)
	}
	go func() { held <- logIn(t.Context(), p.Conn(rpc.Key{Service: "b"})) }()
	close(leave)
	for range 2 {
		if err := <-held; err != nil {
			t.Error(err)
		}
	}
}

func TestPoolErrors(t *testing.T) {
	p := rpc.NewPool(rpc.PoolConfig{Dial: func(k rpc.Key) (rpc.Config, error) {
		return rpc.Config{Target: k.Service, Instances: fixed()}, nil
	}})
	conn := p.Conn(rpc.Key{Service: "auth-service"})
	err := logIn(t.Context(), conn)
	wantError(t, err, rpc.ErrNoInstances, "find auth-service")
	if status.Code(err) != codes.Unavailable {
		t.Errorf("code = %v, want Unavailable", status.Code(err))
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	wantError(t, logIn(t.Context(), conn), rpc.ErrPoolClosed, "closed")
	_, err = conn.NewStream(t.Context(), &grpc.StreamDesc{}, "/a/b")
	wantError(t, err, rpc.ErrPoolClosed, "closed")
}

// TestCloseEndsCallsUnderWay closes a pool that has a busy channel.
func TestCloseEndsCallsUnderWay(t *testing.T) {
	entered := make(chan struct{})
	address := serveLogin(t, func(ctx context.Context) (*authv1.LoginResponse, error) {
		close(entered)
		<-ctx.Done()
		return nil, status.FromContextError(ctx.Err()).Err()
	})
	p := rpc.NewPool(rpc.PoolConfig{Dial: func(rpc.Key) (rpc.Config, error) { return rpc.Config{Target: address, Retry: quick()}, nil }})
	held := make(chan error)
	go func() { held <- logIn(t.Context(), p.Conn(rpc.Key{Service: "a"})) }()
	<-entered
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if err := <-held; status.Code(err) != codes.Canceled {
		t.Errorf("err = %v, want Canceled", err)
	}
}
