package discover

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/pkg/discover"
)

const (
	stripCells   = 20
	stripCell    = flapWindow / stripCells
	leastStrip   = 5  // cells; a narrower strip is left out
	leastName    = 8  // columns of a service's name beside the counts
	leastReason  = 20 // columns of the last column
	mostAddress  = 45 // columns: the longest IPv6 address with its port
	fairAddress  = 21 // an IPv4 address with its port: a longer one leaves room for other columns
	leastAddress = 12
	mostVersion  = 12
	columnGap    = 2
	recentLeast  = 3 // lines for recent events that the table leaves when it is cut
)

// page lays out what a watch has seen as the lines of a terminal.
type page struct {
	*sightings
	style  iostreams.Style
	recent []event
	ran    string // how the last run of --exec went
	key    bool   // a key can be pressed
}

// lines returns at most that many rows, none wider than the columns and all on one line each.
func (p *page) lines(now time.Time, columns, rows int) []string {
	head := []string{p.title(now, columns)}
	if banner := p.banner(columns); banner != "" {
		head = append(head, banner)
	}
	foot := p.foot(columns)
	room := rows - len(head) - len(foot) - 1 // the table's heading
	table, hidden := p.choose(now, max(1, room-p.below()))
	lines := append(head, p.table(now, table, columns)...)
	if hidden != "" {
		lines = append(lines, p.style.Dim(cut(hidden, columns)))
	}
	lines = append(lines, p.events(columns, rows-len(lines)-len(foot))...)
	lines = append(lines, foot...)
	return lines[:min(len(lines), max(rows, 1))]
}

func (p *page) title(now time.Time, columns int) string {
	name, counts := cut(clean(p.service), columns), p.summary()
	right := "watching for " + span(now.Sub(p.since))
	if room := columns - columnGap - ansi.StringWidth(counts); room >= leastName {
		name = cut(name, room)
	}
	left := ansi.StringWidth(name) + columnGap + ansi.StringWidth(counts)
	if left > columns {
		return p.style.Bold(name)
	}
	line := p.style.Bold(name) + "  " + p.colouredCounts(counts)
	if gap := columns - left - len(right); gap >= columnGap {
		line += strings.Repeat(" ", gap) + p.style.Dim(right)
	}
	return line
}

// colouredCounts colours those counts that are of something bad.
func (p *page) colouredCounts(counts string) string {
	parts := strings.Split(counts, ", ")
	for i, part := range parts {
		if _, health, counted := strings.Cut(part, " "); counted && health != string(discover.Passing) {
			parts[i] = coloured(p.style, discover.Health(health), part)
		}
	}
	return strings.Join(parts, ", ")
}

// banner says that what is shown is old.
func (p *page) banner(columns int) string {
	if p.update.Err == nil {
		return ""
	}
	text := fmt.Sprintf("STALE, %s old: %s", span(p.update.Age()), iostreams.Strip(outageReason(p.update.Err)))
	return p.style.Bad(cut(text, columns))
}

// below is how many rows are wanted below the table: a blank one and the recent events.
func (p *page) below() int { return min(len(p.recent), recentLeast) + 1 }

// choose returns the instances to show in that many rows; when they are too many, those in trouble come first, and a
// line says what is not shown.
func (p *page) choose(now time.Time, rows int) ([]*sighting, string) {
	all := p.all()
	if len(all) <= rows {
		return all, ""
	}
	calm := func(s *sighting) bool {
		return s.Health == discover.Passing && s.now().Health != gone && !s.flapping(now)
	}
	slices.SortStableFunc(all, func(a, b *sighting) int {
		switch {
		case calm(a) == calm(b):
			return 0
		case calm(a):
			return 1
		}
		return -1
	})
	shown, hidden := all[:max(rows-1, 0)], all[max(rows-1, 0):]
	text := fmt.Sprintf("… and %d more", len(hidden))
	if !slices.ContainsFunc(hidden, func(s *sighting) bool { return !calm(s) }) {
		text += ", passing"
	}
	return shown, text
}

// column is a column of the live table; its cells are plain text until they are styled.
type column struct {
	name  string
	right bool // numbers
	cell  func(*sighting) string
	style func(s *sighting, cell string) string
	width int
}

func (p *page) table(now time.Time, rows []*sighting, columns int) []string {
	if len(rows) == 0 {
		return []string{p.style.Dim(cut("no instance is let in", columns))}
	}
	layout := p.layout(now, rows, columns)
	lines := make([]string, 0, len(rows)+1)
	var heading []string
	for _, c := range layout {
		heading = append(heading, p.style.Bold(c.fit(c.name)))
	}
	lines = append(lines, strings.TrimRight(strings.Join(heading, "  "), " "))
	for _, row := range rows {
		var cells []string
		for _, c := range layout {
			cells = append(cells, c.style(row, c.fit(c.cell(row))))
		}
		lines = append(lines, strings.Join(cells, "  "))
	}
	return lines
}

