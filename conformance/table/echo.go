package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// echo reads what go test -json prints and shows a line for each test that
// passed, all that a failed one said, and what belongs to no test.
type echo struct {
	out     io.Writer
	partial []byte
	said    map[string]*strings.Builder // by test
}

// Write takes any cut of the stream and always takes it whole.
func (e *echo) Write(p []byte) (int, error) {
	e.partial = append(e.partial, p...)
	for {
		line, rest, ok := bytes.Cut(e.partial, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		e.line(line)
		e.partial = rest
	}
}

func (e *echo) line(line []byte) {
	var event struct {
		Action, Test, Output string
		Elapsed              float64
	}
	if json.Unmarshal(line, &event) != nil {
		fmt.Fprintf(e.out, "%s\n", line)
		return
	}
	if event.Test == "" {
		fmt.Fprint(e.out, event.Output)
		return
	}
	switch event.Action {
	case "output":
		fmt.Fprint(e.builder(event.Test), event.Output)
	case "pass":
		fmt.Fprintf(e.out, "ok    %6.1fs  %s\n", event.Elapsed, event.Test)
	case "fail", "skip":
		fmt.Fprintf(e.out, "%s  %6.1fs  %s\n%s", event.Action, event.Elapsed, event.Test, e.builder(event.Test))
	}
}

func (e *echo) builder(test string) *strings.Builder {
	if e.said == nil {
		e.said = map[string]*strings.Builder{}
	}
	if e.said[test] == nil {
		e.said[test] = &strings.Builder{}
	}
	return e.said[test]
}
