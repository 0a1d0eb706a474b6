package discover

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/pkg/discover"
	"github.com/suokelife/suokectl/pkg/discover/definition"
)

// registerChecks are the flags that make checks.
type registerChecks struct {
	http, grpc             []string
	ttl, interval, timeout time.Duration
}

func (c *registerChecks) bind(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&c.http, "http", nil, "check by GET of this `URL`; may be repeated")
	flags.StringArrayVar(&c.grpc, "grpc", nil, "check by grpc.health.v1 at `HOST:PORT[/SERVICE]`; may be repeated")
	flags.DurationVar(&c.ttl, "ttl", 0, "check by heartbeats, at most this `duration` apart")
	flags.DurationVar(&c.interval, "interval", 0, "`duration` between two runs of --http and --grpc (default 10s)")
	flags.DurationVar(&c.timeout, "check-timeout", 0, "`duration` that a run of --http and --grpc may take (default 10s)")
	for _, name := range []string{"http", "grpc", "ttl", "interval", "check-timeout"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
}

func (c *registerChecks) configs() []discover.CheckConfig {
	var all []discover.CheckConfig
	for _, url := range c.http {
		all = append(all, discover.CheckConfig{HTTP: url, Interval: c.interval, Timeout: c.timeout})
	}
	for _, target := range c.grpc {
		all = append(all, discover.CheckConfig{GRPC: target, Interval: c.interval, Timeout: c.timeout})
	}
	if c.ttl != 0 {
		all = append(all, discover.CheckConfig{TTL: c.ttl})
	}
	return all
}

// defaultTTL is that of an instance without checks, so that it does not outlive the command.
const defaultTTL = 15 * time.Second

// definition is the file with the flags over it, and the Consul that the file names.
func (o *RegisterOptions) definition() (discover.Registration, string, error) {
	read, err := o.read()
	if err != nil {
		return discover.Registration{}, "", err
	}
	r := overlay(read.Registration, o.Registration)
	if len(r.Checks) == 0 && !o.Once {
		r.Checks = []discover.CheckConfig{{TTL: defaultTTL}}
	}
	err = r.Validate()
	var wrong *discover.RegistrationError
	if errors.As(err, &wrong) && (wrong.Field == "address" || wrong.Field == "port") {
		err = failure.WithHint(err, fmt.Sprintf("say it with --%[1]s, or as consul.service.%[1]s in the file", wrong.Field))
	}
	if err != nil && o.File == "" { // the flags alone said it
		err = failure.WithCode(err, failure.CodeMisuse)
	}
	return r, read.Consul, err
}

func (o *RegisterOptions) read() (definition.Definition, error) {
	switch o.File {
	case "":
		return definition.Definition{}, nil
	case "-":
		return definition.Read("standard input", o.IO.In)
	}
	return definition.Load(o.File)
}

// overlay puts over r what is said in top.
func overlay(r, top discover.Registration) discover.Registration {
	set(&r.Name, top.Name)
	set(&r.Version, top.Version)
	set(&r.Address, top.Address)
	set(&r.Port, top.Port)
	set(&r.DeregisterAfter, top.DeregisterAfter)
	if len(top.Tags) > 0 {
		r.Tags = top.Tags
	}
	if len(top.Checks) > 0 {
		r.Checks = top.Checks
	}
	if r.Meta == nil {
		r.Meta = map[string]string{}
	}
	for key, value := range top.Meta {
		r.Meta[key] = value
	}
	return r
}

func set[T comparable](to *T, value T) {
	var none T
	if value != none {
		*to = value
	}
}
