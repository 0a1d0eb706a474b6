package discover

import (
	"context"
	"crypto/tls"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/config"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/discover"
	"github.com/suokelife/suokectl/pkg/discover/consulgrpc"
	"github.com/suokelife/suokectl/pkg/secure"
)

// ProbeOptions are what `discover probe` needs.
type ProbeOptions struct {
	IO       *iostreams.IOStreams
	Discover func() (*discover.Client, error)
	Context  func() (*config.Context, error)
	Output   output.Flags
	Name     string
	Query    discover.Query
	Kind     ProbeKind
	Bounds   discover.ProbeOptions
}

// ProbeKind says how instances are looked at; the zero value as their own checks do.
type ProbeKind struct {
	TCP  bool
	TLS  bool   // alone: the handshake; else HTTP and gRPC go over it
	HTTP string // a path
	GRPC string // a service, or wholeServer
	// ClientTLS is how certificates are verified and which one is shown, over the context's rpc.tls.
	ClientTLS secure.ClientTLS
}

// wholeServer is what --grpc asks about when it names no service.
const wholeServer = "*"

// expiresSoon is how long before its end a certificate is warned about.
const expiresSoon = 30 * 24 * time.Hour

// NewCmdProbe returns the verb; runF replaces its run in tests.
func NewCmdProbe(f *app.Factory, runF func(*ProbeOptions) error) *cobra.Command {
	opts := &ProbeOptions{IO: f.IO, Discover: f.Discover, Context: f.Context}
	var query queryFlags
	cmd := &cobra.Command{
		Use:   "probe NAME",
		Short: "Look at each instance from here: does it answer, how fast, with which certificate",
		Long: `Ask the instances of a service at once, from this machine: by HTTP, gRPC health or
TCP as its own first check does, or as a flag says. A check that asks no network
port, such as TTL, leaves TCP. Only those are asked that a caller would be given;
--health any asks every one, whatever Consul's checks say.

The exit code is 1 when an instance does not answer well. A certificate that
expires within 30 days is warned about.`,
		Example: `suokectl discover probe auth-service
suokectl discover probe auth-service --grpc --version v1 -o json
suokectl discover probe auth-service --tcp --health any # exits 1
suokectl discover probe auth-service --tls # exits 1`,
		Args:              oneService,
		ValidArgsFunction: serviceNames(f),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			opts.Name = args[0]
			if opts.Query, err = query.query(); err != nil {
				return err
			}
			if err := opts.validate(); err != nil {
				return err
			}
			if runF != nil {
				return runF(opts)
			}
			return runProbe(cmd.Context(), opts)
		},
	}
	query.bind(f, cmd)
	opts.Kind.bind(cmd.Flags())
	cmd.MarkFlagsMutuallyExclusive("tcp", "http", "grpc")
	cmd.MarkFlagsMutuallyExclusive("tcp", "tls")
	flags := cmd.Flags()
	flags.DurationVar(&opts.Bounds.Timeout, "probe-timeout", discover.DefaultProbeTimeout, "how long one instance may take, as a `duration`")
	flags.IntVar(&opts.Bounds.Parallel, "parallel", 16, "`number` of instances that are asked at a time")
	for _, free := range []string{"http", "grpc", "servername", "probe-timeout", "parallel"} {
		_ = cmd.RegisterFlagCompletionFunc(free, cobra.NoFileCompletions)
	}
	opts.Output.Bind(cmd)
	return cmd
}

func (k *ProbeKind) bind(flags *pflag.FlagSet) {
	flags.BoolVar(&k.TCP, "tcp", false, "connect and hang up")
	flags.BoolVar(&k.TLS, "tls", false, "end a TLS handshake; with --http and --grpc, ask over TLS")
	flags.StringVar(&k.HTTP, "http", "", "GET this `path`; 2xx is well")
	flags.StringVar(&k.GRPC, "grpc", "", "ask gRPC health about this `service`, given as --grpc=SERVICE; --grpc alone asks about the whole server")
	flags.Lookup("grpc").NoOptDefVal = wholeServer
	flags.StringVar(&k.ClientTLS.CA, "cacert", "", "PEM `file` of the roots that may vouch for an instance; default the context's, else the system's")
	flags.StringVar(&k.ClientTLS.Cert, "cert", "", "PEM `file` of a client certificate")
	flags.StringVar(&k.ClientTLS.Key, "key", "", "PEM `file` of its key")
	flags.StringVar(&k.ClientTLS.ServerName, "servername", "", "`name` that certificates are verified for; default the instance's address")
	flags.BoolVar(&k.ClientTLS.Insecure, "insecure", false, "a certificate that does not verify is told and is no failure")
}

func (o *ProbeOptions) validate() error {
	switch {
	case o.Bounds.Timeout <= 0:
		return failure.Usagef("--probe-timeout %s is not positive", o.Bounds.Timeout)
	case o.Bounds.Parallel < 1:
		return failure.Usagef("--parallel %d: at least one is needed", o.Bounds.Parallel)
	case o.Kind.ClientTLS != (secure.ClientTLS{}) && !o.Kind.TLS && (o.Kind.TCP || o.Kind.HTTP != "" || o.Kind.GRPC != ""):
		return failure.Usagef("--cacert, --cert, --key, --servername and --insecure are for --tls")
	}
	return nil
}

