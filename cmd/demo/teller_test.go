package demo

import (
	"context"
	"strings"
	"testing"

	"github.com/suokelife/suokectl/internal/iostreams"
)

// A story ends at the first step that is not true. The program that the steps
// run is this test binary, which knows -test.run and exits with 2 for a flag
// that it does not know.
func TestAnUntrueStepEndsTheStory(t *testing.T) {
	for _, test := range []struct {
		name string
		step step
		want string
	}{
		{"another exit code", step{args: []string{"-test.run=^$", "-nope"}}, "it exits with 2, not 0"},
		{"another output", step{args: []string{"-test.run=^$"}, shows: []string{"no such text"}}, `does not match "no such text"`},
		{"a success where a failure was told", step{args: []string{"-test.run=^$"}, exit: 100}, "it exits with 0, not 100"},
	} {
		t.Run(test.name, func(t *testing.T) {
			ios, _, out, _ := iostreams.Test()
			never := step{args: []string{"-test.run=^$"}, says: "never told"}
			err := newTeller(ios, t.TempDir()).tell(context.Background(), chapter{title: "A story", steps: []step{test.step, never}})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			if strings.Contains(out.String(), "never told") {
				t.Error("the story went on after an untrue step")
			}
		})
	}
}

func TestCommandLinesCanBeTyped(t *testing.T) {
	got := commandLine([]string{"rpc", "call", "-d", `{"name":"it's"}`, ""})
	if want := `suokectl rpc call -d '{"name":"it'\''s"}' ''`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
