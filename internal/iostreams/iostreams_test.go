package iostreams_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
	"unicode"

	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/internal/iostreams"
)

func TestCleanTouchesTerminalsOnly(t *testing.T) {
	hostile := "a\x1b[31mred\x1b]0;title\x07\u202egpj.exe\x7f\r"
	ios, _, _, _ := iostreams.Test()
	if got := ios.Clean(hostile); got != hostile {
		t.Errorf("off a TTY: %q, want the bytes as they are", got)
	}
	ios.SetTTY(false, true, false)
	if got, want := ios.Clean(hostile), "aredgpj.exe"; got != want {
		t.Errorf("on a TTY: %q, want %q", got, want)
	}
}

func TestStripLeavesNothingThatDeceives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.OneOf(
			rapid.Rune(),
			rapid.SampledFrom([]rune{0x1b, '[', ']', 0x07, 0x9b, 0x202e, 0x2066, '\n', '\t'}),
		)).Draw(t, "text")
		got := iostreams.Strip(text)
		for _, r := range got {
			if r != '\n' && r != '\t' && unicode.IsControl(r) {
				t.Fatalf("Strip(%q) = %q keeps %U", text, got, r)
			}
			if r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
				t.Fatalf("Strip(%q) = %q keeps %U", text, got, r)
			}
		}
		if again := iostreams.Strip(got); again != got {
			t.Fatalf("Strip is not idempotent: %q then %q", got, again)
		}
	})
}

func TestInputEndsWithItsContext(t *testing.T) {
	ios, in, _, _ := iostreams.Test()
	in.WriteString("all of it")
	ios.Until(t.Context())
	if text, err := io.ReadAll(ios.In); err != nil || string(text) != "all of it" {
		t.Errorf("read %q, %v", text, err)
	}
	silent, writer := io.Pipe()
	defer writer.Close()
	ios.In = silent
	given := errors.New("given up")
	ctx, cancel := context.WithCancelCause(t.Context())
	ios.Until(ctx)
	time.AfterFunc(10*time.Millisecond, func() { cancel(given) })
	if _, err := io.ReadAll(ios.In); !errors.Is(err, given) {
		t.Errorf("the read ended with %v", err)
	}
}

func FuzzStrip(f *testing.F) {
	f.Add("plain")
	f.Add("\x1b[2J\x1b]8;;http://x\x07link")
	f.Add("\xff\xfe\u202e")
	f.Fuzz(func(t *testing.T, text string) {
		if got := iostreams.Strip(text); strings.ContainsRune(got, 0x1b) {
			t.Errorf("Strip(%q) = %q keeps an escape", text, got)
		}
	})
}

func TestColorFollowsTheEnvironment(t *testing.T) {
	for _, test := range []struct {
		name string
		env  map[string]string
		want bool
	}{
		{"a pipe is plain", nil, false},
		{"forced on a pipe", map[string]string{"CLICOLOR_FORCE": "1"}, true},
		{"NO_COLOR wins", map[string]string{"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}, false},
		{"CLICOLOR_FORCE=0 does not force", map[string]string{"CLICOLOR_FORCE": "0"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			ios := iostreams.System(func(key string) string { return test.env[key] })
			if got := ios.Style().Good("ok") != "ok"; got != test.want {
				t.Errorf("coloured = %v, want %v", got, test.want)
			}
		})
	}
}
