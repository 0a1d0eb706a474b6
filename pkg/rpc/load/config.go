package load

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// The defaults of a [Config].
const (
	DefaultConcurrency = 50
	DefaultDuration    = 10 * time.Second
)

// Arrivals says how the starts of an open model's calls are spaced.
type Arrivals string

// The ways of arriving.
const (
	Constant Arrivals = "constant" // evenly
	Poisson  Arrivals = "poisson"  // independently, as those of many users
)

// Config describes a run. Conns and Method are required.
type Config struct {
	// Conns carry the calls. Caller i uses connection i modulo their number.
	Conns []grpc.ClientConnInterface
	// Method is package.Service/Method; it is unary, or with ServerStream answers
	// with a stream, which is read to its end within the call.
	Method       string
	ServerStream bool
	// Bodies are the requests. The default is one empty message.
	Bodies *Bodies
	// Headers are sent with every call.
	Headers metadata.MD
	// Timeout is each call's deadline, counted from when it is sent; 0 sets none.
	// In the open model it is also how late a call may start.
	Timeout time.Duration

	// Concurrency is the number of callers: in the open model the greatest number
	// of calls in flight. The default is [DefaultConcurrency].
	Concurrency int
	// Rate is the number of arrivals a second. 0 chooses the closed model.
	Rate float64
	// Arrivals is the default [Constant], or [Poisson].
	Arrivals Arrivals
	// Seed makes Poisson arrivals the same in every run.
	Seed uint64

	// The run ends when Requests calls were counted or Duration has passed after
	// the warm-up, whichever is first; 0 sets no bound, and when neither is set,
	// Duration is [DefaultDuration].
	Requests int
	Duration time.Duration
	// Warmup is how long calls are made that are not counted.
	Warmup time.Duration
	// Ramp lets concurrency, or rate, grow from the beginning of the run.
	Ramp Ramp

	// OnProgress is told twice a second how it goes, on a goroutine of its own; it
	// has returned when Run returns. What it is too slow for is left out.
	OnProgress func(Progress)
}

// ErrConfig is wrapped by the errors of a [Config] that makes no sense.
var ErrConfig = errors.New("no such load")

func (c Config) complete() (Config, error) {
	switch {
	case len(c.Conns) == 0:
		return c, fmt.Errorf("%w: there is no connection", ErrConfig)
	case c.Method == "":
		return c, fmt.Errorf("%w: there is no method", ErrConfig)
	case c.Concurrency < 0 || c.Requests < 0:
		return c, fmt.Errorf("%w: a count is negative", ErrConfig)
	case c.Duration < 0 || c.Warmup < 0 || c.Timeout < 0 || c.Ramp.Over < 0 || c.Ramp.Steps < 0:
		return c, fmt.Errorf("%w: a time is negative", ErrConfig)
	case c.Rate < 0 || math.IsNaN(c.Rate) || c.Rate > MaxRate:
		return c, fmt.Errorf("%w: the rate %v is not between 0 and %v", ErrConfig, c.Rate, MaxRate)
	case c.Arrivals != "" && c.Arrivals != Constant && c.Arrivals != Poisson:
		return c, fmt.Errorf("%w: arrivals are %s or %s, not %q", ErrConfig, Constant, Poisson, c.Arrivals)
	}
	c.Concurrency = cmp.Or(c.Concurrency, DefaultConcurrency)
	c.Arrivals = cmp.Or(c.Arrivals, Constant)
	if c.Requests == 0 && c.Duration == 0 {
		c.Duration = DefaultDuration
	}
	if c.Bodies == nil {
		c.Bodies = Fixed(nil)
	}
	return c, nil
}
