package discover

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"
)

// Probe is one way of looking at an instance from here, whatever Consul's checks say of it.
type Probe struct {
	Kind   string // tcp, tls, http or grpc
	Target string // what is asked: host:port, a URL, or host:port/service
	// Look asks once. It returns the server's certificate, when there is one, beside success and failure alike, and
	// returns soon after ctx ends. Its errors are *ProbeError.
	Look func(ctx context.Context) (*Certificate, error)
}

// Prober chooses how an instance is looked at.
type Prober func(Instance) Probe

// ProbeOptions bound the probes of several instances. The zero value is good.
type ProbeOptions struct {
	Timeout  time.Duration // for each probe; default DefaultProbeTimeout
	Parallel int           // how many run at a time; default 16
}

// DefaultProbeTimeout is how long a probe waits for an answer.
const DefaultProbeTimeout = 3 * time.Second

// ProbeResult is what one probe saw.
type ProbeResult struct {
	Instance  Instance     `json:"instance"`
	Kind      string       `json:"kind"`
	Target    string       `json:"target"`
	OK        bool         `json:"ok"`
	LatencyMS float64      `json:"latency_ms"` // until the answer or the failure
	Failure   ProbeFailure `json:"failure,omitempty"`
	Reason    string       `json:"reason,omitempty"` // the failure in words, on one line
	// Certificate is what the server showed, also when it is the reason of the failure.
	Certificate *Certificate `json:"certificate,omitempty"`
}

// ProbeAll looks at every instance and returns what was seen in their order. It returns when all probes have ended,
// which is soon after ctx ends; the probes that had no answer then have failed with ProbeInterrupted.
func ProbeAll(ctx context.Context, instances []Instance, choose Prober, o ProbeOptions) []ProbeResult {
	if o.Timeout <= 0 {
		o.Timeout = DefaultProbeTimeout
	}
	if o.Parallel <= 0 {
		o.Parallel = parallel
	}
	results := make([]ProbeResult, len(instances))
	var group errgroup.Group
	group.SetLimit(o.Parallel)
	for i, instance := range instances {
		group.Go(func() error {
			results[i] = choose(instance).run(ctx, instance, o.Timeout)
			return nil
		})
	}
	_ = group.Wait() // no probe returns an error
	return results
}

func (p Probe) run(ctx context.Context, instance Instance, timeout time.Duration) ProbeResult {
	result := ProbeResult{Instance: instance, Kind: p.Kind, Target: p.Target}
	start := time.Now()
	within, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	certificate, err := p.Look(within)
	result.LatencyMS = float64(time.Since(start)) / float64(time.Millisecond)
	result.OK, result.Certificate = err == nil, certificate
	if err == nil {
		return result
	}
	failure := NewProbeError(p.Target, err)
	if ctx.Err() != nil {
		failure.Failure = ProbeInterrupted
	}
	result.Failure, result.Reason = failure.Failure, failure.reason()
	return result
}

// ProbeTCP connects to the instance's address and port and hangs up, which is what it takes to tell an instance that
// cannot be reached from here. The error is a *ProbeError.
func ProbeTCP(ctx context.Context, instance Instance) error {
	_, err := TCPProbe(instance).Look(ctx)
	return err
}

// errNoPort is why an instance that was registered with port 0 cannot be asked.
var errNoPort = errors.New("it was registered without a port")
