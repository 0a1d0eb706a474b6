package rpc

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/complete"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/rpc"
)

// ListOptions are what `rpc list` needs.
type ListOptions struct {
	IO      *iostreams.IOStreams
	Dial    dial
	Output  output.Flags
	Service string
	connection
	definitions
}

// NewCmdList returns the verb; runF replaces its run in tests.
func NewCmdList(f *app.Factory, runF func(*ListOptions) error) *cobra.Command {
	opts := &ListOptions{IO: f.IO, Dial: f.Channel, definitions: definitions{Kept: f.DescriptorCache}}
	cmd := &cobra.Command{
		Use:   "list [TARGET] [SERVICE]",
		Short: "List a server's services, or the methods of one",
		Long: `List the services of a server, or with SERVICE its methods. The server is asked
by reflection, v1 or v1alpha; while it is away, what it said before is shown. With
--protoset or --proto no server is asked, and no TARGET is wanted. SERVICE may be
short where it is unambiguous.`,
		Example: "suokectl rpc list auth-service\nsuokectl rpc list health-service HealthService\n" +
			"suokectl rpc list user-service UserService -o name\n" +
			"suokectl rpc list user-service --protoset-out user.binpb\nsuokectl rpc list --protoset user.binpb UserService",
		Args:              cobra.MaximumNArgs(2),
		ValidArgsFunction: complete.At(targets(f), names(f, &opts.connection, "rpc-services", (*rpc.Descriptors).Services)),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			opts.Target, opts.Service, err = opts.arguments(args)
			if err := errors.Join(err, opts.validate()); err != nil {
				return err
			}
			if runF != nil {
				return runF(opts)
			}
			return runList(cmd.Context(), opts)
		},
	}
	opts.bindDefinitions(cmd)
	opts.bind(cmd)
	opts.Output.Bind(cmd)
	return cmd
}

// service is a service in a list.
type service struct {
	Name string `json:"name"`
}

func runList(ctx context.Context, opts *ListOptions) error {
	opts.Retry.OnRetry = func(a rpc.Attempt) { showAttempt(opts.IO, a) }
	return opts.use(ctx, opts.IO, &opts.connection, opts.Dial, func(d *rpc.Descriptors) error {
		if opts.Service == "" {
			return listServices(opts, d)
		}
		return listMethods(opts, d)
	})
}

func listServices(opts *ListOptions, d *rpc.Descriptors) error {
	found, err := d.Services()
	if err != nil {
		return err
	}
	list := make([]service, len(found))
	for i, name := range found {
		list[i].Name = name
	}
	name := func(s service) string { return s.Name }
	return output.List(opts.IO, opts.Output, output.View[service]{
		Columns: []output.Column[service]{{Name: "SERVICE", Value: name}},
		Name:    name,
		Empty:   "the server has no services",
	}, list)
}

// local drops from a message's name the package that is the method's own, too.
func local(m rpc.Method, message string) string {
	service, _, _ := strings.Cut(m.FullName, "/")
	end := strings.LastIndexByte(service, '.') + 1
	return strings.TrimPrefix(message, service[:end])
}

func listMethods(opts *ListOptions, d *rpc.Descriptors) error {
	methods, err := d.Methods(opts.Service)
	if err != nil {
		return err
	}
	return output.List(opts.IO, opts.Output, output.View[rpc.Method]{
		Columns: []output.Column[rpc.Method]{
			{Name: "METHOD", Value: func(m rpc.Method) string { return m.Name }},
			{Name: "KIND", Value: func(m rpc.Method) string { return m.Kind }},
			{Name: "INPUT", Value: func(m rpc.Method) string { return local(m, m.Input) }},
			{Name: "OUTPUT", Value: func(m rpc.Method) string { return local(m, m.Output) }},
			{Name: "FULL NAME", Value: func(m rpc.Method) string { return m.FullName }, Wide: true},
		},
		Name:  func(m rpc.Method) string { return m.FullName },
		Empty: "the service has no methods",
	}, methods)
}
