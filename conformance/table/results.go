package main

import (
	"bufio"
	"encoding/json"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
)

// event is a line of go test -json; see go doc test2json.
type event struct {
	Action, Package, Test string
}

// caseID names a case of an engine's contract on either side.
type caseID struct{ engine, name string }

// results are the last words (pass, fail, skip) about each case.
type results map[caseID]string

// outcomes are what a run of go test said.
type outcomes struct {
	cases  results
	passed []string // the tests, without those below them
}

// add takes in a later run.
func (o *outcomes) add(later outcomes) {
	maps.Copy(o.cases, later.cases)
	o.passed = append(o.passed, later.passed...)
}

// lacks returns the tests that have not passed. What a panic kept from running
// is among them.
func (o *outcomes) lacks(tests []string) []string {
	return slices.DeleteFunc(slices.Clone(tests), func(test string) bool { return slices.Contains(o.passed, test) })
}

// naming finds out which case a test is; ok is false for tests that are none.
type naming func(e event) (id caseID, ok bool)

// labCase knows TestContract/<case> of internal/lab/<engine>.
func labCase(e event) (caseID, bool) {
	top, name, _ := strings.Cut(e.Test, "/")
	return newCase(path.Base(e.Package), name), top == "TestContract"
}

// realCase knows Test<Engine>/<case> of the conformance package.
func realCase(e event) (caseID, bool) {
	top, name, _ := strings.Cut(e.Test, "/")
	return newCase(strings.ToLower(strings.TrimPrefix(top, "Test")), name), true
}

// newCase leaves out the group under which cases run side by side.
func newCase(engine, name string) caseID {
	if name == "parallel" {
		name = ""
	}
	return caseID{engine, strings.TrimPrefix(name, "parallel/")}
}

// read takes the outcome of every case that has no cases below it.
func read(r io.Reader, naming naming) (outcomes, error) {
	found := outcomes{cases: results{}}
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 && line[0] == '{' { // the compiler's words are not JSON
			var e event
			if err := json.Unmarshal(line, &e); err != nil {
				return outcomes{}, err
			}
			found.note(e, naming)
		}
		if err == io.EOF {
			found.cases = found.cases.leaves()
			return found, nil
		}
		if err != nil {
			return outcomes{}, err
		}
	}
}

func (o *outcomes) note(e event, naming naming) {
	if e.Action == "pass" && e.Test != "" && !strings.Contains(e.Test, "/") {
		o.passed = append(o.passed, e.Test)
	}
	o.cases.note(e, naming)
}

func (r results) note(e event, naming naming) {
	if e.Action != "pass" && e.Action != "fail" && e.Action != "skip" {
		return
	}
	if id, ok := naming(e); ok && id.name != "" {
		r[id] = e.Action
	}
}

func (r results) leaves() results {
	parents := map[caseID]bool{}
	for id := range r {
		for at := strings.LastIndexByte(id.name, '/'); at > 0; at = strings.LastIndexByte(id.name[:at], '/') {
			parents[caseID{id.engine, id.name[:at]}] = true
		}
	}
	for id := range parents {
		delete(r, id)
	}
	return r
}
