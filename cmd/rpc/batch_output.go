package rpc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/rpc/batch"
)

// bindOutput adds -o and its like, whose default is what batch.Run writes.
func (o *BatchOptions) bindOutput(cmd *cobra.Command) {
	o.Output.Bind(cmd)
	o.Output.Format, cmd.Flags().Lookup("output").DefValue = output.NDJSON, output.NDJSON
}

// validateOutput refuses another form for a file that is made again from its journal.
func (o *BatchOptions) validateOutput() error {
	if o.Out != "" && !o.asWritten() {
		return failure.Usagef("--out FILE has a line of JSON for each result: leave out -o, --jq and --template")
	}
	return o.Output.Validate()
}

// asWritten reports whether the results are wanted as batch.Run writes them.
func (o *BatchOptions) asWritten() bool {
	return o.Output.Format == output.NDJSON && o.Output.JQ == "" && o.Output.Template == ""
}

func resultView() output.View[batch.Result] {
	return output.View[batch.Result]{
		Name: func(r batch.Result) string { return strconv.Itoa(r.Line) },
		Columns: []output.Column[batch.Result]{
			{Name: "LINE", Value: func(r batch.Result) string { return strconv.Itoa(r.Line) }, Whole: true},
			{Name: "METHOD", Value: func(r batch.Result) string { return r.Method }, Wide: true},
			{Name: "OUTCOME", Value: func(r batch.Result) string { return r.Outcome }},
			{Name: "CODE", Value: func(r batch.Result) string { return r.Code }, Whole: true},
			{Name: "MS", Value: func(r batch.Result) string { return fmt.Sprintf("%.1f", r.DurationMS) }},
			{Name: "TRIES", Value: func(r batch.Result) string { return strconv.Itoa(r.Attempts) }, Wide: true},
			{Name: "INSTANCE", Value: func(r batch.Result) string { return r.Instance }, Whole: true},
			{Name: "REQUEST ID", Value: func(r batch.Result) string { return r.RequestID }, Wide: true},
			{Name: "MESSAGE", Value: func(r batch.Result) string { return r.Message }},
		},
	}
}

// run writes to stdout or --out. A pipe that is closed ends it like any error of
// writing, and not the process, so that what is in flight still comes to the journal.
func (o *BatchOptions) run(ctx context.Context, caller *batch.Caller, journal *batch.Journal, in io.Reader) (batch.Summary, error) {
	broken := make(chan os.Signal, 1)
	signal.Notify(broken, syscall.SIGPIPE)
	defer signal.Stop(broken)
	out, err := o.results()
	if err != nil {
		return batch.Summary{}, err
	}
	meter := &meter{ios: o.IO}
	defer meter.close()
	headroom := make([]byte, untouched)
	defer runtime.KeepAlive(headroom)
	config := batch.Config{
		Call: caller.Call, Bare: o.Method != "", Concurrency: o.Concurrency, Rate: o.Rate,
		StopOnError: o.StopOnError, Journal: journal, ResendUnknown: o.ResendUnknown,
	}
	if o.Out != "" || !o.IO.StdoutTTY() { // else results are seen to come
		config.OnProgress = func(s batch.Summary) { meter.show(batchProgress(s)) }
	}
	summary, err := batch.Run(ctx, config, in, out)
	if closed := out.Close(); err == nil && closed != nil {
		err = fmt.Errorf("write the results: %w", closed)
	}
	return summary, err
}

// results is where the results go: --out, or stdout in the form that is wanted.
func (o *BatchOptions) results() (io.WriteCloser, error) {
	switch {
	case o.Out != "":
		file, err := os.OpenFile(o.Out, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
		if err != nil {
			return nil, fmt.Errorf("open the results: %w", err)
		}
		return file, nil
	case !o.asWritten():
		stream, err := output.NewStream(o.IO, o.Output, resultView())
		return &lines{each: formatted(stream), flush: stream.Flush, close: stream.Close}, err
	case o.IO.StdoutTTY():
		return &lines{each: func(line []byte) error {
			_, err := io.WriteString(o.IO.Out, o.IO.Clean(string(line)))
			return err
		}}, nil
	default:
		return unclosed{o.IO.Out}, nil
	}
}

// unclosed is a writer that stays open.
type unclosed struct{ io.Writer }

func (unclosed) Close() error { return nil }

// formatted hands results on to a stream.
func formatted(stream *output.Stream[batch.Result]) func([]byte) error {
	return func(line []byte) error {
		var r batch.Result
		if err := json.Unmarshal(line, &r); err != nil {
			return err
		}
		return stream.Write(r)
	}
}

// lines hands on whole lines, with their ends.
type lines struct {
	each  func(line []byte) error
	flush func() error // after each Write; nil is nothing
	close func() error
	rest  []byte // of a line that is not whole
}

func (l *lines) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	whole := bytes.LastIndexByte(l.rest, '\n') + 1
	for line := range bytes.Lines(l.rest[:whole]) {
		if err := l.each(line); err != nil {
			return 0, err
		}
	}
	l.rest = append(l.rest[:0], l.rest[whole:]...)
	if l.flush == nil {
		return len(p), nil
	}
	return len(p), l.flush()
}

func (l *lines) Close() error {
	if l.close == nil {
		return nil
	}
	return l.close()
}

// untouched is memory that is set aside and never used, so that the garbage of many
// small calls is collected less often; the collector's pace follows the heap's size.
const untouched = 64 << 20

// batchProgress says on one line how a run goes.
func batchProgress(s batch.Summary) string {
	return fmt.Sprintf("%.1f s  %s lines  %s/s  %s", s.Elapsed.Seconds(), number(s.Lines), number(int(s.Rate())), codeCounts(s))
}

func codeCounts(s batch.Summary) string {
	counts := make([]string, 0, len(s.Codes))
	for _, name := range s.CodeNames() {
		counts = append(counts, fmt.Sprintf("%d %s", s.Codes[name], name))
	}
	return strings.Join(counts, ", ")
}

// sumUp says on stderr what came out.
func (o *BatchOptions) sumUp(s batch.Summary) {
	text := fmt.Sprintf("%d lines in %.2f s", s.Lines, s.Elapsed.Seconds())
	if s.Replayed > 0 {
		text += fmt.Sprintf(", %d of them done by an earlier run", s.Replayed)
	}
	if len(s.Codes) > 0 {
		text += ": " + codeCounts(s)
	}
	o.IO.Infof("%s", text)
	if s.Lines > s.Replayed && s.P99 > 0 {
		o.IO.Infof("%.0f lines/s, p50 %.2f ms, p99 %.2f ms", s.Rate(), s.P50.Seconds()*1000, s.P99.Seconds()*1000)
	}
	if s.InFlight > 0 {
		o.IO.Infof("%d calls were given up in flight: nobody knows what came of them", s.InFlight)
	}
}

// verdict is the command's error: why it ended early, or that lines failed.
func (o *BatchOptions) verdict(s batch.Summary, err error) error {
	resume := "--journal FILE lets the same command go on where it ended"
	if o.Journal != "" || o.Out != "" {
		resume = "the same command goes on where this one ended"
	}
	switch {
	case errors.Is(err, batch.ErrOtherInput):
		return otherInput(err)
	case err != nil:
		return failure.WithHint(err, resume)
	case s.Codes[batch.OutcomeUnknown] > 0 && !o.ResendUnknown:
		resume = "--resend-unknown sends again what is unknown"
	default:
		resume = ""
	}
	if failed := s.Failed(); failed > 0 {
		return failure.WithHint(fmt.Errorf("%d of %d lines did not end with OK", failed, s.Lines), resume)
	}
	return nil
}
