package batch

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var ours = Heading{Target: "users", Method: "Get"}

// A journal that is cut anywhere is one of everything up to its last whole record.
func TestACutJournal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := appendHeading(nil, ours)
		ends, states := []int{len(text)}, []history{{}}
		for range rapid.IntRange(0, 20).Draw(t, "records") {
			past := maps.Clone(states[len(states)-1])
			number := rapid.IntRange(1, 9).Draw(t, "line")
			if known, begun := past[number]; begun && rapid.Bool().Draw(t, "done") {
				result := fmt.Sprintf("{%q:%d}\n", "line", number)
				text = appendDone(text, number, []byte(result))
				past[number] = record{sum: known.sum, at: int64(len(text) - len(result)), size: len(result)}
			} else {
				past[number] = record{sum: uint64(number) << 50}
				text = appendStart(text, number, uint64(number)<<50)
			}
			ends, states = append(ends, len(text)), append(states, past)
		}
		cut := rapid.IntRange(0, len(text)).Draw(t, "cut")
		past, end, err := readHistory(bytes.NewReader(text[:cut]), ours)
		if err != nil {
			t.Fatal(err)
		}
		want, wantEnd := history{}, 0
		for i, e := range ends {
			if e <= cut {
				want, wantEnd = states[i], e
			}
		}
		if !maps.Equal(past, want) || end != int64(wantEnd) {
			t.Fatalf("cut at %d: %v up to %d, want %v up to %d", cut, past, end, want, wantEnd)
		}
	})
}

func TestWhatIsNoJournal(t *testing.T) {
	heading := string(appendHeading(nil, ours))
	for name, test := range map[string]struct {
		text string
		want error
		says string
	}{
		"results":                 {`{"line":1,"outcome":"ok"}` + "\n", ErrNoJournal, "line 1"},
		"a text without an end":   {"dear diary", ErrNoJournal, ""},
		"another program's":       {`{"journal":"x","version":1}` + "\n", ErrNoJournal, "line 1"},
		"a later version's":       {strings.Replace(heading, `"version":1`, `"version":2`, 1), ErrNoJournal, "version 2"},
		"another target's":        {strings.Replace(heading, "users", "posts", 1), ErrOtherInput, `of target "posts"`},
		"another method's":        {strings.Replace(heading, "Get", "Put", 1), ErrOtherInput, `and method "Put"`},
		"a record of no kind":     {heading + "x 1 2\n", ErrNoJournal, "line 2"},
		"a line of no number":     {heading + "s one 00\n", ErrNoJournal, "line 2"},
		"line 0":                  {heading + "s 0 00\n", ErrNoJournal, "line 2"},
		"a sum that is none":      {heading + "s 1 xyz\n", ErrNoJournal, "line 2"},
		"a result from nowhere":   {heading + "s 1 00\nd 2 {}\n", ErrNoJournal, "line 3"},
		"a result that is none":   {heading + "s 1 00\nd 1 \n", ErrNoJournal, "line 3"},
		"one line, two contents":  {heading + "s 1 00\ns 1 01\n", ErrNoJournal, "line 3"},
		"a record without a line": {heading + "s\n", ErrNoJournal, "line 2"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "journal")
			if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := OpenJournal(path, ours)
			if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), path) {
				t.Errorf("%v, want %v with %q", err, test.want, test.says)
			}
			if left, err := os.ReadFile(path); err != nil || string(left) != test.text {
				t.Errorf("it was changed to %q, %v", left, err)
			}
		})
	}
}

func TestALongRecord(t *testing.T) {
	text := appendStart(appendHeading(nil, ours), 1, 5)
	result := []byte(`{"message":"` + strings.Repeat("x", 1<<20) + "\"}\n")
	text = appendDone(text, 1, result)
	past, end, err := readHistory(bytes.NewReader(append(text, "s 2 torn"...)), ours)
	if err != nil || end != int64(len(text)) || past[1].size != len(result) || len(past) != 1 {
		t.Errorf("%v up to %d, %v", past, end, err)
	}
}

func TestAJournalIsOfOneRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	first, err := OpenJournal(path, ours)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenJournal(path, ours); !errors.Is(err, ErrJournalInUse) {
		t.Errorf("a second run: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := OpenJournal(path, ours)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

func TestJournalsThatCannotBe(t *testing.T) {
	for _, path := range []string{t.TempDir(), filepath.Join(t.TempDir(), "none", "journal"), "/dev/full"} {
		if _, err := OpenJournal(path, ours); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func FuzzHistory(f *testing.F) {
	text := appendStart(appendHeading(nil, ours), 3, 7)
	f.Add(text)
	f.Add(appendDone(text, 3, []byte("{}\n")))
	f.Add([]byte("{\"journal\":"))
	f.Add([]byte("\x00\x00\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		past, end, err := readHistory(bytes.NewReader(text), ours)
		if err != nil {
			return
		}
		if end > int64(len(text)) || end > 0 && text[end-1] != '\n' {
			t.Fatalf("its last whole record ends at %d of %d", end, len(text))
		}
		for number, r := range past {
			if number < 1 || r.size < 0 || r.at+int64(r.size) > end {
				t.Fatalf("line %d has its result at %d+%d of %d", number, r.at, r.size, end)
			}
		}
	})
}
