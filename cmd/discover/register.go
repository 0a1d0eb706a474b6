package discover

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/config"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/discover"
)

// RegisterOptions are what `discover register` needs.
type RegisterOptions struct {
	IO       *iostreams.IOStreams
	Discover func() (*discover.Client, error)
	Context  func() (*config.Context, error)
	Guard    func(ctx context.Context, what string) error
	Output   output.Flags

	File         string                // a definition, or "-" for standard input
	Registration discover.Registration // what the flags say; it wins over the file
	Drain        time.Duration

	Once, DryRun, Replace, Strict bool
}

// NewCmdRegister returns the verb; runF replaces its run in tests.
func NewCmdRegister(f *app.Factory, runF func(*RegisterOptions) error) *cobra.Command {
	opts := &RegisterOptions{IO: f.IO, Discover: f.Discover, Context: f.Context, Guard: f.Guard}
	var checks registerChecks
	cmd := &cobra.Command{
		Use:   "register",
		Short: "Register an instance, and keep it registered until Ctrl-C",
		Long: `Register an instance by a file in the specification's form, or by flags, which win
over the file. It stays registered while the command runs: heartbeats of a TTL
check are sent, and an agent that forgot the instance is told again. Ctrl-C or
SIGTERM deregisters it, and the exit code is 0. An instance without any check is
given one of TTL 15s.

With --once it is registered and left alone. With --dry-run nothing is changed: what
would be sent is shown, and how that differs from what is registered.

The file's consul.host and consul.port are used when no context names a Consul.
Where the service itself listens is service.address and service.port, or the
flags.`,
		Example: `printf 'consul: {service: {name: cart-service, version: v1, address: 127.0.0.1, port: 7001, check: {ttl: 15s}}}' > cart.yaml
suokectl discover register -f cart.yaml --dry-run
suokectl discover register -f cart.yaml --version v2 --once
suokectl discover register --name cart-service --address 127.0.0.1 --port 7002 --timeout 1s # exits 124`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("ttl") && checks.ttl <= 0 {
				return failure.Usagef("--ttl %s is not positive", checks.ttl)
			}
			opts.Registration.Checks = checks.configs()
			if err := opts.validate(); err != nil {
				return err
			}
			if runF != nil {
				return runF(opts)
			}
			return runRegister(cmd.Context(), opts)
		},
	}
	flags, r := cmd.Flags(), &opts.Registration
	flags.StringVarP(&opts.File, "file", "f", "", "`file` in the specification's form; - is standard input")
	flags.StringVar(&r.Name, "name", "", "the service's `name`")
	flags.StringVar(&r.Version, "version", "", "its `version`, which goes to the metadata")
	flags.StringVar(&r.Address, "address", "", "`address` at which callers reach the instance")
	flags.IntVar(&r.Port, "port", 0, "`port` at which callers reach the instance")
	flags.StringArrayVar(&r.Tags, "tag", nil, "a `tag`; may be repeated")
	flags.StringToStringVar(&r.Meta, "meta", nil, "metadata as `KEY=VALUE`; may be repeated")
	flags.DurationVar(&r.DeregisterAfter, "deregister-after", 0, "`duration` that it may stay critical before Consul forgets it (default 10m0s)")
	checks.bind(cmd)
	flags.DurationVar(&opts.Drain, "drain", 0, "`duration` in maintenance before it is deregistered")
	flags.BoolVar(&opts.Once, "once", false, "register and end; the instance stays")
	flags.BoolVar(&opts.DryRun, "dry-run", false, "show what would be sent and what would change")
	flags.BoolVar(&opts.Replace, "replace", false, "take over an id that something else has")
	flags.BoolVar(&opts.Strict, "strict", false, "let a warning be an error")
	for _, name := range []string{"name", "version", "address", "port", "tag", "meta", "deregister-after", "drain"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	opts.Output.Bind(cmd)
	return cmd
}

func (o *RegisterOptions) validate() error {
	switch {
	case o.File == "" && o.Registration.Name == "":
		return failure.Usagef("--file or --name is needed: what is to be registered?")
	case o.Registration.DeregisterAfter < 0 || o.Drain < 0:
		return failure.Usagef("a duration is negative")
	case o.Once && o.Drain > 0:
		return failure.Usagef("--once leaves nobody to --drain the instance")
	}
	return o.Output.Validate()
}

