package events

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/suokelife/suokectl/pkg/events"
)

const (
	// bulkLinger is how long lines wait for others to share their request.
	bulkLinger = 5 * time.Millisecond
	// lastAcks is how long acknowledgements are awaited after an interrupt.
	lastAcks = 5 * time.Second
	// maxProblems is how many lines that were not acknowledged are told of
	// one by one; the others are counted.
	maxProblems = 1000
)

// The outcomes of a line that was not acknowledged.
const (
	outcomeRejected = "rejected"
	outcomeUnknown  = "unknown"
	outcomeNotSent  = "not_sent"
)

// productionReport says what became of every line.
type productionReport struct {
	Topic  string `json:"topic"`
	DryRun bool   `json:"dry_run"`
	// Acked counts the lines that are stored, or would pass in a dry run.
	Acked int `json:"acked"`
	// AckedLines names them, as in 1-3,5.
	AckedLines string         `json:"acked_lines"`
	Counts     map[string]int `json:"counts"`
	// Problems are the others, at most a thousand of them.
	Problems []lineProblem `json:"problems"`
}

type lineProblem struct {
	Line    int    `json:"line"`
	Outcome string `json:"outcome"`
	Error   string `json:"error"`
}

// isKept reports that an event was not acknowledged and is in the spool, and
// so is no reason to end the run.
func isKept(err error) bool {
	var notSent *events.NotSentError
	return errors.As(err, &notSent) && notSent.Spool != ""
}

func (r productionReport) count(outcome string) int { return r.Counts[outcome] }

// err is the error of a production in which some line was not acknowledged.
func (r productionReport) err() error {
	bad := 0
	for _, n := range r.Counts {
		bad += n
	}
	if bad == 0 {
		return nil
	}
	verb := "were not"
	if r.DryRun {
		verb = "would not be"
	}
	return fmt.Errorf("%d of %d events %s produced to %s", bad, bad+r.Acked, verb, r.Topic)
}

// production is one run of produce.
type production struct {
	topic    string
	dryRun   bool
	producer *producer

	mu       sync.Mutex
	acked    lineSet
	counts   map[string]int
	problems []lineProblem
	notSent  error
}

// produce sends line after line until the input or ctx ends. What is on its
// way then is left to finish.
func (p *production) produce(ctx context.Context, in io.Reader) error {
	p.counts = make(map[string]int)
	lines := readLines(ctx, in)
	sending := context.WithoutCancel(ctx) // an interrupt ends the reading, not what is on its way
	for number := 1; ; number++ {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case line, more := <-lines:
			if !more {
				return nil
			}
			if line.err != nil {
				return fmt.Errorf("read line %d: %w", number, line.err)
			}
			if len(bytes.TrimSpace(line.text)) > 0 {
				if err := p.line(sending, number, line.text); err != nil {
					return err
				}
			}
		}
	}
}

// line produces one line. The error is one that the next line would meet too.
func (p *production) line(ctx context.Context, number int, text []byte) error {
	record, err := parseLine(text)
	if err != nil {
		p.settle(number, &events.RejectedError{Topic: p.topic, Err: err})
		return nil
	}
	record.Topic = p.topic
	if p.dryRun {
		p.settle(number, p.producer.Check(ctx, record))
	} else {
		p.producer.Send(ctx, record, func(_ events.Ack, outcome error) { p.settle(number, outcome) })
	}
	return p.hopeless()
}

// hopeless returns the first error that was no verdict on an event.
func (p *production) hopeless() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.notSent
}

func outcomeOf(err error) string {
	var rejected *events.RejectedError
	var unknown *events.UnknownOutcomeError
	switch {
	case errors.As(err, &rejected):
		return outcomeRejected
	case errors.As(err, &unknown):
		return outcomeUnknown
	}
	return outcomeNotSent
}

func (p *production) settle(number int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		p.acked.add(number)
		return
	}
	err = p.producer.explain(err)
	outcome := outcomeOf(err)
	if outcome == outcomeNotSent && p.notSent == nil && !isKept(err) {
		p.notSent = err
	}
	p.counts[outcome]++
	if len(p.problems) < maxProblems {
		p.problems = append(p.problems, lineProblem{Line: number, Outcome: outcome, Error: err.Error()})
	}
}

// finish waits for the outcomes that are still open. After an interrupt it
// waits a few seconds more; what is open then is unknown.
func (p *production) finish(ctx context.Context) productionReport {
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), lastAcks)
		defer cancel()
	}
	_ = p.producer.Close(ctx) // each line that is left behind was settled as unknown
	p.mu.Lock()
	defer p.mu.Unlock()
	slices.SortFunc(p.problems, func(a, b lineProblem) int { return a.Line - b.Line })
	return productionReport{Topic: p.topic, DryRun: p.dryRun, Acked: p.acked.len(), AckedLines: p.acked.String(),
		Counts: p.counts, Problems: append([]lineProblem{}, p.problems...)}
}

// inputLine is a line without its end, or the error that ended the input.
type inputLine struct {
	text []byte
	err  error
}

// readLines reads ahead of the producer, so that an interrupt is not kept
// waiting by a terminal or pipe from which nothing comes; such a read ends
// with the process only.
func readLines(ctx context.Context, in io.Reader) <-chan inputLine {
	lines := make(chan inputLine, 64)
	go func() {
		defer close(lines)
		reader := bufio.NewReaderSize(in, 256<<10)
		for {
			text, err := reader.ReadBytes('\n')
			if len(text) > 0 {
				select {
				case lines <- inputLine{text: bytes.TrimRight(text, "\r\n")}:
				case <-ctx.Done():
					return
				}
			}
			if err == nil {
				continue
			}
			if !errors.Is(err, io.EOF) {
				select {
				case lines <- inputLine{err: err}:
				case <-ctx.Done():
				}
			}
			return
		}
	}()
	return lines
}

// lineSet is a set of line numbers, kept as a bitmap.
type lineSet struct{ words []uint64 }

func (s *lineSet) add(line int) {
	for len(s.words) <= line/64 {
		s.words = append(s.words, 0)
	}
	s.words[line/64] |= 1 << (line % 64)
}

func (s *lineSet) has(line int) bool {
	return line/64 < len(s.words) && s.words[line/64]&(1<<(line%64)) != 0
}

func (s *lineSet) len() int {
	n := 0
	for line := range len(s.words) * 64 {
		if s.has(line) {
			n++
		}
	}
	return n
}

// String names the lines as ranges: 1-3,5.
func (s *lineSet) String() string {
	var ranges []string
	for line := 0; line < len(s.words)*64; line++ {
		if !s.has(line) {
			continue
		}
		first := line
		for s.has(line + 1) {
			line++
		}
		text := strconv.Itoa(first)
		if line > first {
			text += "-" + strconv.Itoa(line)
		}
		ranges = append(ranges, text)
	}
	return strings.Join(ranges, ",")
}
