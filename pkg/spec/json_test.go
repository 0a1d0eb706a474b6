package spec_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/pkg/spec"
)

// TestSkipString looks at each byte of long strings, which are walked over by
// blocks.
func TestSkipString(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := bytes.Repeat([]byte("x"), rapid.IntRange(2, 3000).Draw(t, "length"))
		text[0], text[len(text)-1] = '"', '"'
		for range rapid.IntRange(0, 3).Draw(t, "odd") {
			at := rapid.IntRange(1, len(text)-1).Draw(t, "at")
			text[at] = rapid.SampledFrom([]byte{'"', '\\', '\n', 0, 0x1f, ' ', 0x7f, 0x80, 0xff}).Draw(t, "byte")
		}
		end, ok := spec.SkipString(text, 0)
		if want := firstString(text); end != want && ok || ok != (want > 0) {
			t.Fatalf("SkipString(%q) = %d, %v, want %d", text, end, ok, want)
		}
	})
}

// firstString is where the string ends that text begins with, 0 for none.
func firstString(text []byte) int {
	for end := range text {
		if json.Valid(text[:end+1]) {
			return end + 1
		}
	}
	return 0
}

func TestSkipStringOfNone(t *testing.T) {
	for _, text := range []string{"", "x", "1", `"`, `"\`} {
		if end, ok := spec.SkipString([]byte(text), 0); ok || end > len(text) {
			t.Errorf("SkipString(%q) = %d, true", text, end)
		}
	}
}
