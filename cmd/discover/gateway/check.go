package gateway

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/discover"
	"github.com/suokelife/suokectl/pkg/discover/gateway"
)

// CheckOptions are what `discover gateway check` needs.
type CheckOptions struct {
	IO       *iostreams.IOStreams
	Discover func() (*discover.Client, error)
	Output   output.Flags

	Files []string // "-" is standard input
	Live  bool
}

// NewCmdCheck returns the verb; runF replaces its run in tests.
func NewCmdCheck(f *app.Factory, runF func(*CheckOptions) error) *cobra.Command {
	opts := &CheckOptions{IO: f.IO, Discover: f.Discover}
	cmd := &cobra.Command{
		Use:   "check FILE…",
		Short: "Check Kong's declarative configuration of services",
		Long: `Check files of Kong's declarative configuration: what Kong would refuse, and what it
takes and does not mean, such as a host and a plugin that name different services.
With --live Consul is asked, too: whether it knows the services, and whether an
instance has the tags. "-" is standard input.

Findings make the exit code 100. Notes do not: they say what a file needs around it,
such as a plugin that Kong does not come with.`,
		Example: `suokectl discover gateway render auth-service --tag prod --path /auth > kong.yaml
suokectl discover gateway check kong.yaml --live
printf 'services: [{name: auth-service, hots: auth-service.service.consul}]' > wrong.yaml
suokectl discover gateway check wrong.yaml -o json # exits 100`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Files = args
			if runF != nil {
				return runF(opts)
			}
			return runCheck(cmd.Context(), opts)
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"yaml", "yml", "json"}, cobra.ShellCompDirectiveFilterFileExt
		},
	}
	cmd.Flags().BoolVar(&opts.Live, "live", false, "ask Consul for the services, too")
	opts.Output.Bind(cmd)
	return cmd
}

func runCheck(ctx context.Context, opts *CheckOptions) error {
	var findings []gateway.Finding
	for _, file := range opts.Files {
		found, err := opts.check(ctx, file)
		if err != nil {
			return err
		}
		findings = append(findings, found...)
	}
	if err := opts.write(findings); err != nil {
		return err
	}
	return failure.Findings(gateway.Defects(findings))
}

func (o *CheckOptions) check(ctx context.Context, file string) ([]gateway.Finding, error) {
	text, err := o.read(file)
	if err != nil {
		return nil, fmt.Errorf("read Kong's configuration: %w", err)
	}
	if !o.Live {
		return gateway.Check(file, text), nil
	}
	client, err := o.Discover()
	if err != nil {
		return nil, err
	}
	return gateway.CheckLive(ctx, client, file, text)
}

// tooLarge is more than any configuration has.
const tooLarge = 64 << 20

func (o *CheckOptions) read(file string) ([]byte, error) {
	if file != "-" {
		return os.ReadFile(file)
	}
	text, err := io.ReadAll(io.LimitReader(o.IO.In, tooLarge+1))
	if len(text) > tooLarge {
		return nil, fmt.Errorf("standard input is larger than %d MiB", tooLarge>>20)
	}
	return text, err
}

func (o *CheckOptions) write(findings []gateway.Finding) error {
	if !o.Output.Human() {
		return output.List(o.IO, o.Output, findingView(), findings)
	}
	if err := output.Text(o.IO, "%s", o.text(findings)); err != nil {
		return err
	}
	o.IO.Infof("%s", summary(findings, len(o.Files)))
	return nil
}

// text is a finding a line, with what to do about it in the next.
func (o *CheckOptions) text(findings []gateway.Finding) string {
	style := o.IO.Style()
	colour := map[gateway.Severity]func(string) string{
		gateway.Error: style.Bad, gateway.Warning: style.Warn, gateway.Note: style.Dim,
	}
	var out strings.Builder
	for _, f := range findings {
		_, _ = fmt.Fprintf(&out, "%s: %s %s %s\n", style.Bold(o.IO.Clean(place(f))), colour[f.Severity](string(f.Severity)+":"),
			o.IO.Clean(f.Message), style.Dim("["+f.Rule+"]"))
		if f.Fix != "" {
			_, _ = fmt.Fprintf(&out, "  fix: %s\n", o.IO.Clean(f.Fix))
		}
	}
	return out.String()
}

func place(f gateway.Finding) string {
	return fmt.Sprintf("%s:%d:%d", f.File, f.Span.Start.Line, f.Span.Start.Column)
}

func summary(findings []gateway.Finding, files int) string {
	defects := gateway.Defects(findings)
	text := count(defects, "finding")
	if defects == 0 {
		text = "no findings"
	}
	if notes := len(findings) - defects; notes > 0 {
		text += " and " + count(notes, "note")
	}
	return text + " in " + count(files, "file")
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

func findingView() output.View[gateway.Finding] {
	return output.View[gateway.Finding]{
		Name: func(f gateway.Finding) string { return f.Rule },
		Columns: []output.Column[gateway.Finding]{
			{Name: "PLACE", Value: place},
			{Name: "SEVERITY", Value: func(f gateway.Finding) string { return string(f.Severity) }},
			{Name: "RULE", Value: func(f gateway.Finding) string { return f.Rule }},
			{Name: "MESSAGE", Value: func(f gateway.Finding) string { return f.Message }},
		},
	}
}
