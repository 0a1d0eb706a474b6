package root

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/iostreams"
)

// TestKindsOfFlags: each flag is of a kind for which a wrong value can be told in
// words, or takes any text, or tells by itself.
func TestKindsOfFlags(t *testing.T) {
	eachFlag(func(cmd *cobra.Command, f *pflag.Flag) {
		kind := f.Value.Type()
		if _, known := kinds()[kind]; !known && !slices.Contains([]string{"string", "stringArray", "stringSlice", "size"}, kind) {
			t.Errorf("%s --%s is a %s, which flagError cannot say in words", cmd.CommandPath(), f.Name, kind)
		}
	})
}

// TestFlagsThatMayBeRepeated say so, all in the same words, and have no empty list
// for a default.
func TestFlagsThatMayBeRepeated(t *testing.T) {
	eachFlag(func(cmd *cobra.Command, f *pflag.Flag) {
		_, list := f.Value.(pflag.SliceValue)
		list = list || f.Value.Type() == "stringToString"
		if help := cmd.Flags().FlagUsages(); strings.Contains(help, "(default [])") || strings.Contains(help, "(default )") {
			t.Errorf("%s has an empty default:\n%s", cmd.CommandPath(), help)
		}
		if says := strings.Contains(f.Usage, "; may be repeated"); list != says && f.Name != "compare" { // which is given twice at most
			t.Errorf("%s --%s: %q", cmd.CommandPath(), f.Name, f.Usage)
		}
	})
}

func eachFlag(visit func(*cobra.Command, *pflag.Flag)) {
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		cmd.Flags().VisitAll(func(f *pflag.Flag) { visit(cmd, f) })
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	ios, _, _, _ := iostreams.Test()
	walk(NewCmdRoot(&app.Factory{IO: ios, Getenv: func(string) string { return "" }}))
}
