// Package version is `suokectl version`.
package version

import (
	"fmt"
	"io"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
)

// Options are what the verb needs.
type Options struct {
	IO      *iostreams.IOStreams
	Output  output.Flags
	Version string
}

// Info is the verb's JSON.
type Info struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

// NewCmdVersion returns the verb; runF replaces its run in tests.
func NewCmdVersion(f *app.Factory, runF func(*Options) error) *cobra.Command {
	opts := &Options{IO: f.IO, Version: f.Version}
	cmd := &cobra.Command{
		Use:               "version",
		Short:             "Print the version",
		Long:              "Print the version of suokectl, of Go that it was built with, and its platform.",
		Example:           "suokectl version\nsuokectl version --jq .version",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			if runF != nil {
				return runF(opts)
			}
			return runVersion(opts)
		},
	}
	opts.Output.Bind(cmd)
	return cmd
}

func runVersion(opts *Options) error {
	info := Info{Version: opts.Version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	view := output.View[Info]{Name: func(i Info) string { return i.Version }}
	return output.One(opts.IO, opts.Output, view, info, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "suokectl %s (%s, %s/%s)\n", info.Version, info.Go, info.OS, info.Arch)
		return err
	})
}
