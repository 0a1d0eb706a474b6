package archive_test

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/pkg/events/archive"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func header(topics int) archive.Header {
	h := archive.Header{ID: "a-1", Time: time.Unix(1_700_000_000, 0).UTC()}
	for range topics {
		h.Topics = append(h.Topics, archive.Topic{Name: "dev.a.b.v1", ID: "t-1", Partitions: []archive.Partition{{ID: 0, From: 0, Until: 10}}})
	}
	return h
}

// drawRecord draws a record with anything in it.
func drawRecord(t *rapid.T) *kgo.Record {
	bytes := rapid.SliceOfN(rapid.Byte(), 0, 60)
	maybe := func(label string) []byte {
		if rapid.Bool().Draw(t, label+" is null") {
			return nil
		}
		return append([]byte{}, bytes.Draw(t, label)...)
	}
	r := &kgo.Record{
		Partition: rapid.Int32Range(0, 1<<30).Draw(t, "partition"), Offset: rapid.Int64Range(0, 1<<62).Draw(t, "offset"),
		Timestamp: time.UnixMilli(rapid.Int64Range(-1, 1<<45).Draw(t, "timestamp")), Key: maybe("key"), Value: maybe("value"),
	}
	for range rapid.IntRange(0, 3).Draw(t, "headers") {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: string(bytes.Draw(t, "name")), Value: maybe("header")})
	}
	return r
}

func pack(t interface{ Fatal(...any) }, h archive.Header, records []*kgo.Record, topic func(i int) int) []byte {
	var file bytes.Buffer
	w, err := archive.NewWriter(&file, h)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range records {
		if err := w.Add(topic(i), r); err != nil {
			t.Fatal(err)
		}
		if i%7 == 6 {
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if end, err := w.Close(); err != nil || end.Records != int64(len(records)) {
		t.Fatal(end, err)
	}
	return file.Bytes()
}

func unpack(file []byte) (records []archive.Record, err error) {
	r, err := archive.NewReader(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	for {
		block, err := r.Next()
		if errors.Is(err, io.EOF) {
			return records, nil
		}
		if err != nil {
			return records, err
		}
		records = append(records, block...)
	}
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var records []*kgo.Record
		for range rapid.IntRange(0, 30).Draw(t, "records") {
			records = append(records, drawRecord(t))
		}
		file := pack(t, header(3), records, func(i int) int { return i % 3 })
		got, err := unpack(file)
		if err != nil || len(got) != len(records) {
			t.Fatalf("%d records, %v", len(got), err)
		}
		for i := range got {
			if got[i].Topic != i%3 || !reflect.DeepEqual(got[i].Record, *records[i]) {
				t.Fatalf("record %d: got %+v, want %+v", i, got[i].Record, *records[i])
			}
		}
		if h, end, err := archive.Verify(bytes.NewReader(file)); err != nil || !reflect.DeepEqual(h, header(3)) || end.Records != int64(len(records)) {
			t.Fatalf("verify: %+v, %+v, %v", h, end, err)
		}
	})
}

// TestEveryCutAndEveryFlippedBitIsFound: no byte of an archive can go or change
// without an error, and what is handed on before it is a prefix of what was
// written.
func TestEveryCutAndEveryFlippedBitIsFound(t *testing.T) {
	var records []*kgo.Record
	for i := range 20 {
		records = append(records, &kgo.Record{Partition: 1, Offset: int64(i), Timestamp: time.UnixMilli(1), Key: []byte{byte(i)}, Value: []byte("value")})
	}
	file := pack(t, header(1), records, func(int) int { return 0 })
	judge := func(what string, at int, broken []byte) {
		t.Helper()
		got, err := unpack(broken)
		if err == nil {
			t.Errorf("%s at %d: no error", what, at)
		}
		var corrupt *archive.CorruptError
		if !errors.Is(err, archive.ErrIncomplete) && !errors.Is(err, archive.ErrNoArchive) && !errors.As(err, &corrupt) {
			t.Errorf("%s at %d: %v", what, at, err)
		}
		for i := range got {
			if got[i].Offset != int64(i) {
				t.Errorf("%s at %d: record %d has offset %d", what, at, i, got[i].Offset)
			}
		}
	}
	for at := range file {
		judge("a cut", at, file[:at])
		flipped := bytes.Clone(file)
		flipped[at] ^= 1 << (at % 8)
		judge("a flipped bit", at, flipped)
	}
	judge("something behind the end", len(file), append(bytes.Clone(file), 0))
}

// FuzzReader: whatever the bytes are, there is an end, and memory is bounded by
// what is there.
func FuzzReader(f *testing.F) {
	r := &kgo.Record{Partition: 1, Timestamp: time.UnixMilli(1), Value: []byte("value"), Headers: []kgo.RecordHeader{{Key: "a"}}}
	whole := pack(f, header(1), []*kgo.Record{r, r, r}, func(int) int { return 0 })
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte("suokarc1B\xff\xff\xff\x03"))
	f.Fuzz(func(t *testing.T, file []byte) {
		records, err := unpack(file)
		if _, _, verified := archive.Verify(bytes.NewReader(file)); verified == nil && err != nil {
			t.Fatalf("verified, but %v after %d records", err, len(records))
		}
	})
}
