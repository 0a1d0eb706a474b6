package iostreams

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/term"
)

// CtrlC is the key that interrupts: a Screen hands it out, no signal comes.
const CtrlC = '\x03'

// The sequences of a VT100 and its heirs that a Screen needs.
const (
	enter     = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J" // the other buffer, no cursor, no wrapping, cleared
	leave     = "\x1b[?7h\x1b[?25h\x1b[?1049l"
	toLine    = "\x1b[%d;1H"
	clearLine = "\x1b[K"
	clearRest = "\x1b[J"
	clearAll  = "\x1b[2J"
)

// Screen is stdout's terminal as a page that is redrawn in place, on the
// terminal's alternate buffer: what was there before comes back when it is
// closed. It writes only the lines that differ from what is shown. A terminal
// slower than its frames skips frames and delays nobody.
//
// A full-screen library would do more; the one of this module's family asks
// the terminal for its colours when any command starts, whether it draws or not.
type Screen struct {
	ios     *IOStreams
	frames  chan frame // the latest that is not drawn yet
	keys    chan byte
	end     context.CancelFunc
	running sync.WaitGroup // painter and reader
	failed  atomic.Pointer[error]
	raw     *term.State
}

type frame struct {
	lines         []string
	columns, rows int
}

// OpenScreen takes over the terminal until Close. It is for a terminal that is
// Redrawable; stdin is read for keys when it is a terminal too (not on Windows,
// where such a read cannot be given up).
func (s *IOStreams) OpenScreen() (*Screen, error) {
	ctx, end := context.WithCancel(context.Background())
	screen := &Screen{ios: s, frames: make(chan frame, 1), keys: make(chan byte), end: end}
	if file, ok := s.In.(*os.File); ok && s.stdinTTY && canAwait {
		raw, err := term.MakeRaw(int(file.Fd()))
		if err != nil {
			end()
			return nil, fmt.Errorf("read keys from the terminal: %w", err)
		}
		screen.raw = raw
	}
	screen.running.Go(func() { screen.paint(ctx) })
	if s.stdinTTY && canAwait {
		screen.running.Go(func() { screen.read(ctx) })
	}
	return screen, nil
}

// Keys hands out what is typed, byte by byte.
func (s *Screen) Keys() <-chan byte { return s.keys }

// Draw shows the lines, which are no wider than the terminal and hold no
// control characters but colours; those beyond its height are left out. It does
// not wait for the terminal. The error is that of an earlier write. It is not
// safe for concurrent use.
func (s *Screen) Draw(lines []string) error {
	if err := s.failed.Load(); err != nil {
		return *err
	}
	columns, rows := s.ios.Size()
	select {
	case <-s.frames: // it was not drawn in time
	default:
	}
	s.frames <- frame{lines[:min(len(lines), rows)], columns, rows}
	return nil
}

// Close gives the terminal back as it was and leaves the lines on it. It waits
// for what is being written.
func (s *Screen) Close(lines []string) error {
	s.end()
	s.running.Wait()
	if s.raw != nil {
		if err := term.Restore(int(s.ios.stdin().(*os.File).Fd()), s.raw); err != nil {
			return fmt.Errorf("restore the terminal: %w", err)
		}
	}
	if err := s.failed.Load(); err != nil {
		return *err
	}
	_, err := io.WriteString(s.ios.Out, leave+strings.Join(append(slices.Clone(lines), ""), "\n"))
	return err
}

func (s *Screen) paint(ctx context.Context) {
	_, err := io.WriteString(s.ios.Out, enter)
	for shown := (frame{}); err == nil; {
		select {
		case next := <-s.frames:
			if text := difference(shown, next); text != "" {
				_, err = io.WriteString(s.ios.Out, text)
			}
			shown = next
		case <-ctx.Done():
			return
		}
	}
	s.failed.Store(&err)
}

// difference is what turns one frame into the next.
func difference(shown, next frame) string {
	var out strings.Builder
	if shown.columns != next.columns || shown.rows != next.rows { // the terminal may have moved its lines
		out.WriteString(clearAll)
		shown.lines = nil
	}
	for i, line := range next.lines {
		if i >= len(shown.lines) || shown.lines[i] != line {
			fmt.Fprintf(&out, toLine+clearLine+"%s", i+1, line) // cleared first: afterwards the last column would be lost
		}
	}
	if len(next.lines) < len(shown.lines) {
		fmt.Fprintf(&out, toLine+clearRest, len(next.lines)+1)
	}
	return out.String()
}

func (s *Screen) read(ctx context.Context) {
	key := make([]byte, 1)
	for awaitInput(ctx, s.ios.stdin()) {
		if n, err := s.ios.stdin().Read(key); err != nil || n == 0 {
			return
		}
		select {
		case s.keys <- key[0]:
		case <-ctx.Done():
			return
		}
	}
}
