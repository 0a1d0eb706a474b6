package events

import (
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/internal/failure"
)

// appendFunc appends a record, or a part of one, to a text.
type appendFunc func(dst []byte, r *kgo.Record) []byte

// layoutHelp says what may be in a layout.
const layoutHelp = `--format prints a layout of its own, with kcat's marks: %s value, %S its length, %k
key, %K its length (-1 for null), %t topic, %p partition, %o offset, %T timestamp
in milliseconds, %h headers as name=value, and besides %d timestamp as RFC 3339, %x
the value in hexadecimal, %% a per cent sign; \n, \t, \0 and \xNN are escapes. The
layout ends a record: put \n there.`

// layoutMark is what a mark stands for; nil for what is none.
func layoutMark(mark byte) appendFunc {
	switch mark {
	case 's':
		return func(b []byte, r *kgo.Record) []byte { return append(b, r.Value...) }
	case 'S':
		return func(b []byte, r *kgo.Record) []byte { return appendLength(b, r.Value) }
	case 'k':
		return func(b []byte, r *kgo.Record) []byte { return append(b, r.Key...) }
	case 'K':
		return func(b []byte, r *kgo.Record) []byte { return appendLength(b, r.Key) }
	case 't':
		return func(b []byte, r *kgo.Record) []byte { return append(b, r.Topic...) }
	case 'p':
		return func(b []byte, r *kgo.Record) []byte { return strconv.AppendInt(b, int64(r.Partition), 10) }
	case 'o':
		return func(b []byte, r *kgo.Record) []byte { return strconv.AppendInt(b, r.Offset, 10) }
	case 'T':
		return func(b []byte, r *kgo.Record) []byte { return strconv.AppendInt(b, r.Timestamp.UnixMilli(), 10) }
	case 'd':
		return func(b []byte, r *kgo.Record) []byte {
			return r.Timestamp.UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
		}
	case 'h':
		return appendHeaderList
	case 'x':
		return func(b []byte, r *kgo.Record) []byte { return hex.AppendEncode(b, r.Value) }
	case '%':
		return func(b []byte, _ *kgo.Record) []byte { return append(b, '%') }
	}
	return nil
}

func appendLength(b, text []byte) []byte {
	if text == nil {
		return append(b, "-1"...)
	}
	return strconv.AppendInt(b, int64(len(text)), 10)
}

func appendHeaderList(b []byte, r *kgo.Record) []byte {
	for i, h := range r.Headers {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, h.Key...), '='), h.Value...)
	}
	return b
}

// parseLayout compiles a layout.
func parseLayout(layout string) (appendFunc, error) {
	text, err := unescape(layout)
	if err != nil {
		return nil, failure.Usagef("--format %q: only %s are escapes", layout, escapes)
	}
	var parts []appendFunc
	for text != "" {
		literal, rest, marked := strings.Cut(text, "%")
		if literal != "" {
			parts = append(parts, func(b []byte, _ *kgo.Record) []byte { return append(b, literal...) })
		}
		if !marked {
			break
		}
		var part appendFunc
		if rest != "" {
			part = layoutMark(rest[0])
		}
		if part == nil {
			return nil, failure.WithHint(failure.Usagef("--format %q: %q is no mark", layout, "%"+rest[:min(1, len(rest))]), "use %s %S %k %K %t %p %o %T %d %h %x or %%")
		}
		parts = append(parts, part)
		text = rest[1:]
	}
	return func(b []byte, r *kgo.Record) []byte {
		for _, part := range parts {
			b = part(b, r)
		}
		return b
	}, nil
}
