package events

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

var jsonTexts = []string{
	``, ` `, `null`, `true`, `false`, `nul`, `truex`, `0`, `-0`, `01`, `-`, `1.`, `1.5`, `.5`, `1e5`, `1E+5`, `1e`, `1e+`, `+1`, `NaN`,
	`"a"`, `"`, `"a`, `"\n"`, `"\u00e9"`, `"\u00g9"`, `"\u12"`, `"\x"`, `"a` + "\n" + `b"`, `"12345678"`, `"1234567\"89012345\\"`, `"日本語日本語"`, `"abc` + "\x7f" + `defgh"`,
	`[]`, `[ ]`, `[1]`, `[1,]`, `[,1]`, `[1 2]`, `[[[[]]]]`, `[`, `]`, `[}`, `{]`,
	`{}`, `{ }`, `{"a":1}`, `{"a":1,}`, `{"a"}`, `{"a":}`, `{a:1}`, `{"a":{"b":[1,{"c":null}]}}`, `{"a":1 "b":2}`, `{"a":1}{"b":2}`, `{} x`,
	`{"meta":{"id":"1","type":"user-registered"},"data":{"user_id":"u-1","email":"a@b.c"}}`,
	"\ufeff{}", "\x00", "{}\x00", "\"\xff\"", "\xff", strings.Repeat("[", 100) + strings.Repeat("]", 100),
	strings.Repeat(`{"a":`, 40) + `1` + strings.Repeat(`}`, 40),
}

func agree(t *testing.T, text []byte) {
	t.Helper()
	want := json.Valid(text) && utf8.Valid(text)
	if got := validJSON(text); got != want {
		t.Errorf("validJSON(%.200q) = %v, want %v", text, got, want)
	}
}

func TestValidJSON(t *testing.T) {
	for _, text := range jsonTexts {
		agree(t, []byte(text))
	}
}

func TestValidJSONRefusesAbsurdDepth(t *testing.T) {
	for _, depth := range []int{maxDepth - 100, maxDepth + 100, 1_000_000} {
		agree(t, append(bytes.Repeat([]byte("["), depth), bytes.Repeat([]byte("]"), depth)...))
	}
}

func FuzzValidJSON(f *testing.F) {
	for _, text := range jsonTexts {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) { agree(t, text) })
}

func BenchmarkValidJSON(b *testing.B) {
	text := []byte(`{"meta":{"id":"7d0a1b4e-0d0f-4a57-9d0e-2f1f7b7b9a11","type":"user-registered","version":"v1","source":"auth-service","time":"2026-11-10T12:34:56Z","correlation_id":"none"},"data":{"user_id":"u-123456","email":"someone@example.org","name":"Some One","note":"` + strings.Repeat("x", 40) + `"}}`)
	for name, valid := range map[string]func([]byte) bool{"ours": validJSON, "encoding/json": json.Valid} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if !valid(text) {
					b.Fatal("not valid")
				}
			}
		})
	}
}
