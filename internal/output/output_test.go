package output_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/output"
)

type item struct {
	Name  string   `json:"name"`
	Count int64    `json:"count"`
	Tags  []string `json:"tags"`
}

func view() output.View[item] {
	return output.View[item]{
		Name:  func(i item) string { return i.Name },
		Empty: "nothing here",
		Columns: []output.Column[item]{
			{Name: "NAME", Value: func(i item) string { return i.Name }},
			{Name: "COUNT", Value: func(i item) string { return fmt.Sprint(i.Count) }},
			{Name: "TAGS", Wide: true, Value: func(i item) string { return strings.Join(i.Tags, ",") }},
		},
	}
}

func items() []item {
	return []item{{"auth", 9007199254740993, []string{"prod"}}, {"user <&>", 2, nil}}
}

func TestList(t *testing.T) {
	for _, test := range []struct {
		name  string
		flags output.Flags
		want  string
	}{
		{"table", output.Flags{}, "NAME      COUNT\nauth      9007199254740993\nuser <&>  2\n"},
		{"wide", output.Flags{Format: "wide"}, "NAME      COUNT             TAGS\nauth      9007199254740993  prod\nuser <&>  2                 \n"},
		{"ndjson", output.Flags{Format: "ndjson"}, `{"name":"auth","count":9007199254740993,"tags":["prod"]}` + "\n" + `{"name":"user <&>","count":2,"tags":null}` + "\n"},
		{"name", output.Flags{Format: "name"}, "auth\nuser <&>\n"},
		{"yaml", output.Flags{Format: "yaml"}, "- name: auth\n  count: 9007199254740993\n  tags:\n  - prod\n- name: user <&>\n  count: 2\n  tags: null\n"},
		{"jq sees the array", output.Flags{JQ: ".[0].count, .[1].name"}, "9007199254740993\nuser <&>\n"},
		{"template", output.Flags{Template: "{{range .}}{{.name}};{{end}}"}, "auth;user <&>;\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			ios, _, out, _ := iostreams.Test()
			if err := output.List(ios, test.flags, view(), items()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, out.String()); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestMisuse(t *testing.T) {
	for name, flags := range map[string]output.Flags{
		"format":         {Format: "JSON"},
		"jq syntax":      {JQ: ".["},
		"jq function":    {JQ: "nosuch(1)"},
		"template":       {Template: "{{"},
		"both":           {JQ: ".", Template: "x"},
		"jq with format": {JQ: ".[", Format: "json"},
	} {
		t.Run(name, func(t *testing.T) {
			ios, _, out, _ := iostreams.Test()
			var usage *failure.UsageError
			if err := output.List(ios, flags, view(), items()); !errors.As(err, &usage) {
				t.Errorf("error %v, want a usage error", err)
			}
			if out.Len() > 0 {
				t.Errorf("printed %q before it refused", out)
			}
		})
	}
}

func TestEmptyListSaysSo(t *testing.T) {
	ios, _, out, errOut := iostreams.Test()
	if err := output.List(ios, output.Flags{}, view(), nil); err != nil {
		t.Fatal(err)
	}
	if out.String() != "" || errOut.String() != "nothing here\n" {
		t.Errorf("stdout %q, stderr %q", out, errOut)
	}
	if err := output.List(ios, output.Flags{Format: "json"}, view(), nil); err != nil || out.String() != "[]\n" {
		t.Errorf("json of nothing: %q, %v", out, err)
	}
}

// TestWholeColumnsGiveWayLast: an address stays whole beside text that is longer, and still fits when it is alone.
func TestWholeColumnsGiveWayLast(t *testing.T) {
	const address = "[2001:db8:1234:5678::1]:50051"
	whole := output.View[string]{Columns: []output.Column[string]{
		{Name: "ADDRESS", Whole: true, Value: func(string) string { return address }},
		{Name: "TEXT", Value: func(text string) string { return text }},
	}}
	for width, want := range map[int]string{80: address, 40: address, 20: "[2001…:50051"} {
		ios, _, out, _ := iostreams.Test()
		ios.SetTTY(false, true, false)
		ios.SetWidth(width)
		if err := output.List(ios, output.Flags{}, whole, []string{strings.Repeat("long ", 20)}); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			if w := ansi.StringWidth(strings.TrimRight(line, "\n")); w > width {
				t.Errorf("a line of %d columns on a terminal of %d: %q", w, width, line)
			}
		}
		if !strings.Contains(out.String(), want) {
			t.Errorf("at %d: no %q in\n%s", width, want, out)
		}
	}
}

func TestTerminalsAreSafeAndFit(t *testing.T) {
	hostile := []item{{Name: "evil\x1b[2J\u202e" + strings.Repeat("long-name-", 12), Count: 1, Tags: []string{"a\nb"}}}
	for _, width := range []int{40, 80, 160} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			ios, _, out, _ := iostreams.Test()
			ios.SetTTY(false, true, false)
			ios.SetWidth(width)
			if err := output.List(ios, output.Flags{Format: "wide"}, view(), hostile); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(out.String()) {
				if w := ansi.StringWidth(strings.TrimRight(line, "\n")); w > width {
					t.Errorf("a line of %d columns on a terminal of %d: %q", w, width, line)
				}
			}
			if strings.ContainsAny(out.String(), "\x1b\u202e") {
				t.Errorf("escapes reach the terminal: %q", out)
			}
			if strings.Count(out.String(), "\n") != 2 {
				t.Errorf("a cell broke its row: %q", out)
			}
		})
	}
}

