package root

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/iostreams"
)

// TestOneNounIsMadeAsAllAre: what a command line is run by is what documentation and completion see.
func TestOneNounIsMadeAsAllAre(t *testing.T) {
	ios, _, _, _ := iostreams.Test()
	factory := func() *app.Factory { return &app.Factory{IO: ios, Getenv: func(string) string { return "" }} }
	whole := NewCmdRoot(factory())
	for _, noun := range whole.Commands() {
		one := newCmdRoot(factory(), noun.Name())
		found, _, err := one.Find([]string{noun.Name()})
		if err != nil || usages(found) != usages(noun) {
			t.Errorf("%s alone is\n%s%v, among all\n%s", noun.Name(), usages(found), err, usages(noun))
		}
		if noun.Name() != "completion" && len(one.Commands()) != 2 {
			t.Errorf("with %s there are %d commands: it is made under another name", noun.Name(), len(one.Commands()))
		}
	}
	if one := newCmdRoot(factory(), "--timeout"); len(one.Commands()) != len(whole.Commands()) {
		t.Errorf("where no noun comes first there are %d commands of %d", len(one.Commands()), len(whole.Commands()))
	}
}

// usages are the usages of a command and of those below it.
func usages(cmd *cobra.Command) string {
	out := strings.Builder{}
	out.WriteString(cmd.UsageString())
	for _, sub := range cmd.Commands() {
		out.WriteString(usages(sub))
	}
	return out.String()
}
