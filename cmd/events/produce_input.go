package events

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/itchyny/gojq"

	"github.com/suokelife/suokectl/cmd/events/intake"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/pkg/spec"
)

// produceInput is the file, or standard input, that is produced.
type produceInput struct {
	name    string
	file    *os.File // nil when it is no plain file
	in      io.Reader
	plain   bool
	options intake.Options
}

// openInput opens the file, or standard input, which stays open.
func openInput(o *ProduceOptions) (*produceInput, error) {
	i := &produceInput{name: "stdin"}
	in := o.IO.In
	if o.File != "-" {
		file, err := os.Open(o.File)
		if errors.Is(err, os.ErrNotExist) {
			return nil, failure.Usagef("there is no file %s", o.File)
		}
		if err != nil {
			return nil, err
		}
		info, err := file.Stat()
		if err == nil && info.IsDir() {
			err = failure.Usagef("%s is a folder", o.File)
		}
		if err != nil {
			return nil, firstError(err, file.Close())
		}
		if i.name, in = filepath.Base(o.File), file; info.Mode().IsRegular() {
			i.file = file
		}
	}
	var err error
	if i.in, i.plain, err = intake.Open(in); err != nil {
		return nil, fmt.Errorf("read %s: %w", i.name, err)
	}
	return i, nil
}

func (i *produceInput) close() {
	if i.file != nil {
		_ = i.file.Close() // it was only read
	}
}

// size is how much is read in all; 0 when nobody knows.
func (i *produceInput) size() int64 {
	if i.file == nil || !i.plain {
		return 0
	}
	info, err := i.file.Stat()
	if err != nil {
		return 0
	}
	return info.Size()
}

// reader begins to read, where an earlier run ended.
func (i *produceInput) reader(ctx context.Context) (*intake.Reader, error) {
	in := i.in
	if i.file != nil && i.plain && i.options.Format != intake.CSV {
		if _, err := i.file.Seek(i.options.From.Offset, io.SeekStart); err != nil {
			return nil, err
		}
		in, i.options.Sought = i.file, true
	}
	r, err := intake.NewReader(ctx, in, i.options)
	if err != nil {
		err = fmt.Errorf("read %s: %w", i.name, err)
	}
	return r, err
}

// place names a place as compilers do.
func (i *produceInput) place(line, column int) string {
	text := i.name + ":" + strconv.Itoa(line)
	if column > 0 {
		text += ":" + strconv.Itoa(column)
	}
	return text
}

// wrapper makes events of data. Those of one run have one time, that of its
// beginning, unless they come from where nothing can be read again.
func wrapper(conventions spec.Conventions, topic spec.Topic, run *resumeState) func([]byte, intake.Position) ([]byte, error) {
	var known resumeState // a copy: how far the run has come is noted down meanwhile
	if run != nil {
		known = *run
	}
	return func(data []byte, at intake.Position) ([]byte, error) {
		if !json.Valid(data) {
			return nil, errors.New("the data is not JSON")
		}
		meta := spec.Meta{Type: topic.Event, Version: topic.Version, Source: topic.Service, Time: time.Now()}
		if run != nil {
			meta.ID, meta.Time = known.eventID(at.Line), known.Began
		}
		return conventions.BuildEvent(meta, data)
	}
}

// keyOf compiles an expression that makes an event's key; nil when it is empty.
func keyOf(expression string) (func(value []byte) ([]byte, error), error) {
	if expression == "" {
		return nil, nil
	}
	query, err := gojq.Parse(expression)
	if err != nil {
		return nil, failure.Usagef("--key-jq %q: %w", expression, err)
	}
	code, err := gojq.Compile(query)
	if err != nil {
		return nil, failure.Usagef("--key-jq %q: %w", expression, err)
	}
	return func(value []byte) ([]byte, error) {
		var event any
		decoder := json.NewDecoder(bytes.NewReader(value))
		decoder.UseNumber()
		if err := decoder.Decode(&event); err != nil {
			return nil, nil // the check of the envelope says what is wrong
		}
		result, _ := code.Run(event).Next()
		switch result := result.(type) {
		case nil:
			return nil, nil
		case error:
			return nil, result
		case string:
			return []byte(result), nil
		}
		return gojq.Marshal(result)
	}, nil
}
