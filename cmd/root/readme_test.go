package root_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// sessions are the fenced blocks of a page that show a terminal.
var sessions = regexp.MustCompile("(?ms)^```console\n(.*?)^```$")

// volatile is what differs from run to run: it is compared by kind.
var volatile = []struct {
	pattern *regexp.Regexp
	kind    string
}{
	{regexp.MustCompile(`(?m)^ *seen so for .*\n`), ""}, // said on a slow machine alone
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "<uuid>"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?`), "<time>"},
	{regexp.MustCompile(`\b\d\d:\d\d:\d\d(\.\d+)?\b`), "<time>"},
	{regexp.MustCompile(`(127\.0\.0\.1[:-])\d+`), "$1<port>"},
	{regexp.MustCompile(`-fault-[a-z0-9]{5}\b`), "-fault-<name>"}, // which may look like a span
	{regexp.MustCompile(`\b(\d+h)?(\d+m)?\d+(\.\d+)? ?(µs|ms|s)\b`), "<span>"},
	{regexp.MustCompile(`\b\d+ (lines|calls)/s`), "<rate>"},
	{regexp.MustCompile(`eyJ[\w.-]+`), "<token>"},
	{regexp.MustCompile(` +`), " "},
}

// settle makes two runs comparable. Instances are listed by their ports, and
// stdout and stderr meet by chance, so the order of lines does not count.
func settle(text string) string {
	for _, v := range volatile {
		text = v.pattern.ReplaceAllString(text, v.kind)
	}
	lines := strings.Split(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// looks are commands that only look, and may have to look again until a
// consumer or a cluster has done its part.
var looks = regexp.MustCompile(`^suokectl (events dlq (list|show)|chaos status)`)

// The sessions of the README and of the guides are runs: they are typed again, in their order, on one lab for each
// page, and must show what the page shows. -update copies them anew.
func TestSessionsAreTrue(t *testing.T) {
	guides, err := filepath.Glob("../../docs/guide/*.md")
	if err != nil || len(guides) == 0 {
		t.Fatalf("no guides: %v", err)
	}
	for _, page := range append(guides, "../../README.md") {
		t.Run(filepath.Base(page), func(t *testing.T) { checkSessions(t, page) })
	}
}

func checkSessions(t *testing.T, page string) {
	t.Helper()
	text, err := os.ReadFile(page)
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
			t.Errorf("session %d is not what runs show (-update copies it anew): -page +run\n%s", count, diff)
		}
		return "```console\n" + ran + "```"
	})
	if count < 5 {
		t.Errorf("there are %d sessions, want at least 5", count)
	}
	if *update {
		if err := os.WriteFile(page, []byte(fresh), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// replay runs the command lines of a session, those that begin with "$ ", and
// returns the session with what they print now.
func replay(t *testing.T, dir, session string) string {
	t.Helper()
	var ran strings.Builder
	blocks := strings.Split(session, "$ ")[1:]
	for _, block := range blocks {
		command, want, _ := strings.Cut(block, "\n")
		_, out := shell(t, dir, command)
		for deadline := time.Now().Add(5 * time.Second); looks.MatchString(command) && settle(out) != settle(want) && time.Now().Before(deadline); {
			_, out = shell(t, dir, command)
		}
		ran.WriteString("$ " + command + "\n" + out)
	}
	return ran.String()
}