// layout chooses the columns that have room, and their widths. The version goes first when it is narrow, then the
// strip; a long address is cut before that.
func (p *page) layout(now time.Time, rows []*sighting, columns int) []column {
	plain := func(_ *sighting, cell string) string { return cell }
	layout := []column{
		{name: "ADDRESS", cell: func(s *sighting) string { return reach(s.Instance) }, style: plain},
		{name: "HEALTH", cell: func(s *sighting) string { return string(s.now().Health) }, style: p.healthy},
		{name: "SINCE", right: true, cell: func(s *sighting) string { return since(s.now(), now) }, style: plain},
		{name: "FLAPS", cell: func(s *sighting) string { return flaps(s, now) }, style: func(s *sighting, cell string) string { return p.flapped(s, now, cell) }},
	}
	version := column{name: "VERSION", cell: func(s *sighting) string { return s.Version }, style: plain}
	for i := range layout {
		layout[i].measure(rows)
	}
	version.measure(rows)
	version.width = min(version.width, mostVersion)
	layout[0].narrow(width(append(layout, version))+columnGap+stripCells-columns, fairAddress)
	layout[0].narrow(width(layout)-columns, leastAddress)
	for width(layout) > columns && len(layout) > 1 {
		layout = layout[:len(layout)-1]
	}
	layout[0].width = min(layout[0].width, columns)
	if width(append(layout, version))+columnGap+leastStrip <= columns {
		layout = slices.Insert(layout, 1, version)
	}
	if cells := min(stripCells, columns-width(layout)-columnGap); cells >= leastStrip {
		name := "LAST " + strings.TrimSuffix(span(stripCell*time.Duration(cells)), "00s")
		strip := func(s *sighting) string { return p.strip(s, now, cells) }
		layout = append(layout, column{name: name, cell: strip, style: p.colouredStrip, width: cells})
	}
	if room := columns - width(layout) - columnGap; room >= leastReason && slices.ContainsFunc(rows, func(s *sighting) bool { return s.reason() != "" }) {
		layout = append(layout, column{name: "WHY", cell: (*sighting).reason, style: plain, width: room})
	}
	return layout
}

// narrow makes a column narrower by that much, and not below the least.
func (c *column) narrow(by, least int) { c.width = min(c.width, max(c.width-max(by, 0), least)) }

// width is how wide columns are with the gaps between them.
func width(layout []column) int {
	sum := -columnGap
	for _, c := range layout {
		sum += c.width + columnGap
	}
	return sum
}

func (c *column) measure(rows []*sighting) {
	c.width = len(c.name)
	for _, row := range rows {
		c.width = max(c.width, ansi.StringWidth(clean(c.cell(row))))
	}
	c.width = min(c.width, mostAddress)
}

// fit makes a cell as wide as its column.
func (c *column) fit(text string) string {
	text = cut(clean(text), c.width)
	pad := strings.Repeat(" ", c.width-ansi.StringWidth(text))
	if c.right {
		return pad + text
	}
	return text + pad
}

// clean is text from the network, made fit for one line of a terminal.
func clean(text string) string { return oneLine(iostreams.Strip(text)) }

func cut(text string, columns int) string { return ansi.Truncate(text, max(columns, 0), "…") }

func since(now state, at time.Time) string {
	text := span(at.Sub(now.at))
	if now.first {
		return ">" + text
	}
	return text
}

func flaps(s *sighting, now time.Time) string {
	n := s.changes(now)
	if s.flapping(now) {
		return fmt.Sprintf("%d flapping", n)
	}
	return fmt.Sprint(n)
}

func (s *sighting) reason() string {
	if s.now().Health == gone {
		return ""
	}
	return reason(s.Instance)
}

func (p *page) healthy(s *sighting, cell string) string {
	if s.now().Health == gone {
		return p.style.Dim(cell)
	}
	return coloured(p.style, s.now().Health, cell)
}

func (p *page) flapped(s *sighting, now time.Time, cell string) string {
	if s.flapping(now) {
		return p.style.Warn(cell)
	}
	return cell
}

// unknownMark is for a time of which nothing is known.
const unknownMark = '·'

// mark stands for a health in a strip. Marks are told apart by their height, so that they need no colour.
func mark(health discover.Health) rune {
	switch health {
	case discover.Passing:
		return '▇'
	case discover.Warning:
		return '▅'
	case discover.Maintenance:
		return '▃'
	case gone:
		return '_'
	case "":
		return unknownMark
	default:
		return '▁'
	}
}

// strip is the worst health of each of the last spans of time, the newest at the right.
func (p *page) strip(s *sighting, now time.Time, cells int) string {
	// The borders of the cells stand still, so that a mark once made does not change.
	end := now.Truncate(stripCell).Add(stripCell)
	out := make([]rune, cells)
	for i := range out {
		from := end.Add(-stripCell * time.Duration(cells-i))
		out[i] = mark(s.worst(from, from.Add(stripCell)))
		if p.missing(from, from.Add(stripCell)) {
			out[i] = unknownMark
		}
	}
	return string(out)
}

// colouredStrip colours each mark of a strip by what it stands for.
func (p *page) colouredStrip(_ *sighting, cell string) string {
	var out strings.Builder
	for _, r := range cell {
		switch r {
		case mark(gone), unknownMark, ' ':
			out.WriteString(p.style.Dim(string(r)))
		case mark(discover.Passing):
			out.WriteString(p.style.Good(string(r)))
		case mark(discover.Critical):
			out.WriteString(p.style.Bad(string(r)))
		default:
			out.WriteString(p.style.Warn(string(r)))
		}
	}
	return out.String()
}

// events are the latest events that have room, with a blank line before them.
func (p *page) events(columns, rows int) []string {
	n := min(len(p.recent), rows-1)
	if n <= 0 {
		return nil
	}
	lines := []string{""}
	for _, e := range p.recent[len(p.recent)-n:] {
		lines = append(lines, p.style.Dim(e.Time.Local().Format(time.TimeOnly))+" "+cut(clean(e.line()), max(columns-len(time.TimeOnly)-1, 0)))
	}
	return lines
}

func (p *page) foot(columns int) []string {
	var lines []string
	if p.ran != "" {
		lines = append(lines, p.style.Dim(cut(clean(p.ran), columns)))
	}
	if p.key {
		lines = append(lines, p.style.Dim(cut("q leaves", columns)))
	}
	return lines
}
