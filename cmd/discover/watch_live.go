package discover

import (
	"context"
	"slices"
	"time"

	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
)

const (
	redraw     = 250 * time.Millisecond // ages grow, and a resized terminal is noticed
	recentKept = 50                     // events of which the latest are shown below the table
)

// live shows a table until q, Ctrl-C or the end of ctx, and leaves the last one on the terminal.
func (w *watching) live(ctx context.Context) (err error) {
	screen, err := w.opts.IO.OpenScreen()
	if err != nil {
		return err
	}
	page := &page{sightings: w.seen, style: w.opts.IO.Style()}
	defer func() {
		columns, rows := w.opts.IO.Size()
		if closed := screen.Close(page.lines(time.Now(), columns, rows-1)); err == nil {
			err = closed
		}
	}()
	tick := time.NewTicker(redraw)
	defer tick.Stop()
	for {
		columns, rows := w.opts.IO.Size()
		page.key = w.opts.IO.StdinTTY()
		if err := screen.Draw(page.lines(time.Now(), columns, rows)); err != nil {
			return err
		}
		select {
		case update := <-w.updates:
			page.add(w.seen.take(update, time.Now()))
		case ran := <-w.hook.results:
			page.ran = ran.line()
		case key := <-screen.Keys():
			if key == 'q' || key == iostreams.CtrlC {
				page.key = false
				return left(key)
			}
		case <-tick.C:
		case <-ctx.Done():
			page.key = false
			return context.Cause(ctx)
		}
	}
}

// left is how the command ends that a key has ended.
func left(key byte) error {
	if key == iostreams.CtrlC {
		return failure.Silent(failure.CodeInterrupted)
	}
	return nil
}

// add remembers events for the lines below the table.
func (p *page) add(events []event) {
	p.recent = append(p.recent, events...)
	p.recent = slices.Delete(p.recent, 0, max(0, len(p.recent)-recentKept))
}
