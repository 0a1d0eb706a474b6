package rpc

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/complete"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/discover"
	"github.com/suokelife/suokectl/pkg/rpc"
)

// HealthOptions are what `rpc health` needs.
type HealthOptions struct {
	IO           *iostreams.IOStreams
	Dial         dial
	Discover     func() (*discover.Client, error)
	Output       output.Flags
	Service      string // of the server, "" for all of it
	AllInstances bool
	Watch        bool
	connection
}

// NewCmdHealth returns the verb; runF replaces its run in tests.
func NewCmdHealth(f *app.Factory, runF func(*HealthOptions) error) *cobra.Command {
	opts := &HealthOptions{IO: f.IO, Dial: f.Channel, Discover: f.Discover}
	cmd := &cobra.Command{
		Use:   "health [TARGET [SERVICE]]",
		Short: "Ask a server how it is, by gRPC's standard health service",
		Long: `Ask grpc.health.v1 of the server, as a whole or about one SERVICE by its full name.
One instance answers for a service in Consul; --all-instances asks each, those that
Consul takes for critical too, and shows both opinions. With no TARGET it is about
all services that Consul knows. --watch goes on, and tells
each change, until it is interrupted.

The exit code is 1 unless all that answered are SERVING.`,
		Example: `suokectl rpc health auth-service --version v1
suokectl rpc health auth-service --all-instances # exits 1
suokectl rpc health user-service suokelife.user.v1.UserService -o json
suokectl rpc health -o name`,
		Args:              cobra.MaximumNArgs(2),
		ValidArgsFunction: complete.At(targets(f), names(f, &opts.connection, "rpc-services", (*rpc.Descriptors).Services)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				opts.Target = args[0]
			}
			if len(args) == 2 {
				opts.Service = args[1]
			}
			if err := opts.validate(); err != nil {
				return err
			}
			if runF != nil {
				return runF(opts)
			}
			return runHealth(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.AllInstances, "all-instances", false, "ask each instance by itself, whatever Consul says of it")
	cmd.Flags().BoolVarP(&opts.Watch, "watch", "w", false, "go on and tell each change")
	opts.bind(cmd)
	opts.Output.Bind(cmd)
	return cmd
}

// healthOf is what one server says of itself.
type healthOf struct {
	Target   string          `json:"target"` // as it was asked for
	Instance string          `json:"instance"`
	Version  string          `json:"version,omitempty"`
	Consul   discover.Health `json:"consul,omitempty"` // what Consul says of it
	Service  string          `json:"service"`
	// Status is that of grpc.health.v1, SERVICE_UNKNOWN for a service that the
	// server does not know, or UNREACHABLE.
	Status    string    `json:"status"`
	LatencyMS float64   `json:"latency_ms"`
	Error     string    `json:"error,omitempty"`
	Time      time.Time `json:"time"`
}

const (
	serving     = "SERVING"
	unreachable = "UNREACHABLE"
)

func (o *HealthOptions) view() output.View[healthOf] {
	return output.View[healthOf]{
		Columns: []output.Column[healthOf]{
			{Name: "TARGET", Value: func(h healthOf) string { return h.Target }, Wide: o.Target != "" || !o.AllInstances},
			{Name: "INSTANCE", Value: func(h healthOf) string { return h.Instance }, Whole: true},
			{Name: "VERSION", Value: func(h healthOf) string { return h.Version }, Wide: !o.AllInstances},
			{Name: "CONSUL", Value: func(h healthOf) string { return string(h.Consul) }, Wide: !o.AllInstances},
			{Name: "STATUS", Value: func(h healthOf) string { return h.Status }, Style: styleStatus, Whole: true},
			{Name: "LATENCY", Value: func(h healthOf) string { return fmt.Sprintf("%.1f ms", h.LatencyMS) }},
			{Name: "REASON", Value: func(h healthOf) string { return h.Error }},
		},
		Name: func(h healthOf) string { return h.Instance },
	}
}

func styleStatus(st iostreams.Style, h healthOf, cell string) string {
	if h.Status == serving {
		return st.Good(cell)
	}
	return st.Bad(cell)
}

func runHealth(ctx context.Context, opts *HealthOptions) error {
	ctx, cancel := opts.bounded(ctx)
	defer cancel()
	list, err := opts.targets(ctx)
	if err != nil {
		return explain(err, opts.Target)
	}
	if opts.Watch {
		return watchHealth(ctx, opts, list)
	}
	if len(list) == 1 {
		opts.Retry.OnRetry = func(a rpc.Attempt) { showAttempt(opts.IO, a) }
	}
	answers := each(ctx, list, opts.dialer(), opts.RPCOptions, opts.ask)
	if err := output.List(opts.IO, opts.Output, opts.view(), answers); err != nil {
		return err
	}
	return verdict(answers)
}

// targets are the instances to ask: all of them, or each target as it stands.
func (o *HealthOptions) targets(ctx context.Context) ([]instance, error) {
	names, err := o.names(ctx)
	var list []instance
	for _, name := range names {
		if !o.AllInstances {
			list = append(list, instance{ID: name, Target: name, Address: name})
			continue
		}
		settings := o.RPCOptions
		settings.Target = name
		found, err := instances(ctx, o.Discover, settings, discover.Any)
		if err != nil {
			return nil, err
		}
		list = append(list, found...)
	}
	return list, err
}

// names are the target, or all services in Consul but itself.
func (o *HealthOptions) names(ctx context.Context) ([]string, error) {
	if o.Target != "" {
		return []string{o.Target}, nil
	}
	client, err := o.Discover()
	if err != nil {
		return nil, err
	}
	names, err := client.Names(ctx)
	return slices.DeleteFunc(names, func(name string) bool { return name == "consul" }), err
}

// dialer opens channels to instances by themselves, or to the target as the
// context and the flags say.
func (o *HealthOptions) dialer() dial {
	if o.AllInstances {
		return o.Dial
	}
	return func(ctx context.Context, asked app.RPCOptions) (*rpc.Channel, error) {
		settings := o.RPCOptions
		settings.Target = asked.Target
		return o.Dial(ctx, settings)
	}
}

func (o *HealthOptions) ask(ctx context.Context, in instance, channel *rpc.Channel, err error) healthOf {
	start := time.Now()
	h := o.about(in)
	var answer *grpc_health_v1.HealthCheckResponse
	if err == nil {
		answer, err = grpc_health_v1.NewHealthClient(channel).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: o.Service})
		err = channel.Explain(err)
	}
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx) // says which bound it was
	}
	h.Time, h.LatencyMS = time.Now().UTC(), float64(time.Since(start).Microseconds())/1e3
	h.say(answer.GetStatus(), err)
	return h
}

