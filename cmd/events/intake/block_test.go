package intake_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/cmd/events/intake"
)

// held is a record whose text is used after others were read.
type held struct {
	text  []byte
	want  string
	block *intake.Block
}

// What lies in a block stays as it is until it is released, however the input
// comes and whatever is released meanwhile.
func TestHeldTextsStay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
			n := rapid.SampledFrom([]int{0, 1, 100, 60_000, 700_000, 2_000_000}).Draw(t, "length")
			return strings.Repeat(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "letter"), n)
		}), 0, 20).Draw(t, "lines")
		in := io.Reader(strings.NewReader(strings.Join(lines, "\n")))
		if rapid.Bool().Draw(t, "halves") {
			in = iotest.HalfReader(in)
		}
		reader, err := intake.NewReader(t.Context(), in, intake.Options{Format: intake.Text})
		if err != nil {
			t.Fatal(err)
		}
		var open []held
		check := func(h held) {
			if string(h.text) != h.want {
				t.Fatalf("a text of %d bytes was overwritten", len(h.want))
			}
			h.block.Release()
		}
		for _, want := range lines {
			if want == "" {
				continue // blank lines are no records
			}
			var item intake.Item
			if err := reader.Next(&item); err != nil {
				t.Fatal(err)
			}
			open = append(open, held{item.Text, want, reader.Block().Hold()})
			if i := rapid.IntRange(0, 2*len(open)).Draw(t, "done"); i < len(open) {
				check(open[i])
				open = append(open[:i], open[i+1:]...)
			}
		}
		if err := reader.Next(new(intake.Item)); !errors.Is(err, io.EOF) {
			t.Fatalf("at the end: %v", err)
		}
		for _, h := range open {
			check(h)
		}
	})
}

// What is ready comes without more of the input, and blank lines are nothing.
func TestReadyDoesNotWait(t *testing.T) {
	for text, want := range map[string]bool{"a\n": false, "a\n\n \r\n": false, "a\nb\n": true, "a\n\nb\n": true} {
		in, out := io.Pipe()
		go func() { _, _ = io.WriteString(out, text) }()
		reader, err := intake.NewReader(t.Context(), in, intake.Options{Format: intake.Text})
		if err != nil {
			t.Fatal(err)
		}
		if err := reader.Next(new(intake.Item)); err != nil {
			t.Fatal(err)
		}
		if got := reader.Ready(); got != want {
			t.Errorf("%q: ready is %v behind the first", text, got)
		}
		_ = out.Close()
	}
}

// A large input is read into few blocks when its records are let go of.
func TestReleasedBlocksAreReadInto(t *testing.T) {
	line := bytes.Repeat([]byte("x"), 100_000)
	const lines = 1000
	for _, release := range []bool{true, false} {
		t.Run(fmt.Sprint(release), func(t *testing.T) {
			in := bytes.NewReader(bytes.Repeat(append(line[:len(line):len(line)], '\n'), lines))
			reader, err := intake.NewReader(t.Context(), in, intake.Options{Format: intake.Text})
			if err != nil {
				t.Fatal(err)
			}
			places := make(map[*byte]bool)
			for range lines {
				var item intake.Item
				if err := reader.Next(&item); err != nil {
					t.Fatal(err)
				}
				block := reader.Block().Hold()
				places[&item.Text[0]] = true
				if release {
					block.Release()
				}
			}
			if reused := len(places) < lines/2; reused != release {
				t.Errorf("%d lines lay at %d places", lines, len(places))
			}
		})
	}
}
