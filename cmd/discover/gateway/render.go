package gateway

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/discover/definition"
	"github.com/suokelife/suokectl/pkg/discover/gateway"
)

// RenderOptions are what `discover gateway render` needs.
type RenderOptions struct {
	IO     *iostreams.IOStreams
	Output output.Flags

	Names         []string
	Registrations []string // files in the specification's form, for more names
	Form          gateway.Form
	Service       gateway.Service // what all of the services have
}

// NewCmdRender returns the verb; runF replaces its run in tests.
func NewCmdRender(f *app.Factory, runF func(*RenderOptions) error) *cobra.Command {
	opts := &RenderOptions{IO: f.IO}
	cmd := &cobra.Command{
		Use:   "render [NAME…]",
		Short: "Write Kong's declarative configuration of services",
		Long: `Write Kong's declarative configuration of services to stdout, in the order given.
Services are named, or taken from the files with which they register themselves.
Nothing is asked of Consul; "gateway check --live" does that.

The form "spec" is the specification's: a host under .service.consul and the plugin
consul-discovery with the service's name and tags. Kong itself comes with no such
plugin; it has to be installed and listed in Kong's setting "plugins".

The form "dns" is for stock Kong with KONG_DNS_RESOLVER=HOST:8600, Consul's DNS: the
host is an SRV name (RFC 2782), so that each instance's own port is dialled. It
takes one tag at most, as Consul's DNS does.

-o json writes the same configuration as JSON, which Kong reads, too.`,
		Example: `suokectl discover gateway render auth-service --tag prod --path /auth
suokectl discover gateway render auth-service user-service --form dns
suokectl discover gateway render auth-service --form dns --tag prod --protocol grpc --path /suokelife.auth.v1.AuthService/
printf 'consul: {service: {name: cart-service, version: v1, tags: [prod]}}' > cart.yaml
suokectl discover gateway render -f cart.yaml --tag prod > kong.yaml
suokectl discover gateway render auth-service --path /auth -o json > kong.json`,
		ValidArgsFunction: serviceNames(f),
		RunE: func(_ *cobra.Command, args []string) error {
			opts.Names = args
			if err := opts.validate(); err != nil {
				return err
			}
			if runF != nil {
				return runF(opts)
			}
			return runRender(opts)
		},
	}
	opts.bind(cmd)
	opts.Output.Bind(cmd)
	return cmd
}

var forms = []string{string(gateway.Plugin), string(gateway.DNS)}

func (o *RenderOptions) bind(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVarP(&o.Registrations, "file", "f", nil, "registration `file` of a service, in the specification's form; may be repeated")
	flags.StringVar((*string)(&o.Form), "form", string(gateway.Plugin), "`form` to write: spec, dns")
	flags.StringArrayVar(&o.Service.Tags, "tag", nil, "only instances with this `tag`; may be repeated in the form spec, all are wanted")
	flags.StringArrayVar(&o.Service.Paths, "path", nil, "`path` that Kong routes to the service; may be repeated")
	flags.IntVar(&o.Service.Port, "port", 0, "`port` in the form spec; default 80, as the specification has it")
	flags.StringVar(&o.Service.Protocol, "protocol", "http", "`protocol` that the service speaks: http, https, grpc, grpcs")
	_ = cmd.RegisterFlagCompletionFunc("form", cobra.FixedCompletions(forms, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("protocol", cobra.FixedCompletions([]string{"http", "https", "grpc", "grpcs"}, cobra.ShellCompDirectiveNoFileComp))
	for _, name := range []string{"tag", "path", "port"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
}

func (o *RenderOptions) validate() error {
	switch given := len(o.Names) + len(o.Registrations); {
	case !slices.Contains(forms, string(o.Form)):
		return failure.Usagef("--form %q is none of %s", o.Form, strings.Join(forms, ", "))
	case given == 0:
		return failure.Usagef("suokectl discover gateway render takes NAME… or -f FILE, and nothing is given")
	case given > 1 && len(o.Service.Paths) > 0:
		return failure.Usagef("--path is of one service, and %d are given", given)
	}
	return nil
}

func runRender(opts *RenderOptions) error {
	services, err := opts.services()
	if err != nil {
		return err
	}
	text, err := gateway.Render(opts.Form, services)
	if err != nil {
		return failure.WithCode(err, 2)
	}
	if err := opts.print(text, services); err != nil {
		return err
	}
	if len(opts.Service.Paths) == 0 {
		opts.IO.Infof("no route is written: --path says which path leads to a service")
	}
	return nil
}

// print writes the configuration as it is rendered, or in another form of output.
func (o *RenderOptions) print(text []byte, services []gateway.Service) error {
	var configuration map[string]any
	if err := yaml.Unmarshal(text, &configuration); err != nil {
		return fmt.Errorf("read what was rendered for Kong: %w", err)
	}
	view := output.View[map[string]any]{Name: func(map[string]any) string {
		names := make([]string, len(services))
		for i, service := range services {
			names[i] = service.Name
		}
		return strings.Join(names, "\n")
	}}
	return output.One(o.IO, o.Output, view, configuration, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}

// services are the named ones and then those of the files, all with what the flags say.
func (o *RenderOptions) services() ([]gateway.Service, error) {
	var out []gateway.Service
	add := func(name string) {
		service := o.Service
		service.Name = name
		out = append(out, service)
	}
	for _, name := range o.Names {
		add(name)
	}
	for _, file := range o.Registrations {
		read, err := definition.Load(file)
		if err != nil {
			return nil, err
		}
		for _, tag := range o.Service.Tags {
			if has := read.Registration.Tags; !slices.Contains(has, tag) {
				return nil, failure.Usagef("%s registers %s without the tag %s; it has %s", file, read.Registration.Name, tag, orNone(has))
			}
		}
		add(read.Registration.Name)
	}
	return out, nil
}

func orNone(tags []string) string {
	if len(tags) == 0 {
		return "none"
	}
	return strings.Join(tags, ", ")
}
