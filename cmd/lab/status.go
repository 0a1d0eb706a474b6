package lab

import (
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/lab/state"
	"github.com/suokelife/suokectl/internal/output"
)

// StatusOptions are what `lab status` needs.
type StatusOptions struct {
	IO       *iostreams.IOStreams
	StateDir func() (string, error)
	Output   output.Flags
}

// Part is one part of the running lab.
type Part struct {
	Name    string    `json:"name"`
	Address string    `json:"address"`
	PID     int       `json:"pid"`
	Since   time.Time `json:"since"`
}

// NewCmdStatus returns the verb; runF replaces its run in tests.
func NewCmdStatus(f *app.Factory, runF func(*StatusOptions) error) *cobra.Command {
	opts := &StatusOptions{IO: f.IO, StateDir: stateDir(f)}
	cmd := &cobra.Command{
		Use:               "status",
		Short:             "Show the running lab's parts and their addresses",
		Long:              "Show the parts of the running lab and where they listen. Exit code 1 says that none runs.",
		Example:           "suokectl lab status\nsuokectl lab status -o name",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			if runF != nil {
				return runF(opts)
			}
			return runStatus(opts)
		},
	}
	opts.Output.Bind(cmd)
	return cmd
}

func runStatus(opts *StatusOptions) error {
	s, err := running(opts.StateDir)
	if err != nil {
		return err
	}
	return output.List(opts.IO, opts.Output, partView(), parts(s))
}

func parts(s *state.State) []Part {
	var list []Part
	for name, address := range s.Endpoints {
		list = append(list, Part{Name: name, Address: address, PID: s.PID, Since: s.Started})
	}
	slices.SortFunc(list, func(a, b Part) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func partView() output.View[Part] {
	return output.View[Part]{
		Name: func(p Part) string { return p.Name },
		Columns: []output.Column[Part]{
			{Name: "PART", Value: func(p Part) string { return p.Name }},
			{Name: "ADDRESS", Value: func(p Part) string { return p.Address }},
			{Name: "SINCE", Wide: true, Value: func(p Part) string { return p.Since.Format(time.RFC3339) }},
		},
	}
}