func (o *HealthOptions) about(in instance) healthOf {
	return healthOf{Target: in.Target, Instance: in.Address, Version: in.Version, Consul: in.Health, Service: o.Service}
}

// say notes the answer, or why there is none.
func (h *healthOf) say(status grpc_health_v1.HealthCheckResponse_ServingStatus, err error) {
	if err == nil {
		h.Status = status.String()
		return
	}
	h.Status, h.Error = unreachable, reason(err)
	switch code, _ := rpc.Code(err); rpc.CodeName(code) {
	case "NOT_FOUND":
		h.Status, h.Error = grpc_health_v1.HealthCheckResponse_SERVICE_UNKNOWN.String(), "the server does not know the service "+h.Service
	case "UNIMPLEMENTED":
		h.Error = "the server has no health service; register grpc.health.v1 in it"
	}
}

// because is a reason in brackets, which a narrow table has to cut.
func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + reason + ")"
}

func verdict(answers []healthOf) error {
	var bad []string
	for _, h := range answers {
		if h.Status != serving {
			bad = append(bad, h.Instance+because(h.Error))
		}
	}
	switch {
	case len(bad) == 0:
		return nil
	case len(answers) == 1:
		return failure.Silent(failure.CodeFailed)
	default:
		return fmt.Errorf("%d of %d instances are not SERVING: %s", len(bad), len(answers), strings.Join(bad, ", "))
	}
}
