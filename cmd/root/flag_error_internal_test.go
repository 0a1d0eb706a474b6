package root

import (
	"slices"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/iostreams"
)

// TestKindsOfFlags: each flag is of a kind for which a wrong value can be told in
// words, or takes any text, or tells by itself.
func TestKindsOfFlags(t *testing.T) {
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			kind := f.Value.Type()
			if _, known := kinds()[kind]; !known && !slices.Contains([]string{"string", "stringArray", "stringSlice", "size"}, kind) {
				t.Errorf("%s --%s is a %s, which flagError cannot say in words", cmd.CommandPath(), f.Name, kind)
			}
		})
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	ios, _, _, _ := iostreams.Test()
	walk(NewCmdRoot(&app.Factory{IO: ios, Getenv: func(string) string { return "" }}))
}
