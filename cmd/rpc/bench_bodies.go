package rpc

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/pkg/rpc"
	"github.com/suokelife/suokectl/pkg/rpc/load"
)

// bodies returns the requests: those of --data encoded at once, those of a
// template when they are wanted.
func (o *BenchOptions) bodies(d *rpc.Descriptors, input protoreflect.MessageDescriptor) (*load.Bodies, error) {
	if o.DataTemplate != "" {
		return o.generated(d, input)
	}
	source, err := open(o.Data, o.IO)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	var list [][]byte
	decoder := json.NewDecoder(source)
	for {
		var text json.RawMessage
		if err := decoder.Decode(&text); errors.Is(err, io.EOF) {
			return load.Fixed(list...), nil
		} else if err != nil {
			return nil, failure.Usagef("read request %d: %w", len(list)+1, err)
		}
		body, err := d.Encode(input, text)
		if err != nil {
			return nil, fmt.Errorf("request %d: %w", len(list)+1, err)
		}
		list = append(list, body)
	}
}

// generated makes the first request at once, so that a template that does not
// fit is found before any load.
func (o *BenchOptions) generated(d *rpc.Descriptors, input protoreflect.MessageDescriptor) (*load.Bodies, error) {
	text := o.DataTemplate
	if name, isFile := strings.CutPrefix(text, "@"); isFile {
		read, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read the template: %w", err)
		}
		text = string(read)
	}
	table, err := o.table()
	if err != nil {
		return nil, err
	}
	template, err := load.ParseTemplate(text, table, o.Load.Seed)
	if err != nil {
		return nil, &failure.UsageError{Err: err}
	}
	generate := func(n uint64) ([]byte, error) {
		text, err := template.Render(n)
		if err != nil {
			return nil, err
		}
		return d.Encode(input, text)
	}
	if _, err := generate(0); errors.Is(err, load.ErrTemplate) {
		return nil, &failure.UsageError{Err: err}
	} else if err != nil {
		return nil, err
	}
	return load.Generated(generate), nil
}

func (o *BenchOptions) table() (*load.Table, error) {
	if o.CSV == "" {
		return nil, nil //nolint:nilnil // a template needs none
	}
	file, err := os.Open(o.CSV)
	if err != nil {
		return nil, fmt.Errorf("read the columns: %w", err)
	}
	defer file.Close()
	table, err := load.ReadTable(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.CSV, err)
	}
	return table, nil
}