// client is that of the context, or, where nothing names a Consul but the file, of the file's. It says whether a
// context stands behind it.
func (o *RegisterOptions) client(named string) (client *discover.Client, done func(), contextual bool, err error) {
	done = func() {}
	c, err := o.Context()
	unset := errors.Is(err, config.ErrNoContext) || err == nil && c.Consul.Address == ""
	if !unset || named == "" {
		client, err = o.Discover()
		if err == nil && named != "" && named != c.Consul.Address {
			o.IO.Infof("the file names Consul at %s; the context's at %s is used", named, c.Consul.Address)
		}
		return client, done, true, err
	}
	o.IO.Infof("no context names a Consul; the file's at %s is used", named)
	if client, err = discover.New(discover.Config{Address: named}); err == nil {
		done = func() { _ = client.Close() } // idle connections only
	}
	return client, done, false, err
}

func runRegister(ctx context.Context, opts *RegisterOptions) error {
	r, named, err := opts.definition()
	if err != nil {
		return err
	}
	client, done, contextual, err := opts.client(named)
	if err != nil {
		return err
	}
	defer done()
	if err := opts.warn(client, r); err != nil {
		return err
	}
	plan, err := client.PlanRegistration(ctx, r)
	if err != nil {
		return err
	}
	conflict, err := opts.conflict(ctx, client, r)
	if err != nil {
		return err
	}
	if opts.DryRun {
		return opts.printPlan(plan)
	}
	if contextual {
		if err := opts.Guard(ctx, "register "+r.ID()); err != nil {
			return err
		}
	}
	if conflict != nil && !conflict.Here {
		if err := client.Evict(ctx, conflict); err != nil {
			return err
		}
		opts.IO.Infof("%s of node %s is taken out of the catalogue; its agent, if it lives, puts it back", conflict.ID, conflict.Node)
	}
	if opts.Once {
		return opts.once(ctx, client, r, plan)
	}
	return opts.keep(ctx, client, r)
}

// warn says what is questionable about the registration.
func (o *RegisterOptions) warn(client *discover.Client, r discover.Registration) error {
	var found []error
	for _, finding := range client.Localhost(r) {
		found = append(found, finding)
		if !o.Strict {
			o.IO.Infof("warning: %v", finding)
		}
	}
	if o.Strict {
		return errors.Join(found...)
	}
	return nil
}

// conflict returns what has the id already, when it is to be replaced or only looked at.
func (o *RegisterOptions) conflict(ctx context.Context, client *discover.Client, r discover.Registration) (*discover.ConflictError, error) {
	err := client.Conflict(ctx, r)
	var conflict *discover.ConflictError
	switch {
	case err == nil:
		return nil, nil
	case errors.As(err, &conflict) && o.Replace:
		return conflict, nil
	case errors.As(err, &conflict) && o.DryRun:
		o.IO.Infof("warning: %v", conflict)
		return conflict, nil
	case errors.As(err, &conflict):
		return nil, failure.WithHint(err, "--replace takes the id over")
	case errors.Is(err, discover.ErrDenied), errors.Is(err, discover.ErrFiltered):
		o.IO.Infof("warning: whether the id is taken elsewhere is not known: %v", err)
		return nil, nil
	}
	return nil, err
}

// once registers and says what is left to somebody else.
func (o *RegisterOptions) once(ctx context.Context, client *discover.Client, r discover.Registration, plan discover.RegistrationPlan) error {
	if _, err := client.Register(ctx, r); err != nil {
		return err
	}
	for _, check := range r.Checks {
		if check.TTL > 0 {
			o.IO.Infof("nobody sends its heartbeats: it is critical unless its process reports every %s", check.TTL)
		}
	}
	if len(r.Checks) == 0 {
		o.IO.Infof("it has no check: it passes until it is deregistered")
	}
	return o.printPlan(plan)
}

// keep keeps the registration until ctx ends. An interrupt is how that is meant to end; --timeout is not.
func (o *RegisterOptions) keep(ctx context.Context, client *discover.Client, r discover.Registration) error {
	events, err := newRegisterPrinter(o)
	if err != nil {
		return err
	}
	err = client.Keep(ctx, r, discover.KeepOptions{Drain: o.Drain, Told: events.told})
	if err == nil && !errors.Is(context.Cause(ctx), failure.ErrInterrupted) {
		err = context.Cause(ctx)
	}
	return errors.Join(err, events.close())
}