func TestJSONOnATerminalIsSafe(t *testing.T) {
	for _, flags := range []output.Flags{{Format: "json"}, {JQ: ".[].name"}, {Template: "{{(index . 0).name}}"}, {Format: "name"}} {
		ios, _, out, _ := iostreams.Test()
		ios.SetTTY(false, true, false)
		if err := output.List(ios, flags, view(), []item{{Name: "x\x1b]0;t\x07\u202e"}}); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(out.String(), "\x1b\u202e\x07") {
			t.Errorf("%+v: %q", flags, out)
		}
	}
}

func TestStream(t *testing.T) {
	for _, test := range []struct {
		flags output.Flags
		want  string
	}{
		{output.Flags{}, "NAME      COUNT\nauth      9007199254740993\nuser <&>  2\n"},
		{output.Flags{Format: "json"}, "[\n" + `{"name":"auth","count":9007199254740993,"tags":["prod"]}` + ",\n" + `{"name":"user <&>","count":2,"tags":null}` + "\n]\n"},
		{output.Flags{Format: "yaml"}, "---\nname: auth\ncount: 9007199254740993\ntags:\n- prod\n---\nname: user <&>\ncount: 2\ntags: null\n"},
		{output.Flags{Format: "name"}, "auth\nuser <&>\n"},
		{output.Flags{JQ: ".name", Format: "json"}, "auth\nuser <&>\n"},
	} {
		ios, _, out, _ := iostreams.Test()
		s, err := output.NewStream(ios, test.flags, view())
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range items() {
			if err := s.Write(i); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, out.String()); diff != "" {
			t.Errorf("%+v: -want +got\n%s", test.flags, diff)
		}
	}
}

