package events

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/internal/output"
)

// recordView is how tables show records.
func recordView() output.View[*kgo.Record] {
	return output.View[*kgo.Record]{
		Columns: []output.Column[*kgo.Record]{
			{Name: "PARTITION", Value: func(r *kgo.Record) string { return strconv.Itoa(int(r.Partition)) }},
			{Name: "OFFSET", Value: func(r *kgo.Record) string { return strconv.FormatInt(r.Offset, 10) }},
			{Name: "TIME", Whole: true, Value: func(r *kgo.Record) string { return r.Timestamp.UTC().Format(time.RFC3339) }},
			{Name: "KEY", Value: func(r *kgo.Record) string { return cellOfText(r.Key, "") }},
			{Name: "VALUE", Room: 16, Value: func(r *kgo.Record) string { return cellOfText(r.Value, "(tombstone)") }},
		},
		Name:  func(r *kgo.Record) string { return strconv.FormatInt(r.Offset, 10) },
		Empty: "no records there",
	}
}

// foundView shows a record with the topic that it was found in.
func foundView() output.View[*kgo.Record] {
	view := recordView()
	topic := output.Column[*kgo.Record]{Name: "TOPIC", Whole: true, Value: func(r *kgo.Record) string { return r.Topic }}
	view.Columns = append([]output.Column[*kgo.Record]{topic}, view.Columns...)
	view.Empty = "nothing found"
	return view
}

// cellOfText tells null, empty, what a schema registry frames, and what else is
// no text from text.
func cellOfText(text []byte, null string) string {
	switch {
	case text == nil:
		return null
	case len(text) == 0:
		return "(empty)"
	case len(text) > 4 && text[0] == 0 && text[1] < 0x80: // ids are not negative
		return fmt.Sprintf("(schema %d, %d bytes)", binary.BigEndian.Uint32(text[1:]), len(text)-5)
	case !utf8.Valid(text):
		return fmt.Sprintf("(binary, %d bytes)", len(text))
	}
	return string(text)
}
