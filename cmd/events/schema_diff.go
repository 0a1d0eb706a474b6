package events

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/events/schema"
)

// SchemaDiffOptions are what `events schema diff` needs.
type SchemaDiffOptions struct {
	IO      *iostreams.IOStreams
	Schemas func() (*schema.Registry, error)
	Output  output.Flags
	File    candidateFlags
	Subject string
	Path    string // empty compares two versions
	From    int    // schema.Latest is the default: see before
	To      int
}

// NewCmdSchemaDiff returns the verb; runF replaces its run in tests.
func NewCmdSchemaDiff(f *app.Factory, runF func(*SchemaDiffOptions) error) *cobra.Command {
	opts := &SchemaDiffOptions{IO: f.IO, Schemas: f.Schemas}
	var from, to string
	cmd := &cobra.Command{
		Use:   "diff SUBJECT [FILE]",
		Short: "Show what changed in a schema, and what each mode says of it",
		Long: `Compare two versions of a subject, by default the newest with the one before it,
or the schema in FILE with a version, by default the newest. What changed is
listed by its place, then what each compatibility mode says of it, and why:
backward when the later schema cannot read what the earlier one wrote, forward
the other way. Transitive modes look at all versions before. FILE may be "-" for
standard input. The subject's own mode makes no difference.

` + referencesHelp,
		Example: `printf '{"type":"object","required":["user_id","email"],"properties":{"user_id":{"type":"string"},"email":{"type":"string","format":"email"}}}' > new.json
suokectl events schema diff dev.auth-service.user-registered.v1-value new.json
suokectl events schema diff dev.auth-service.user-registered.v1-value new.json -o json --jq '.modes[] | select(.compatible) | .mode'
suokectl events schema diff dev.auth-service.user-registered.v1-value --from 1 --to 1`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: subjectThenFile(f),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Subject = args[0]
			if len(args) == 2 {
				opts.Path = args[1]
			}
			if err := opts.validate(from, to); err != nil {
				return err
			}
			if runF != nil {
				return runF(opts)
			}
			return runSchemaDiff(cmd.Context(), opts)
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "`version` that is compared with; by default the newest, or the one before --to")
	cmd.Flags().StringVar(&to, "to", "", "`version` that is compared; by default the newest")
	_ = cmd.RegisterFlagCompletionFunc("from", cobra.NoFileCompletions)
	_ = cmd.RegisterFlagCompletionFunc("to", cobra.NoFileCompletions)
	opts.File.bind(cmd)
	opts.Output.Bind(cmd)
	return cmd
}

func (o *SchemaDiffOptions) validate(from, to string) error {
	if o.Path != "" && to != "" {
		return failure.Usagef("--to names a version, and a file is compared: leave one of them out")
	}
	for _, flag := range []struct {
		text    string
		version *int
	}{{from, &o.From}, {to, &o.To}} {
		if flag.text == "" {
			continue
		}
		var err error
		if *flag.version, err = parseVersion(flag.text); err != nil {
			return err
		}
	}
	return o.Output.Validate()
}

// schemaDiff is a difference as it is printed.
type schemaDiff struct {
	Subject string          `json:"subject"`
	From    string          `json:"from"`
	To      string          `json:"to"`
	Changes []schema.Change `json:"changes"`
	Modes   []modeVerdict   `json:"modes"`
}

// modeVerdict is what a mode says of a change.
type modeVerdict struct {
	Mode       schema.Mode       `json:"mode"`
	Compatible bool              `json:"compatible"`
	Conflicts  []schema.Conflict `json:"conflicts"`
}

func runSchemaDiff(ctx context.Context, opts *SchemaDiffOptions) error {
	registry, err := opts.Schemas()
	if err != nil {
		return err
	}
	d, err := opts.compare(ctx, registry)
	if err != nil {
		return schemaHint(ctx, registry, opts.Subject, err)
	}
	return output.One(opts.IO, opts.Output, schemaDiffView(), d, func(w io.Writer) error { return d.print(opts.IO, opts.Output, w) })
}

func (o *SchemaDiffOptions) compare(ctx context.Context, registry *schema.Registry) (schemaDiff, error) {
	versions, err := registry.Versions(ctx, o.Subject)
	if err != nil {
		return schemaDiff{}, err
	}
	slices.Sort(versions)
	d := schemaDiff{Subject: o.Subject, To: o.Path}
	after, limit, err := o.after(ctx, registry, versions, &d)
	if err != nil {
		return schemaDiff{}, err
	}
	from := o.From
	if from == schema.Latest {
		from = limit
	}
	d.From = "version " + strconv.Itoa(from)
	history, err := parseVersions(ctx, registry, o.Subject, versions, from)
	if err != nil {
		return schemaDiff{}, err
	}
	d.Changes = append([]schema.Change{}, schema.Diff(history[len(history)-1].parsed, after)...)
	d.Modes = verdictsOf(after, history)
	return d, nil
}

