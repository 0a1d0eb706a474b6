package discover

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/discover"
)

// explainText writes explanations for eyes: a line that counts, then for each instance its line, and under it a
// sentence for each cause and what to do about it. On a terminal everything is wrapped at its width; elsewhere a
// sentence is a line.
type explainText struct {
	ios    *iostreams.IOStreams
	style  iostreams.Style
	name   string
	query  discover.Query
	wide   bool // instances of other datacenters one by one
	width  int  // 0 does not wrap
	hinted map[string]bool
	out    strings.Builder
}

const (
	indent     = "     " // under the verdict
	hintMark   = "→ "
	minWrapped = 30 // what is wrapped gets at least so many columns
)

func newExplainText(o *ExplainOptions) *explainText {
	t := &explainText{
		ios: o.IO, style: o.IO.Style(), name: o.Name, query: o.Query,
		wide: o.ID != "" || o.Output.Format == output.Wide, hinted: map[string]bool{},
	}
	if o.IO.StdoutTTY() {
		t.width = o.IO.Width()
	}
	return t
}

func (t *explainText) render(all []discover.Explanation) string {
	here, elsewhere, folded := all, map[string][]discover.Explanation{}, 0
	if !t.wide {
		here = slices.DeleteFunc(slices.Clone(all), func(e discover.Explanation) bool {
			away := otherDatacenter(e)
			if away {
				elsewhere[e.Instance.Datacenter] = append(elsewhere[e.Instance.Datacenter], e)
			}
			return away
		})
		here, folded = foldPlain(here)
	}
	t.summary(all)
	columns := measure(t.ios, here)
	for _, e := range here {
		t.instance(e, columns)
	}
	if folded > 0 {
		t.out.WriteString(t.style.Good("IN ") + fmt.Sprintf("  %d more, about which there is nothing to say (-o wide lists them)\n", folded))
	}
	for _, name := range slices.Sorted(maps.Keys(elsewhere)) {
		t.datacenter(name, elsewhere[name])
	}
	return t.out.String()
}

// mostPlain is how many instances are listed that are in and about which there is nothing to say.
const mostPlain = 20

// foldPlain leaves those out that are in, when they are so many that those that are not would be lost among them.
func foldPlain(all []discover.Explanation) (rest []discover.Explanation, folded int) {
	plain := func(e discover.Explanation) bool { return e.Included() && len(e.Notes) == 0 }
	rest = slices.DeleteFunc(slices.Clone(all), plain)
	if folded = len(all) - len(rest); folded <= mostPlain {
		return all, 0
	}
	return rest, folded
}

func otherDatacenter(e discover.Explanation) bool {
	return slices.ContainsFunc(e.Causes, func(c discover.Cause) bool { return c.Kind == discover.OtherDatacenter })
}

// summary counts who is in and who is out, and says what was asked for.
func (t *explainText) summary(all []discover.Explanation) {
	in, away := len(discover.Included(all)), 0
	for _, e := range all {
		if otherDatacenter(e) {
			away++
		}
	}
	counts := fmt.Sprintf("%d in, %d out", in, len(all)-in)
	if away > 0 {
		counts += fmt.Sprintf(" (%d in other datacenters)", away)
	}
	t.paragraph("", "  ", t.style.Bold, fmt.Sprintf("%s, %s: %s", t.name, wantedText(t.query), counts))
	t.out.WriteString("\n")
}

// wantedText is what a query wants, in words.
func wantedText(q discover.Query) string {
	var parts []string
	if q.Version != "" {
		parts = append(parts, "version "+q.Version)
	}
	for _, tag := range q.Tags {
		parts = append(parts, "tag "+tag)
	}
	if len(q.Meta) > 0 {
		parts = append(parts, "meta "+metaText(q.Meta))
	}
	if q.Filter != "" {
		parts = append(parts, "filter "+q.Filter)
	}
	switch q.Health {
	case discover.Any:
		parts = append(parts, "in any health")
	case discover.Warning:
		parts = append(parts, "passing or warning")
	default:
		parts = append(parts, "passing")
	}
	return strings.Join(parts, ", ")
}

// columnWidths are those of the lines of instances.
type columnWidths struct{ address, version, health, id int }

