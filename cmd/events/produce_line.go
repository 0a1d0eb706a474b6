package events

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/suokelife/suokectl/pkg/events"
)

// wrappedLine is a line that carries more than the event. What consume prints
// besides, such as the offset, belongs to where the event was.
type wrappedLine struct {
	Meta          json.RawMessage `json:"meta"`
	Key           *string         `json:"key"`
	KeyEncoding   string          `json:"key_encoding"`
	Headers       json.RawMessage `json:"headers"`
	Value         json.RawMessage `json:"value"`
	ValueEncoding string          `json:"value_encoding"`
	Tombstone     bool            `json:"tombstone"`
}

type wrappedHeader struct {
	Key           string  `json:"key"`
	Value         *string `json:"value"`
	ValueEncoding string  `json:"value_encoding"`
}

// parseLine reads an event, which has meta, or what wraps one. The bytes of
// the event are kept as they are.
func parseLine(text []byte) (events.Record, error) {
	var w wrappedLine
	if err := json.Unmarshal(text, &w); err != nil || w.Meta != nil || w.Value == nil && !w.Tombstone {
		return events.Record{Value: text}, nil // the check of the envelope says best what is wrong
	}
	var r events.Record
	var err error
	if r.Value, err = w.value(); err != nil {
		return r, err
	}
	if w.Key != nil {
		if r.Key, err = decode(*w.Key, w.KeyEncoding); err != nil {
			return r, fmt.Errorf("key: %w", err)
		}
	}
	r.Headers, err = parseHeaders(w.Headers)
	return r, err
}

func (w wrappedLine) value() ([]byte, error) {
	switch {
	case w.Tombstone:
		return nil, nil
	case w.ValueEncoding == "":
		return w.Value, nil
	}
	var text string
	if err := json.Unmarshal(w.Value, &text); err != nil {
		return nil, errors.New("value: an encoded value is a string")
	}
	return decode(text, w.ValueEncoding)
}

func decode(text, encoding string) ([]byte, error) {
	switch encoding {
	case "":
		return []byte(text), nil
	case "base64":
		return base64.StdEncoding.DecodeString(text)
	}
	return nil, fmt.Errorf("encoding %q is unknown: base64 is the only one", encoding)
}

// parseHeaders reads a list of {"key", "value"}, or an object, whose order is
// kept too.
func parseHeaders(text json.RawMessage) ([]events.Header, error) {
	switch text = bytes.TrimSpace(text); {
	case len(text) == 0 || string(text) == "null":
		return nil, nil
	case text[0] == '{':
		return headersOfObject(text)
	}
	var list []wrappedHeader
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf(`headers: want [{"key": …, "value": …}, …] or {"key": "value", …}: %w`, err)
	}
	var headers []events.Header
	for _, h := range list {
		header := events.Header{Key: h.Key}
		if h.Value != nil {
			var err error
			if header.Value, err = decode(*h.Value, h.ValueEncoding); err != nil {
				return nil, fmt.Errorf("header %s: %w", h.Key, err)
			}
		}
		headers = append(headers, header)
	}
	return headers, nil
}

func headersOfObject(text json.RawMessage) ([]events.Header, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	_, _ = d.Token() // the opening brace
	var headers []events.Header
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("headers: %w", err)
		}
		var value string
		if err := d.Decode(&value); err != nil {
			return nil, fmt.Errorf("header %v: want a string", key)
		}
		headers = append(headers, events.Header{Key: key.(string), Value: []byte(value)})
	}
	return headers, nil
}