// after parses the later schema, and says which version is before it.
func (o *SchemaDiffOptions) after(ctx context.Context, registry *schema.Registry, versions []int, d *schemaDiff) (*schema.Parsed, int, error) {
	if o.Path != "" {
		c, err := o.File.read(ctx, o.IO, registry, o.Path)
		if err != nil {
			return nil, 0, err
		}
		parsed, err := c.parse(ctx, registry)
		return parsed, versions[len(versions)-1], c.explain(ctx, registry, o.Subject, err)
	}
	to := o.To
	if to == schema.Latest {
		to = versions[len(versions)-1]
	}
	d.To = "version " + strconv.Itoa(to)
	before := to
	if at := slices.Index(versions, to); at > 0 {
		before = versions[at-1]
	} else if at == 0 && o.From == schema.Latest {
		return nil, 0, failure.Usagef("%s has no version before %d: name a file to compare with it", o.Subject, to)
	}
	s, err := registry.Get(ctx, o.Subject, to)
	if err != nil {
		return nil, 0, err
	}
	parsed, err := registry.Parse(ctx, s)
	return parsed, before, err
}

// parsedVersion is a version that was understood.
type parsedVersion struct {
	number int
	parsed *schema.Parsed
}

// parseVersions parses the versions up to one, which is the last.
func parseVersions(ctx context.Context, registry *schema.Registry, subject string, versions []int, last int) ([]parsedVersion, error) {
	var out []parsedVersion
	for _, number := range versions {
		if number < last {
			out = append(out, parsedVersion{number: number})
		}
	}
	out = append(out, parsedVersion{number: last}) // which the registry may not have
	for i := range out {
		s, err := registry.Get(ctx, subject, out[i].number)
		if err != nil {
			return nil, err
		}
		if out[i].parsed, err = registry.Parse(ctx, s); err != nil {
			return nil, fmt.Errorf("%s version %d: %w", subject, out[i].number, err)
		}
	}
	return out, nil
}

func verdictsOf(after *schema.Parsed, history []parsedVersion) []modeVerdict {
	earlier := make([]*schema.Parsed, len(history))
	for i, v := range history {
		earlier[i] = v.parsed
	}
	var out []modeVerdict
	for _, mode := range schema.Modes() {
		conflicts := append([]schema.Conflict{}, schema.Incompatible(mode, after, earlier...)...)
		for i := range conflicts {
			conflicts[i].Version = history[conflicts[i].Earlier].number
		}
		out = append(out, modeVerdict{Mode: mode, Compatible: len(conflicts) == 0, Conflicts: conflicts})
	}
	return out
}

func (d schemaDiff) print(ios *iostreams.IOStreams, flags output.Flags, w io.Writer) error {
	if _, err := fmt.Fprintf(w, "%s: from %s to %s\n", ios.Clean(d.Subject), d.From, ios.Clean(d.To)); err != nil {
		return err
	}
	if len(d.Changes) == 0 {
		if _, err := fmt.Fprintln(w, "\nnothing changed"); err != nil {
			return err
		}
	} else if err := parted(w, ios, flags, changeView(), d.Changes); err != nil {
		return err
	}
	if err := parted(w, ios, flags, modeVerdictView(), d.Modes); err != nil {
		return err
	}
	return d.printReasons(ios, w)
}

// printReasons lists why modes refuse the change: the strictest has the reasons of all.
func (d schemaDiff) printReasons(ios *iostreams.IOStreams, w io.Writer) error {
	reasons := d.Modes[len(d.Modes)-1].Conflicts
	for i, c := range reasons {
		if i == 0 {
			_, _ = fmt.Fprintln(w)
		}
		if _, err := fmt.Fprintf(w, "%s, version %d: %s\n", c.Direction, c.Version, ios.Clean(c.Violation.String())); err != nil {
			return err
		}
	}
	return nil
}

// parted prints a table behind an empty line.
func parted[T any](w io.Writer, ios *iostreams.IOStreams, flags output.Flags, v output.View[T], items []T) error {
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	return output.Part(w, ios, flags, v, items)
}

func changeView() output.View[schema.Change] {
	return output.View[schema.Change]{
		Name: func(c schema.Change) string { return c.Path },
		Columns: []output.Column[schema.Change]{
			{Name: "CHANGE", Value: func(c schema.Change) string { return c.Kind }},
			{Name: "PATH", Whole: true, Value: func(c schema.Change) string { return c.Path }},
			{Name: "BEFORE", Value: func(c schema.Change) string { return c.Before }},
			{Name: "AFTER", Value: func(c schema.Change) string { return c.After }},
		},
	}
}

func modeVerdictView() output.View[modeVerdict] {
	verdict := func(m modeVerdict) string {
		if m.Compatible {
			return "compatible"
		}
		return "incompatible"
	}
	return output.View[modeVerdict]{
		Name: func(m modeVerdict) string { return string(m.Mode) },
		Columns: []output.Column[modeVerdict]{
			{Name: "MODE", Value: func(m modeVerdict) string { return string(m.Mode) }},
			{Name: "VERDICT", Value: verdict, Style: func(style iostreams.Style, m modeVerdict, text string) string {
				if m.Compatible {
					return style.Good(text)
				}
				return style.Bad(text)
			}},
		},
	}
}

func schemaDiffView() output.View[schemaDiff] {
	return output.View[schemaDiff]{
		Name: func(d schemaDiff) string { return d.Subject },
		Columns: []output.Column[schemaDiff]{
			{Name: "SUBJECT", Value: func(d schemaDiff) string { return d.Subject }},
			{Name: "CHANGES", Value: func(d schemaDiff) string { return strconv.Itoa(len(d.Changes)) }},
		},
	}
}