func measure(ios *iostreams.IOStreams, all []discover.Explanation) columnWidths {
	var w columnWidths
	for _, e := range all {
		w.address = max(w.address, ansi.StringWidth(ios.Clean(reach(e.Instance))))
		w.version = max(w.version, ansi.StringWidth(ios.Clean(e.Instance.Version)))
		w.health = max(w.health, len(e.Instance.Health))
		w.id = max(w.id, ansi.StringWidth(ios.Clean(e.Instance.ID)))
	}
	return w
}

func (t *explainText) instance(e discover.Explanation, w columnWidths) {
	verdict := t.style.Good("IN ")
	if !e.Included() {
		verdict = t.style.Bad("OUT")
	}
	fields := []string{verdict, padded(t.ios.Clean(reach(e.Instance)), w.address)}
	if w.version > 0 {
		fields = append(fields, padded(t.ios.Clean(e.Instance.Version), w.version))
	}
	fields = append(fields, padded(coloured(t.style, e.Instance.Health, string(e.Instance.Health)), w.health))
	line := strings.Join(fields, "  ")
	between := "  "
	if t.width > 0 && ansi.StringWidth(line)+len(between)+w.id > t.width {
		line, between = strings.TrimRight(line, " "), "\n"+indent
	}
	t.out.WriteString(line + between + t.style.Dim(t.ios.Clean(e.Instance.ID)) + "\n")
	for _, cause := range e.Causes {
		t.paragraph(indent, "  ", nil, cause.Sentence)
		t.since(cause.Since)
		t.hint(explainHint(t.name, e.Instance, cause))
	}
	for _, note := range e.Notes {
		t.paragraph(indent, "  ", t.style.Warn, "note: "+note.Sentence)
	}
}

// since tells for how long a check was seen as it is, unless that says nothing.
func (t *explainText) since(seen *discover.Since) {
	if seen == nil || seen.After.IsZero() && time.Since(seen.Before) < time.Second {
		return
	}
	t.paragraph(indent, "  ", t.style.Dim, "seen so "+seen.String())
}

// datacenter tells of another datacenter's instances in one line.
func (t *explainText) datacenter(name string, all []discover.Explanation) {
	passing := 0
	for _, e := range all {
		if e.Instance.Health == discover.Passing {
			passing++
		}
	}
	asked := ""
	for _, cause := range all[0].Causes {
		if cause.Kind == discover.OtherDatacenter {
			asked = cause.Wanted
		}
	}
	t.out.WriteString(t.style.Bad("OUT") + "  ")
	text := fmt.Sprintf("%s in datacenter %s, not %s (%d passing)", plural(len(all), "instance"), name, asked, passing)
	t.out.WriteString(t.ios.Clean(text) + "\n")
	t.hint("`" + explainCommand(t.name, t.query) + " --datacenter " + quoted(name) + "` explains there")
}

// hint says once what to do next.
func (t *explainText) hint(text string) {
	if text == "" || t.hinted[text] {
		return
	}
	t.hinted[text] = true
	t.paragraph(indent+hintMark, strings.Repeat(" ", ansi.StringWidth(hintMark)), t.style.Dim, text)
}

// paragraph writes text after first, its further lines under it by hang more columns.
func (t *explainText) paragraph(first, hang string, style func(string) string, text string) {
	under := strings.Repeat(" ", ansi.StringWidth(first)) + hang
	if strings.HasSuffix(first, hintMark) {
		under = indent + hang
	}
	for i, line := range wrap(t.ios.Clean(text), t.width-ansi.StringWidth(first), t.width-len(under)) {
		lead := first
		if i > 0 {
			lead = under
		}
		if style == nil {
			style = func(text string) string { return text }
		}
		t.out.WriteString(indentOf(lead) + style(strings.TrimLeft(lead, " ")+line) + "\n")
	}
}

func indentOf(text string) string { return text[:len(text)-len(strings.TrimLeft(text, " "))] }

// wrap breaks text at its spaces into a first line of so many columns and further ones; a word that is longer than a
// line, such as a URL, stays whole. Too narrow a width does not break at all.
func wrap(text string, first, further int) []string {
	if first < minWrapped || further < minWrapped {
		return []string{text}
	}
	var lines []string
	line, room := "", first
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case ansi.StringWidth(line)+1+ansi.StringWidth(word) <= room:
			line += " " + word
		default:
			lines = append(lines, line)
			line, room = word, further
		}
	}
	return append(lines, line)
}

func padded(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-ansi.StringWidth(text)))
}
