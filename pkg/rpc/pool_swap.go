package rpc

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc/connectivity"
)

// announce wakes the calls that wait for room. The pool is locked.
func (p *Pool) announce() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// swap replaces a member's channel as soon as the new one is connected.
func (p *Pool) swap(m *member) {
	next, err := p.dial(m.key)
	if err == nil {
		if err = p.connect(next.channel); err != nil {
			_ = next.channel.Close() // never used
		}
	}
	p.mu.Lock()
	old := m.current
	m.swapping = false
	if err != nil {
		old.expires = time.Now().Add(swapAgain)
	} else {
		m.current = next
		p.retire(old)
	}
	p.mu.Unlock()
	p.config.OnSwap(m.key, err)
}

// retire closes a channel after its last call. The pool is locked.
func (p *Pool) retire(g *generation) {
	if g.calls == 0 {
		p.shut(g)
		return
	}
	p.retired[g] = true
}

// connect waits until a channel is ready for calls.
func (p *Pool) connect(ch *Channel) error {
	ctx, cancel := context.WithTimeout(p.ctx, swapTimeout)
	defer cancel()
	ch.Connect()
	for {
		state := ch.GetState()
		if state == connectivity.Ready {
			return nil
		}
		if !ch.WaitForStateChange(ctx, state) {
			return fmt.Errorf("connect anew to %s: still %v: %w", ch.config.Name, state, ctx.Err())
		}
	}
}