func TestStreamOfNothingAndOfManyRows(t *testing.T) {
	ios, _, out, errOut := iostreams.Test()
	s, _ := output.NewStream(ios, output.Flags{Format: "json"}, view())
	if err := s.Close(); err != nil || out.String() != "[]\n" {
		t.Errorf("an empty array: %q, %v", out, err)
	}
	s, _ = output.NewStream(ios, output.Flags{}, view())
	if err := s.Close(); err != nil || errOut.String() != "nothing here\n" {
		t.Errorf("an empty table: %q, %v", errOut, err)
	}
	out.Reset()
	s, _ = output.NewStream(ios, output.Flags{}, view())
	for i := range 120 {
		if err := s.Write(item{Name: "n", Count: int64(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(out.String(), "\n"); lines != 121 || strings.Count(out.String(), "NAME") != 1 {
		t.Errorf("%d lines and %d headers, want 121 and 1", lines, strings.Count(out.String(), "NAME"))
	}
}

// What is wider than the rows before it is whole on a pipe, and on a terminal as
// far as it fits.
func TestStreamOfRowsThatGrow(t *testing.T) {
	for _, test := range []struct {
		tty  bool
		want string
	}{
		{false, "NAME  COUNT\nn     1\na name of twenty-two c  12345678\n"},
		{true, "NAME  COUNT\nn     1\na name of twe…  1234…\n"},
	} {
		ios, _, out, _ := iostreams.Test()
		ios.SetTTY(false, test.tty, false)
		ios.SetWidth(21)
		s, err := output.NewStream(ios, output.Flags{}, view())
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.Write(item{Name: "n", Count: 1}), s.Flush()); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.Write(item{Name: "a name of twenty-two c", Count: 12345678}), s.Close()); err != nil {
			t.Fatal(err)
		}
		if out.String() != test.want {
			t.Errorf("tty %t: %q, want %q", test.tty, out, test.want)
		}
	}
}

func TestOne(t *testing.T) {
	ios, _, out, _ := iostreams.Test()
	if err := output.One(ios, output.Flags{}, view(), items()[0], nil); err != nil {
		t.Fatal(err)
	}
	if want := "NAME:  auth\nCOUNT: 9007199254740993\nTAGS:  prod\n"; out.String() != want {
		t.Errorf("fields %q, want %q", out, want)
	}
	out.Reset()
	err := output.One(ios, output.Flags{}, view(), items()[0], func(w io.Writer) error {
		_, err := io.WriteString(w, "my own\n")
		return err
	})
	if err != nil || out.String() != "my own\n" {
		t.Errorf("%q, %v", out, err)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestWriteErrorsAreReturned(t *testing.T) {
	ios, _, _, _ := iostreams.Test()
	ios.Out = brokenWriter{}
	for _, format := range []string{"table", "json", "ndjson", "yaml", "name"} {
		if err := output.List(ios, output.Flags{Format: format}, view(), items()); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: %v", format, err)
		}
	}
}

// TestRoom: text that is left too little room beside the others goes beneath its row, a few lines of it.
func TestRoom(t *testing.T) {
	view := output.View[string]{Columns: []output.Column[string]{
		{Name: "NUMBER", Value: func(text string) string { return fmt.Sprint(len(text)) }},
		{Name: "TEXT", Room: 30, Value: func(text string) string { return text }},
		{Name: "ADDRESS", Whole: true, Value: func(string) string { return "127.0.0.1:5005" }},
	}}
	long := strings.Repeat("some words ", 40)
	for _, c := range []struct {
		width      int
		text, want string
	}{
		{80, "some words", "NUMBER  TEXT        ADDRESS\n10      some words  127.0.0.1:5005\n"},
		{80, long, "NUMBER  TEXT                                                      ADDRESS\n440     some words some words some words some words some words …  127.0.0.1:5005\n"},
		{40, "some words that do not fit", "NUMBER  ADDRESS\n26      127.0.0.1:5005\n    some words that do not fit\n"},
		{40, "", "NUMBER  TEXT  ADDRESS\n0             127.0.0.1:5005\n"},
		{40, long, "NUMBER  ADDRESS\n440     127.0.0.1:5005\n" + strings.Repeat("    some words some words some words\n", 3) + "    some words some words some words…\n"},
	} {
		ios, _, out, _ := iostreams.Test()
		ios.SetTTY(false, true, false)
		ios.SetWidth(c.width)
		stream, err := output.NewStream(ios, output.Flags{}, view)
		if err == nil {
			err = errors.Join(stream.Write(c.text), stream.Close())
		}
		if err == nil && out.String() != c.want {
			t.Errorf("a stream at %d:\n%s\nwant\n%s", c.width, out, c.want)
		}
		out.Reset()
		if err = errors.Join(err, output.List(ios, output.Flags{}, view, []string{c.text})); err != nil || out.String() != c.want {
			t.Errorf("a list at %d: %v\n%s\nwant\n%s", c.width, err, out, c.want)
		}
	}
}

// TestFieldsFold: a value that is too long for a terminal goes on beneath itself, and is whole on a pipe.
func TestFieldsFold(t *testing.T) {
	view := output.View[string]{Columns: []output.Column[string]{
		{Name: "ID", Value: func(string) string { return "7" }},
		{Name: "FEATURES", Value: func(text string) string { return text }},
	}}
	const text = "group.version 1, metadata.version 29, a-name-that-is-longer-than-a-line 1"
	for _, c := range []struct {
		tty  bool
		want string
	}{
		{true, "ID:       7\nFEATURES: group.version 1,\n          metadata.version\n          29,\n          a-name-that-is-longer-than-a-line\n          1\n"},
		{false, "ID:       7\nFEATURES: " + text + "\n"},
	} {
		ios, _, out, _ := iostreams.Test()
		ios.SetTTY(false, c.tty, false)
		ios.SetWidth(28)
		if err := output.One(ios, output.Flags{}, view, text, nil); err != nil || out.String() != c.want {
			t.Errorf("on a terminal %v: %v\n%s\nwant\n%s", c.tty, err, out, c.want)
		}
	}
}
