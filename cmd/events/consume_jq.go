package events

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/internal/output"
	"github.com/suokelife/suokectl/pkg/events"
)

// recordJQ prints what a jq expression makes of records. Several goroutines may
// use it at the same time.
type recordJQ struct {
	write func(w io.Writer, v any) error

	mu           sync.Mutex
	failed       int64 // records on which the expression failed
	firstFailure error
}

func newRecordJQ(expr string) (*recordJQ, error) {
	write, err := output.CompileJQ(expr)
	return &recordJQ{write: write}, err
}

// append is an appendFunc. Of a record on which the expression fails, it keeps
// the results before.
func (q *recordJQ) append(b []byte, r *kgo.Record) []byte {
	buffer := bytes.NewBuffer(b)
	if err := q.write(buffer, json.RawMessage(events.AppendRecord(nil, r))); err != nil {
		q.mu.Lock()
		defer q.mu.Unlock()
		if q.failed++; q.failed == 1 {
			q.firstFailure = err
		}
	}
	return buffer.Bytes()
}

// err says on how many records the expression failed.
func (q *recordJQ) err() error {
	if q == nil || q.failed == 0 {
		return nil
	}
	return fmt.Errorf("failed on %s, the first: %w", plural(int(q.failed), "record"), q.firstFailure)
}
