package dlq_test

import (
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/pkg/events/dlq"
)

func TestClass(t *testing.T) {
	for text, want := range map[string]string{
		"":                   "",
		"timeout after 30ms": "timeout after #",
		"dial tcp 10.0.0.1:9092: connect: connection refused": "dial tcp #: connect: connection refused",
		"user 8c0a2f6e-1b2c-4d5e-8f90-a1b2c3d4e5f6 not found": "user # not found",
		"user deadbeef-dead-beef-dead-beefdeadbeef not found": "user # not found",
		"at 2026-11-23T23:21:10.123+00:00 it broke":           "at # it broke",
		"at 2026-11-23 23:21:10Z it broke":                    "at # # it broke",
		"Foo.java:12: bad":                                    "Foo.java:#: bad",
		"pod user-service-7f9c6d-x2x4 is gone":                "pod user-service-# is gone",
		"checksum cafebabecafe":                               "checksum #",
		"the facade was defaced":                              "the facade was defaced",
		"offset=42 of topic":                                  "offset=# of topic",
		"  two\t spaces\x1b[31m  ":                            "two spaces [#",
		"\n\nTraceback: boom\n  at line 3":                    "Traceback: boom",
		"错误 42 号":                                             "错误 # 号",
		"bad \xff byte":                                       "bad \uFFFD byte",
		"-1.5e10":                                             "-#",
	} {
		if got := dlq.Class(text); got != want {
			t.Errorf("Class(%q) is %q, want %q", text, got, want)
		}
	}
}

// TestClassForgetsNumbers: texts that differ in their numbers only have one class.
func TestClassForgetsNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOf(rapid.SampledFrom([]string{"user ", "order-", " at ", "host.", ": ", "错", "(", ")", "_x", "=", " "})).Draw(t, "parts")
		number := func(i int, label string) string {
			return strconv.Itoa(rapid.IntRange(0, 1<<30).Draw(t, label+strconv.Itoa(i)))
		}
		var a, b strings.Builder
		for i, part := range parts {
			a.WriteString(part + number(i, "a"))
			b.WriteString(part + number(i, "b"))
		}
		if x, y := dlq.Class(a.String()), dlq.Class(b.String()); x != y {
			t.Fatalf("%q has class %q, %q has %q", a.String(), x, b.String(), y)
		}
	})
}

func TestClassIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { stable(t, rapid.String().Draw(t, "text")) })
	rapid.Check(t, func(t *rapid.T) {
		long := strings.Join(rapid.SliceOfN(rapid.StringMatching(`[a-f]{1,12}|[0-9]{1,4}|[-:. #xé]`), 0, 200).Draw(t, "long"), "")
		stable(t, long)
	})
}

func stable(t interface{ Fatalf(string, ...any) }, text string) {
	class := dlq.Class(text)
	if again := dlq.Class(class); again != class {
		t.Fatalf("the class of %q is %q, and of that %q", text, class, again)
	}
	if len(class) > 240 || !utf8.ValidString(class) {
		t.Fatalf("the class of %q is %d bytes: %q", text, len(class), class)
	}
}

func FuzzClass(f *testing.F) {
	for _, seed := range []string{"", "timeout after 30ms", "\xff\x00", strings.Repeat("abcdef", 100), "#:#-#"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) { stable(t, text) })
}
