package batch

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestEntry(t *testing.T) {
	e, err := parse(line{number: 1, text: []byte(`{"method":"M","data":{"a":1},"headers":{"X-One":"1","x-two":["2","3"],"x-raw-bin":"AP8="},"request_id":"r-1","id":[7],"target":"t"}`)}, false)
	if err != nil {
		t.Fatal(err)
	}
	if e.Method != "M" || e.Target != "t" || e.RequestID != "r-1" || string(e.Data) != `{"a":1}` || string(e.ID) != "[7]" {
		t.Errorf("entry %+v", e)
	}
	if h := e.Headers; h.Get("x-one")[0] != "1" || strings.Join(h.Get("x-two"), "") != "23" || h.Get("x-raw-bin")[0] != "\x00\xff" {
		t.Errorf("headers %q", h)
	}
	if e, err := parse(line{text: []byte(`{"method":"M","data":null}`)}, false); err != nil || e.Data != nil {
		t.Errorf("null is %s, %v", e.Data, err)
	}
	if e, err := parse(line{text: []byte(`{"method":"M"}`)}, true); err != nil || e.Method != "" || len(e.Data) == 0 {
		t.Errorf("a bare line is %+v, %v", e, err)
	}
}

func TestBadLines(t *testing.T) {
	for text, want := range map[string]string{
		`{"method":"M"`:                                 "line 7, column 13: it is not JSON: unexpected end",
		`{"method":"M"} {}`:                             "line 7, column 16: it is not JSON: invalid character '{' after",
		`{"é": bad}`:                                    "line 7, column 7: it is not JSON: invalid character 'b'",
		`{"method":5}`:                                  "line 7, column 11: method is of type number, and has to be of type string",
		`["M"]`:                                         "column 1: it is of type array, and has to be an object",
		`{"methud":"M"}`:                                `line 7, column 2: there is no field "methud" in a line; did you mean "method"?`,
		`{"nothing like it":"M"}`:                       `there is no field "nothing like it" in a line`,
		`{"headers":{"x":1}}`:                           "line 7: headers.x has to be a string or a list of strings",
		`{"headers":{"x":["1",null,3]}}`:                "headers.x has to be a string or a list",
		`{"headers":{"x y":"1"}}`:                       `"x y" is not the name of a header`,
		`{"headers":{"x":"\u0007"}}`:                    "headers.x is not printable ASCII",
		`{"headers":{"x-bin":"%"}}`:                     "headers.x-bin is not base64",
		`{"headers":{"Authorization":"Bearer t"}}`:      "a token does not belong among the lines",
		`{"headers":[]}`:                                "headers is of type array, and has to be of type object",
		`{"request_id":"` + "\u00e4" + `","id":"keep"}`: "request_id is not 1 to",
	} {
		e, err := parse(line{number: 7, text: []byte(text)}, false)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
		if strings.Contains(text, "keep") && string(e.ID) != `"keep"` {
			t.Errorf("%s: the id is lost", text)
		}
	}
}

func FuzzEntry(f *testing.F) {
	for _, seed := range []string{`{"method":"M","data":{}}`, `{"headers":{"a":["b"]}}`, `{"x":1}`, `[]`, `"`, "\xff", `{"headers":{"x-bin":"AA=="},"id":{}}`} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, text []byte, bare bool) {
		l := line{number: 1, text: text}
		e, err := parse(l, bare)
		if err != nil && (err.Column < 0 || err.Column > utf8.RuneCount(text)+1 || err.Err == nil) {
			t.Fatalf("%q: %+v", text, err)
		}
		for name, values := range e.Headers {
			if err == nil && (name == "" || strings.ToLower(name) != name || name == "authorization") {
				t.Fatalf("header %q: %q", name, values)
			}
		}
	})
}
