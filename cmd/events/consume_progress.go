package events

import (
	"fmt"
	"time"

	"github.com/suokelife/suokectl/internal/iostreams"
)

// The pace of the progress: what is over sooner shows none.
const (
	progressAfter = 500 * time.Millisecond
	progressEvery = 100 * time.Millisecond
)

// readProgress shows on stderr how far a bounded read has come, when that is a
// terminal and the records go elsewhere.
type readProgress struct {
	line    *iostreams.StatusLine
	began   time.Time
	shown   time.Time
	visible bool
}

func newReadProgress(io *iostreams.IOStreams) *readProgress {
	line := io.StatusLine()
	return &readProgress{line: line, began: time.Now(), visible: line.Visible() && !io.StdoutTTY()}
}

// show draws what was passed of all there is, beside a text of the caller's.
func (p *readProgress) show(what string, passed, all int64) {
	now := time.Now()
	if !p.visible || all == 0 || now.Sub(p.began) < progressAfter || now.Sub(p.shown) < progressEvery {
		return
	}
	p.shown = now
	elapsed := now.Sub(p.began)
	p.line.Set(func(columns int) string { return layOutProgress(columns, what, passed, all, elapsed) })
}

func (p *readProgress) clear() { p.line.Clear() }

// layOutProgress fills the columns: the share and, as there is room, how long
// it will take, and a bar.
func layOutProgress(columns int, what string, passed, all int64, elapsed time.Duration) string {
	share := float64(passed) / float64(all)
	text := fmt.Sprintf("%3.0f %%  %s", 100*share, what)
	if passed > 0 {
		left := time.Duration(float64(elapsed) * float64(all-passed) / float64(passed)).Round(time.Second)
		if more := fmt.Sprintf("  %s left", left); len(text)+len(more) <= columns {
			text += more
		}
	}
	if b := bar(columns-len(text)-2, share); b != "" {
		text += "  " + b
	}
	return text[:min(len(text), max(columns, 0))]
}