func runProbe(ctx context.Context, opts *ProbeOptions) error {
	client, err := opts.Discover()
	if err != nil {
		return err
	}
	choose, err := opts.prober()
	if err != nil {
		return err
	}
	instances, err := client.Instances(ctx, opts.Name, opts.Query)
	if err != nil {
		return hinted(err)
	}
	results := discover.ProbeAll(ctx, instances, choose, opts.Bounds)
	if err := output.List(opts.IO, opts.Output, probeView(results), results); err != nil {
		return err
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	failed := 0
	for _, result := range results {
		warnOfCertificate(opts.IO, result)
		if !result.OK {
			failed++
		}
	}
	if failed > 0 {
		return failure.WithHint(fmt.Errorf("%d of %s of %s did not answer well", failed, plural(len(results), "instance"), opts.Name),
			"`"+explainCommand(opts.Name, opts.Query)+"` shows what Consul's checks say")
	}
	return nil
}

// prober is how the options want instances to be looked at.
func (o *ProbeOptions) prober() (discover.Prober, error) {
	config, err := o.tls()
	if err != nil {
		return nil, err
	}
	over := config // what carries HTTP and gRPC
	if !o.Kind.TLS {
		over = nil
	}
	health := func(service string) discover.Prober { return consulgrpc.HealthProbe(service, over) }
	switch {
	case o.Kind.TCP:
		return discover.TCPProbe, nil
	case o.Kind.HTTP != "":
		return discover.HTTPProbe(o.Kind.HTTP, over), nil
	case o.Kind.GRPC == wholeServer:
		return health(""), nil
	case o.Kind.GRPC != "":
		return health(o.Kind.GRPC), nil
	case o.Kind.TLS:
		return discover.TLSProbe(config), nil
	}
	return discover.CheckedProbe(config, health), nil
}

// tls is the flags' configuration, else the context's for calls.
func (o *ProbeOptions) tls() (*tls.Config, error) {
	if o.Kind.ClientTLS != (secure.ClientTLS{}) {
		return o.Kind.ClientTLS.Config()
	}
	settings, err := o.Context()
	if err != nil {
		return nil, err
	}
	return settings.RPC.TLS.Client().Config()
}

func warnOfCertificate(ios *iostreams.IOStreams, result discover.ProbeResult) {
	certificate := result.Certificate
	if certificate == nil || certificate.ExpiresIn() < 0 || certificate.ExpiresIn() > expiresSoon {
		return
	}
	ios.Infof("the certificate of %s expires in %s, at %s", result.Instance.HostPort(),
		days(certificate.ExpiresIn()), certificate.NotAfter.Format(time.RFC3339))
}

func days(d time.Duration) string {
	if d < 48*time.Hour {
		return plural(int(d/time.Hour), "hour")
	}
	return plural(int(d/(24*time.Hour)), "day")
}

// probeView has a column for the certificates' ends where there is one.
func probeView(results []discover.ProbeResult) output.View[discover.ProbeResult] {
	type result = discover.ProbeResult
	certified := slices.ContainsFunc(results, func(r result) bool { return r.Certificate != nil })
	return output.View[result]{
		Name: func(r result) string { return r.Instance.ID },
		Columns: []output.Column[result]{
			{Name: "ADDRESS", Whole: true, Value: func(r result) string { return reach(r.Instance) }},
			{Name: "PROBE", Value: func(r result) string { return r.Kind }},
			{Name: "ANSWER", Value: answer, Style: func(st iostreams.Style, r result, cell string) string {
				if r.OK {
					return st.Good(cell)
				}
				return st.Bad(cell)
			}},
			{Name: "LATENCY", Value: func(r result) string { return latency(r.LatencyMS) }},
			{Name: "EXPIRES", Wide: !certified, Value: expiry, Style: func(st iostreams.Style, r result, cell string) string {
				switch c := r.Certificate; {
				case c == nil || c.ExpiresIn() > expiresSoon:
					return cell
				case c.ExpiresIn() < 0:
					return st.Bad(cell)
				}
				return st.Warn(cell)
			}},
			{Name: "REASON", Value: func(r result) string { return r.Reason }},
			{Name: "TARGET", Value: func(r result) string { return r.Target }, Wide: true},
			{Name: "CERTIFICATE", Value: func(r result) string {
				if r.Certificate == nil {
					return ""
				}
				return r.Certificate.Subject
			}, Wide: true},
			{Name: "HEALTH", Value: func(r result) string { return string(r.Instance.Health) }, Wide: true},
			{Name: "VERSION", Value: func(r result) string { return r.Instance.Version }, Wide: true},
			{Name: "ID", Value: func(r result) string { return r.Instance.ID }, Wide: true},
		},
	}
}

func answer(r discover.ProbeResult) string {
	if r.OK {
		return "ok"
	}
	return string(r.Failure)
}

func expiry(r discover.ProbeResult) string {
	switch c := r.Certificate; {
	case c == nil:
		return ""
	case c.ExpiresIn() < 0:
		return days(-c.ExpiresIn()) + " ago"
	default:
		return "in " + days(c.ExpiresIn())
	}
}

// latency is milliseconds to three digits.
func latency(ms float64) string {
	if ms >= 100 {
		return fmt.Sprintf("%.0f ms", ms)
	}
	return fmt.Sprintf("%.*f ms", 2-int(math.Floor(math.Log10(max(ms, 1)))), ms)
}
