package batch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/suokelife/suokectl/pkg/rpc"
	"github.com/suokelife/suokectl/pkg/telemetry"
)

// maxTargets bounds the connections that the lines of an input can ask for.
const maxTargets = 100

// forgetAfter is how long a method is not asked for again of a server that could
// not be asked.
const forgetAfter = 5 * time.Second

// Caller makes the calls of entries over shared channels, and asks for the
// descriptors of each method once. It is safe for concurrent use. Close it after
// the last call.
type Caller struct {
	// Dial opens a channel to a target.
	Dial func(ctx context.Context, target string) (*rpc.Channel, error)
	// Target is that of entries without one.
	Target string
	// Request has the method of entries without one, and what all calls share. Its
	// Descriptors, when set, define all methods.
	Request rpc.Request
	// MaxTime bounds a call with all its tries. 0 sets no bound.
	MaxTime time.Duration

	mu      sync.Mutex
	targets map[string]*target
}

// target is a channel and the methods that were asked for.
type target struct {
	once      sync.Once
	channel   *rpc.Channel
	reflected *rpc.Descriptors
	err       error

	mu      sync.RWMutex
	methods map[string]method
}

type method struct {
	*rpc.Prepared
	err   error
	until time.Time // that the error holds; zero is for good
}

// What a line lacks to be a call.
var (
	errNoMethod = errors.New("there is no method: it has to be in the line, or given for all lines")
	errNoTarget = errors.New("there is no target: it has to be in the line, or given for all lines")
)

// Prepare asks for the method of entries without one, so that what is wrong with it
// is known before the first call.
func (c *Caller) Prepare(ctx context.Context) error {
	if c.Target == "" {
		return nil
	}
	t, err := c.target(ctx, c.Target)
	if err == nil && c.Request.Method != "" {
		_, err = t.method(c.Request)
	}
	return err
}

// Call is a [Config]'s.
func (c *Caller) Call(ctx context.Context, e Entry) (*rpc.Call, error) {
	name, request := e.Target, c.Request
	if name == "" {
		name = c.Target
	}
	if e.Method != "" {
		request.Method = e.Method
	}
	switch {
	case name == "":
		return nil, errNoTarget
	case request.Method == "":
		return nil, errNoMethod
	}
	t, err := c.target(ctx, name)
	if err != nil {
		return nil, err
	}
	m, err := t.method(request)
	if err != nil {
		return nil, err
	}
	if c.MaxTime > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.MaxTime)
		defer cancel()
	}
	if e.RequestID != "" {
		ctx = telemetry.WithRequestID(ctx, e.RequestID)
	}
	// A server that restarts is waited for, within the time of an attempt.
	return m.Call(ctx, e.Data, e.Headers, grpc.WaitForReady(true))
}

// Close closes all channels.
func (c *Caller) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, t := range c.targets {
		if t.channel != nil {
			t.reflected.Close()
			errs = append(errs, t.channel.Close())
		}
	}
	return errors.Join(errs...)
}

// target returns the one channel of a name.
func (c *Caller) target(ctx context.Context, name string) (*target, error) {
	c.mu.Lock()
	if c.targets == nil {
		c.targets = map[string]*target{}
	}
	t := c.targets[name]
	if t == nil && len(c.targets) < maxTargets {
		t = &target{methods: map[string]method{}}
		c.targets[name] = t
	}
	c.mu.Unlock()
	if t == nil {
		return nil, fmt.Errorf("%s is one target too many: a run has at most %d", name, maxTargets)
	}
	t.once.Do(func() {
		if t.channel, t.err = c.Dial(ctx, name); t.err == nil {
			t.reflected = t.channel.Reflect(ctx)
		}
	})
	return t, t.err
}

// method returns a method of the target, which is asked for once.
func (t *target) method(r rpc.Request) (method, error) {
	t.mu.RLock()
	m, known := t.methods[r.Method]
	t.mu.RUnlock()
	if known && !m.forgotten() {
		return m, m.err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if m, known = t.methods[r.Method]; known && !m.forgotten() {
		return m, m.err
	}
	from := r.Descriptors
	if from == nil {
		from = t.reflected
	}
	m.Prepared, m.err = t.channel.Prepare(from, r)
	m.until = time.Time{}
	if _, wrong := errors.AsType[*rpc.NotFoundError](m.err); m.err != nil && !wrong {
		m.until = time.Now().Add(forgetAfter)
	}
	t.methods[r.Method] = m
	return m, m.err
}

func (m method) forgotten() bool { return !m.until.IsZero() && time.Now().After(m.until) }
