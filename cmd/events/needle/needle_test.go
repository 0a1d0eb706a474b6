package needle_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/cmd/events/needle"
)

func TestFindsWhatBytesFinds(t *testing.T) {
	letters := rapid.SampledFrom([]byte("aaaaaaaaaaaab-0"))
	others := rapid.SampledFrom([]byte("xyz"))
	rapid.Check(t, func(t *rapid.T) {
		hay := rapid.SliceOfN(letters, 0, 400).Draw(t, "hay")
		if rapid.Bool().Draw(t, "strange") {
			hay = append(rapid.SliceOfN(others, 0, 400).Draw(t, "more"), hay...)
		}
		text := rapid.SliceOfN(letters, 0, 40).Draw(t, "text")
		if len(hay) > 0 && rapid.Bool().Draw(t, "present") {
			from := rapid.IntRange(0, len(hay)-1).Draw(t, "from")
			text = hay[from : from+rapid.IntRange(0, len(hay)-from).Draw(t, "length")]
		}
		if got, want := needle.New(text).In(hay), bytes.Contains(hay, text); got != want {
			t.Fatalf("%q in %q: %v", text, hay, got)
		}
	})
	long := []byte(strings.Repeat("x", 300) + "y")
	if f := needle.New(long); !f.In(append([]byte("zzz"), long...)) || f.In(long[1:]) {
		t.Error("a text that is longer than a shift")
	}
}

func BenchmarkIn(b *testing.B) {
	var hay []byte
	for i := range 5000 {
		hay = fmt.Appendf(hay, `{"meta":{"id":"00000000-0000-4000-8000-%012x","type":"read-measured"},"data":{"n":%d}}`, i*7919, i)
	}
	text := []byte("00000000-0000-4000-8000-0000ffffffff")
	finder := needle.New(text)
	b.Run("needle", func(b *testing.B) {
		b.SetBytes(int64(len(hay)))
		for b.Loop() {
			finder.In(hay)
		}
	})
	b.Run("bytes", func(b *testing.B) {
		b.SetBytes(int64(len(hay)))
		for b.Loop() {
			bytes.Contains(hay, text)
		}
	})
}
