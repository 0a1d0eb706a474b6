package chaos_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	cmd "github.com/suokelife/suokectl/cmd/chaos"
	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/pkg/chaos"
)

func factory(t *testing.T) *app.Factory {
	t.Helper()
	ios, _, _, _ := iostreams.Test()
	return &app.Factory{IO: ios, Version: "test", Getenv: func(string) string { return "" }, Dir: t.TempDir()}
}

func execute(c *cobra.Command, line string) error {
	c.SetArgs(strings.Fields(line))
	c.SilenceErrors, c.SilenceUsage = true, true
	return c.Execute()
}

func TestInjectFlags(t *testing.T) {
	base := chaos.Fault{Service: "auth-service", Namespace: "default", TTL: 5 * time.Minute}
	for _, c := range []struct {
		line   string
		change func(*chaos.Fault)
		dry    bool
	}{
		{"auth-service --abort 503", func(f *chaos.Fault) { f.AbortHTTP, f.AbortPercent = 503, 100 }, false},
		{"auth-service --abort unavailable --abort-percent 5", func(f *chaos.Fault) { f.AbortGRPC, f.AbortPercent = "UNAVAILABLE", 5 }, false},
		{"auth-service --delay 5s --delay-percent 10 --ttl 1m --dry-run", func(f *chaos.Fault) { f.Delay, f.DelayPercent, f.TTL = 5*time.Second, 10, time.Minute }, true},
		{"auth-service --abort 500 --namespace core --client-namespace a --client-namespace b", func(f *chaos.Fault) {
			f.AbortHTTP, f.AbortPercent, f.Namespace, f.ClientNamespaces = 500, 100, "core", []string{"a", "b"}
		}, false},
	} {
		want, ran := base, false
		c.change(&want)
		inject := cmd.NewCmdInject(factory(t), func(o *cmd.InjectOptions) error {
			ran = true
			if diff := cmp.Diff(want, o.Fault); diff != "" || o.DryRun != c.dry {
				t.Errorf("%s: dry run %v, fault -want +got\n%s", c.line, o.DryRun, diff)
			}
			return nil
		})
		if err := execute(inject, c.line); err != nil || !ran {
			t.Errorf("%s: %v, ran: %v", c.line, err, ran)
		}
	}
}

func TestClearFlags(t *testing.T) {
	for line, names := range map[string]int{"x": 1, "--all": 0} {
		clear := cmd.NewCmdClear(factory(t), func(o *cmd.ClearOptions) error {
			if len(o.Names) != names {
				t.Errorf("%s: names %v", line, o.Names)
			}
			return nil
		})
		if err := execute(clear, line); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	for _, line := range []string{"", "x --all", "x y"} {
		clear := cmd.NewCmdClear(factory(t), func(*cmd.ClearOptions) error { t.Errorf("%q ran", line); return nil })
		if execute(clear, line) == nil {
			t.Errorf("%q was taken", line)
		}
	}
}
