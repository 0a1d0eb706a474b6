package root_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sessions are the fenced blocks of the README that show a terminal.
var sessions = regexp.MustCompile("(?ms)^```console\n(.*?)^```$")

// volatile is what differs from run to run: it is compared by kind.
var volatile = []struct {
	pattern *regexp.Regexp
	kind    string
}{
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "<uuid>"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?`), "<time>"},
	{regexp.MustCompile(`\b\d\d:\d\d:\d\d(\.\d+)?\b`), "<time>"},
	{regexp.MustCompile(`(127\.0\.0\.1[:-])\d+`), "$1<port>"},
	{regexp.MustCompile(`\b\d+(\.\d+)?(µs|ms|s)\b`), "<span>"},
	{regexp.MustCompile(`\b\d+m\d+s\b`), "<span>"},
	{regexp.MustCompile(`eyJ[\w.-]+`), "<token>"},
	{regexp.MustCompile(` +`), " "},
}

func settle(text string) string {
	for _, v := range volatile {
		text = v.pattern.ReplaceAllString(text, v.kind)
	}
	return text
}

// The sessions of the README are runs: they are typed again, in their order,
// on one lab, and must show what the README shows. -update copies them anew.
func TestReadmeSessionsAreTrue(t *testing.T) {
	const readme = "../../README.md"
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	dir := scratch(t, true)
	count := 0
	fresh := sessions.ReplaceAllStringFunc(string(text), func(block string) string {
		count++
		shown := sessions.FindStringSubmatch(block)[1]
		ran := replay(t, dir, shown)
		if diff := cmp.Diff(settle(shown), settle(ran)); diff != "" && !*update {
			t.Errorf("session %d of the README is not what runs show (-update copies it anew): -README +run\n%s", count, diff)
		}
		return "```console\n" + ran + "```"
	})
	if count < 5 {
		t.Errorf("the README has %d sessions, want at least 5", count)
	}
	if *update {
		if err := os.WriteFile(readme, []byte(fresh), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// replay runs the command lines of a session, those that begin with "$ ", and
// returns the session with what they print now.
func replay(t *testing.T, dir, session string) string {
	t.Helper()
	var ran strings.Builder
	for line := range strings.Lines(session) {
		command, ok := strings.CutPrefix(line, "$ ")
		if !ok {
			continue
		}
		_, out := shell(t, dir, command)
		ran.WriteString(line)
		ran.WriteString(out)
	}
	return ran.String()
}
