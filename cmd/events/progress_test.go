package events_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
)

// watched is a stderr that tells when a progress line is drawn.
type watched struct {
	mu    sync.Mutex
	text  bytes.Buffer
	drawn func()
}

func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if strings.HasPrefix(string(b), "\r") && strings.Contains(string(b), "%") {
		w.drawn()
	}
	return w.text.Write(b)
}

// screen is what stays of a text on a terminal.
func screen(text string) string {
	var shown, line []byte
	column := 0
	for text = strings.ReplaceAll(text, "\x1b[K", "\x00"); text != ""; text = text[1:] {
		switch c := text[0]; c {
		case '\r':
			column = 0
		case 0:
			line = line[:column]
		case '\n':
			shown, line, column = append(append(shown, line...), c), line[:0], 0
		default:
			line = append(line[:column], append([]byte{c}, line[min(column+1, len(line)):]...)...)
			column++
		}
	}
	return string(append(shown, line...))
}

// slowAtFirst is a reader of stdout that takes its time to begin, so that the
// progress is due.
type slowAtFirst struct {
	once  sync.Once
	lines int
}

func (s *slowAtFirst) Write(b []byte) (int, error) {
	s.once.Do(func() { <-time.After(600 * time.Millisecond) })
	s.lines += bytes.Count(b, []byte("\n"))
	return len(b), nil
}

// TestProgress is drawn on a terminal only, only when the records go elsewhere,
// and nothing of it stays, also after an interrupt.
func TestProgress(t *testing.T) {
	const many = 20_000
	s := newConsole(t)
	var file bytes.Buffer
	for i := range many {
		value := event(fmt.Sprint("e-", i))
		file.WriteString(value + "\n")
		s.raw.Produce(s.ctx, &kgo.Record{Partition: int32(i % 2), Value: []byte(value)}, nil)
	}
	if err := s.raw.Flush(s.ctx); err != nil {
		t.Fatal(err)
	}
	events := filepath.Join(t.TempDir(), "events.ndjson")
	if err := os.WriteFile(events, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"produce": {"produce", registered, "-f", events, "--dry-run", "--rate", "30000"},
		"consume": {"consume", registered, "--until", "now", "-o", "ndjson"},
		"search":  {"search", "dev.*.*.v1", "--where", ".value.meta.type != null", "-o", "ndjson"},
		"export":  {"export", registered, "-f", "-"},
	} {
		for _, kind := range []string{"a terminal", "a terminal, interrupted", "a file"} {
			t.Run(name+" to "+kind, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithCancelCause(s.ctx)
				defer cancel(nil)
				drawn, out := false, &slowAtFirst{}
				errOut := &watched{drawn: func() {
					drawn = true
					if kind == "a terminal, interrupted" {
						cancel(failure.ErrInterrupted)
					}
				}}
				got := s.runWith(ctx, "", func(ios *iostreams.IOStreams) {
					ios.SetTTY(false, false, kind != "a file")
					ios.Out, ios.ErrOut = out, errOut
				}, args...)
				text := errOut.text.String()
				if drawn != (kind != "a file") {
					t.Errorf("drawn %v: %q", drawn, text)
				}
				if left := screen(text); strings.ContainsAny(left, "\x1b%") {
					t.Errorf("on the screen stays %q of %q", left, text)
				}
				if kind == "a file" && strings.ContainsAny(text, "\r\x1b") {
					t.Errorf("in the file stands %q", text)
				}
				all := got.code == 0 && out.lines == many // nothing was left to interrupt
				if kind == "a terminal, interrupted" && got.code != failure.CodeInterrupted && !all {
					t.Errorf("interrupted: exit %d, %v", got.code, got.err)
				}
			})
		}
	}
}
