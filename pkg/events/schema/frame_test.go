package schema_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/pkg/events/schema"
)

func TestFrameIsReadAsItIsWritten(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		id := rapid.IntRange(0, 1<<31-1).Draw(rt, "id")
		indexes := rapid.SliceOfN(rapid.IntRange(0, 1<<20), 1, 6).Draw(rt, "indexes")
		payload := rapid.SliceOf(rapid.Byte()).Draw(rt, "payload")
		frame := append(schema.AppendIndexes(schema.AppendFrame(nil, id), indexes...), payload...)
		gotID, body, err := schema.ParseFrame(frame)
		if err != nil || gotID != id {
			rt.Fatalf("id %d, %v, want %d", gotID, err, id)
		}
		gotIndexes, rest, err := schema.ParseIndexes(body)
		if err != nil || !slices.Equal(gotIndexes, indexes) || !bytes.Equal(rest, payload) {
			rt.Fatalf("indexes %v, rest %x, %v, want %v and %x", gotIndexes, rest, err, indexes, payload)
		}
	})
}

func TestFrameBytes(t *testing.T) {
	for _, c := range []struct {
		indexes []int
		want    []byte
	}{
		{[]int{0}, []byte{0, 0, 0, 1, 2, 0}}, // the first message has a short form
		{[]int{1, 0}, []byte{0, 0, 0, 1, 2, 4, 2, 0}},
	} {
		if got := schema.AppendIndexes(schema.AppendFrame(nil, 258), c.indexes...); !bytes.Equal(got, c.want) {
			t.Errorf("%v is %v, want %v", c.indexes, got, c.want)
		}
	}
}

func TestWhatIsNoFrame(t *testing.T) {
	for name, value := range map[string][]byte{
		"nothing": nil, "JSON": []byte(`{"meta":{}}`), "too short": {0, 0, 0, 1}, "another magic byte": {1, 0, 0, 0, 1, 2}, "an id below 0": {0, 0xff, 0, 0, 1},
	} {
		if _, _, err := schema.ParseFrame(value); !errors.Is(err, schema.ErrNotFramed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, body := range map[string][]byte{
		"nothing": nil, "fewer indexes than said": {4, 2}, "too many": {0xfe, 0xff, 0xff, 0xff, 0x0f}, "less than none": {1}, "endless": bytes.Repeat([]byte{0xff}, 20),
	} {
		if indexes, _, err := schema.ParseIndexes(body); err == nil {
			t.Errorf("%s: indexes %v", name, indexes)
		}
	}
}

func FuzzFrame(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 1, 0, 8, 1})
	f.Add([]byte{0, 0, 0, 0, 1, 4, 2, 0})
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		id, body, err := schema.ParseFrame(value)
		if err != nil {
			return
		}
		if again := append(schema.AppendFrame(nil, id), body...); !bytes.Equal(again, value) {
			t.Fatalf("%x is written as %x", value, again)
		}
		if indexes, payload, err := schema.ParseIndexes(body); err == nil && len(payload) > len(body) {
			t.Fatalf("indexes %v of %x leave %x", indexes, body, payload)
		}
	})
}
