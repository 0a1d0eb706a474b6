package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/pkg/lint"
)

// ReportFlags say how findings are written.
type ReportFlags struct {
	// Format is text, json or sarif.
	Format string
}

func reportFormats() []string { return []string{"text", "json", "sarif"} }

func (r *ReportFlags) bind(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&r.Format, "output", "o", "text", "`format` of the findings: "+strings.Join(reportFormats(), ", "))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(reportFormats(), cobra.ShellCompDirectiveNoFileComp))
}

func (r *ReportFlags) validate() error {
	if !slices.Contains(reportFormats(), r.Format) {
		return failure.Usagef("unknown format %q: want one of %s", r.Format, strings.Join(reportFormats(), ", "))
	}
	return nil
}

// write writes the findings to stdout and a summary to stderr, and returns the
// error that makes findings the exit code 100.
func (r *ReportFlags) write(ios *iostreams.IOStreams, report *lint.Report) error {
	if err := r.writeFindings(ios, report); err != nil {
		return err
	}
	if report.Files > 0 {
		ios.Infof("%s", summary(report))
	}
	return failure.Findings(len(report.Findings))
}

func (r *ReportFlags) writeFindings(ios *iostreams.IOStreams, report *lint.Report) error {
	switch r.Format {
	case "json":
		return report.WriteJSON(ios.Out)
	case "sarif":
		return report.WriteSARIF(ios.Out)
	}
	style := ios.Style()
	return report.WriteText(ios.Out, lint.Style{Clean: ios.Clean, Bold: style.Bold, Dim: style.Dim, Bad: style.Bad, Warn: style.Warn})
}

func summary(report *lint.Report) string {
	found := "no findings"
	switch errors, warnings := report.Count(lint.Error), report.Count(lint.Warning); {
	case errors > 0 && warnings > 0:
		found = count(errors, "error") + " and " + count(warnings, "warning")
	case errors > 0:
		found = count(errors, "error")
	case warnings > 0:
		found = count(warnings, "warning")
	}
	return found + " in " + count(report.Files, "file")
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
