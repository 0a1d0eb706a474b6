package events

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/suokelife/suokectl/cmd/events/intake"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/pkg/events"
)

// produceProgress shows on stderr how far a run has come, and lets one talk at a time.
type produceProgress struct {
	io    *iostreams.IOStreams
	size  int64 // of the input; 0 when it is not known
	from  int64 // where the run began in it
	began time.Time

	mu   sync.Mutex
	line *iostreams.StatusLine
}

func newProduceProgress(io *iostreams.IOStreams, size, from int64) *produceProgress {
	return &produceProgress{io: io, size: size, from: from, began: time.Now(), line: io.StatusLine()}
}

// talk writes a line of talk where the progress stood.
func (p *produceProgress) talk(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line.Clear()
	p.io.Infof(format, args...)
}

func (p *produceProgress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line.Clear()
}

func (p *produceProgress) show(r productionReport, at intake.Position) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line.Set(func(columns int) string { return p.layout(columns, r, at.Offset, time.Since(p.began)) })
}

// around lets a validator talk.
func (p *produceProgress) around(validate events.Validator) events.Validator {
	if validate == nil {
		return nil
	}
	return func(ctx context.Context, topic string, value []byte) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		return validate(ctx, topic, value)
	}
}

// layout fills the columns: what is done, and as there is room a bar, the rate,
// and how long it will take.
func (p *produceProgress) layout(columns int, r productionReport, offset int64, elapsed time.Duration) string {
	text := fmt.Sprintf("%d acked", r.Acked)
	if r.DryRun {
		text = fmt.Sprintf("%d passed", r.Acked)
	}
	if bad := r.bad(); bad > 0 {
		text += fmt.Sprintf(", %d not", bad)
	}
	rate := float64(r.Acked+r.bad()) / max(elapsed.Seconds(), 0.001)
	parts := []string{fmt.Sprintf("%.0f/s", rate)}
	if p.size > 0 {
		share := min(float64(offset)/float64(p.size), 1)
		text = fmt.Sprintf("%3.0f %%  %s", 100*share, text)
		if speed := float64(offset-p.from) / max(elapsed.Seconds(), 0.001); speed > 0 {
			left := time.Duration(float64(p.size-offset) / speed * float64(time.Second))
			parts = append(parts, left.Round(time.Second).String()+" left")
		}
		parts = append(parts, "")
		parts[len(parts)-1] = bar(columns-len(text)-len(strings.Join(parts, "  "))-2, share)
	}
	for _, part := range parts {
		if part != "" && len([]rune(text))+2+len([]rune(part)) <= columns {
			text += "  " + part
		}
	}
	return string([]rune(text)[:min(len([]rune(text)), columns)])
}

// bar is a bar of at most 40 columns; nothing when there is no room for ten.
func bar(columns int, share float64) string {
	if columns = min(columns, 40); columns < 10 {
		return ""
	}
	full := int(share * float64(columns-2))
	return "[" + strings.Repeat("=", full) + strings.Repeat(" ", columns-2-full) + "]"
}
