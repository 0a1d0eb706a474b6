package batch_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/pkg/events/internal/batch"
)

const (
	topic     = "dev.auth-service.user-registered.v1"
	partition = 3
	logAppend = 0x08
)

// stored is the text of a batch of records.
func stored(codec kgo.CompressionCodecType, attributes int16, records []kmsg.Record, last int32) []byte {
	var payload []byte
	for _, r := range records {
		r.Length = int32(len(r.AppendTo(nil)) - 1) // without the length, which is one byte as long as it is 0
		payload = r.AppendTo(payload)
	}
	if codec != 0 {
		codecs := map[kgo.CompressionCodecType]kgo.CompressionCodec{kgo.CodecGzip: kgo.GzipCompression(), kgo.CodecSnappy: kgo.SnappyCompression(), kgo.CodecLz4: kgo.Lz4Compression(), kgo.CodecZstd: kgo.ZstdCompression()}
		compressor, err := kgo.DefaultCompressor(codecs[codec])
		if err != nil {
			panic(err)
		}
		payload, _ = compressor.Compress(new(bytes.Buffer), payload)
	}
	b := kmsg.RecordBatch{
		FirstOffset: 100, Magic: 2, PartitionLeaderEpoch: 5, Attributes: attributes | int16(codec), LastOffsetDelta: last,
		FirstTimestamp: 1_700_000_000_000, MaxTimestamp: 1_700_000_009_999, ProducerID: 77, ProducerEpoch: 2, FirstSequence: -1,
		NumRecords: int32(len(records)), Records: payload, Length: int32(49 + len(payload)),
	}
	return seal(b.AppendTo(nil))
}

// seal writes the checksum.
func seal(raw []byte) []byte {
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	return raw
}

// read reads all batches of a text between two offsets.
func read(raw []byte, keep bool, from, until int64) (all []kgo.Record, err error) {
	reader := batch.Reader{Topic: topic, Partition: partition, Keep: keep}
	decompressor := batch.NewDecompressor(keep)
	for in := raw; ; {
		b, rest, ok, err := batch.Cut(in)
		if err != nil || !ok {
			return all, err
		}
		if in = rest; b.Legacy() || b.IsControl() {
			continue
		}
		payload, err := decompressor.Payload(&b)
		if err != nil {
			return all, err
		}
		var kept []*kgo.Record
		_, err = reader.Each(&b, payload, from, until, func(r *kgo.Record) bool {
			if kept = append(kept, r); !keep {
				all = append(all, deep(r))
			}
			return true
		})
		for _, r := range kept {
			if keep {
				all = append(all, deep(r))
			}
		}
		if err != nil {
			return all, err
		}
	}
}

// deep copies what can be compared of a record.
func deep(r *kgo.Record) kgo.Record {
	c := *r
	c.Key, c.Value, c.Context, c.Headers = bytes.Clone(r.Key), bytes.Clone(r.Value), nil, nil
	for _, h := range r.Headers {
		c.Headers = append(c.Headers, kgo.RecordHeader{Key: h.Key, Value: bytes.Clone(h.Value)})
	}
	return c
}

// readByClient is what the Kafka client makes of it.
func readByClient(raw []byte) ([]kgo.Record, error) {
	answer := kmsg.NewFetchResponseTopicPartition()
	answer.Partition, answer.RecordBatches = partition, bytes.Clone(raw)
	fetched, _ := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{Topic: topic, Partition: partition}, &answer, kgo.DefaultDecompressor(), nil)
	var all []kgo.Record
	for _, r := range fetched.Records {
		all = append(all, deep(r))
	}
	return all, fetched.Err
}

// TestReadsWhatTheClientReads: any batch of any codec reads as the Kafka client
// reads it, whether its records are kept or not.
func TestReadsWhatTheClientReads(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		codec := kgo.CompressionCodecType(rapid.IntRange(0, 4).Draw(rt, "codec"))
		attributes := int16(rapid.SampledFrom([]int{0, logAppend, 0x10}).Draw(rt, "attributes"))
		text := rapid.OneOf(rapid.Just([]byte(nil)), rapid.SliceOfN(rapid.Byte(), 0, 200))
		var records []kmsg.Record
		offset := int32(0)
		for range rapid.IntRange(0, 20).Draw(rt, "records") {
			r := kmsg.Record{OffsetDelta: offset, TimestampDelta64: rapid.Int64Range(-1e6, 1e12).Draw(rt, "at"), Key: text.Draw(rt, "key"), Value: text.Draw(rt, "value")}
			for range rapid.IntRange(0, 3).Draw(rt, "headers") {
				r.Headers = append(r.Headers, kmsg.Header{Key: rapid.String().Draw(rt, "name"), Value: text.Draw(rt, "header")})
			}
			records = append(records, r)
			offset += int32(rapid.IntRange(1, 3).Draw(rt, "gap")) // compaction leaves gaps
		}
		raw := stored(codec, attributes, records, offset)
		raw = append(raw, raw...) // the second is read into the memory of the first
		want, err := readByClient(raw)
		if err != nil || len(want) != 2*len(records) && len(want) != len(records) {
			rt.Fatalf("the client reads %d records of %d: %v", len(want), len(records), err)
		}
		want = want[:len(records)] // the client leaves out offsets that it has had
		for _, keep := range []bool{false, true} {
			got, err := read(raw, keep, 0, 1<<40)
			if err != nil || len(got) != 2*len(records) {
				rt.Fatalf("keep %v: got %d records of %d: %v", keep, len(got), 2*len(records), err)
			}
			for i := range got {
				if !reflect.DeepEqual(got[i], want[i%len(records)]) {
					rt.Fatalf("keep %v, record %d:\n got %+v\nwant %+v", keep, i, got[i], want[i%len(records)])
				}
			}
		}
		from, until := rapid.Int64Range(95, 130).Draw(rt, "from"), rapid.Int64Range(95, 130).Draw(rt, "until")
		part, err := read(raw, false, from, until)
		if err != nil {
			rt.Fatal(err)
		}
		for _, r := range part {
			if r.Offset < from || r.Offset >= until {
				rt.Fatalf("offset %d is not of %d to %d", r.Offset, from, until)
			}
		}
	})
}

func ten() []byte {
	var records []kmsg.Record
	for i := range int32(10) {
		records = append(records, kmsg.Record{OffsetDelta: i, Value: fmt.Append(nil, i)})
	}
	return stored(0, 0, records, 9)
}

func TestReadsUntilToldNotTo(t *testing.T) {
	b, _, _, err := batch.Cut(ten())
	if err != nil {
		t.Fatal(err)
	}
	payload, err := batch.NewDecompressor(false).Payload(&b)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	reader := batch.Reader{}
	more, err := reader.Each(&b, payload, 0, 1000, func(*kgo.Record) bool { n++; return n < 4 })
	if n != 4 || more || err != nil {
		t.Errorf("saw %d records, %v, %v", n, more, err)
	}
}

func TestRefusesWhatIsNoBatch(t *testing.T) {
	good := ten()
	edit := func(at int, b ...byte) []byte {
		raw := bytes.Clone(good)
		copy(raw[at:], b)
		return seal(raw)
	}
	spoiled := bytes.Clone(good)
	spoiled[70] ^= 1
	for name, raw := range map[string][]byte{
		"a byte that flipped":         spoiled,
		"a format to come":            edit(16, 9),
		"a length that is too short":  edit(8, 0, 0, 0, 3),
		"more records than there are": edit(57, 0, 0, 0, 200),
		"fewer offsets than records":  edit(23, 0, 0, 0, 1),
		"a negative count":            edit(57, 0xff),
		"offsets below zero":          edit(0, 0xff),
		"compressed it is not":        edit(21, 0, 4),
		"a codec to come":             edit(21, 0, 7),
		"a record that is too long":   edit(61, 0x7e),
		"a key that is too long":      edit(65, 0x7e),
	} {
		if got, err := read(raw, true, 0, 1<<40); !errors.Is(err, batch.ErrCorrupt) {
			t.Errorf("%s: got %d records, %v", name, len(got), err)
		}
	}
	for n := range good {
		if got, err := read(good[:n], true, 0, 1<<40); len(got) > 0 || err != nil {
			t.Errorf("the first %d bytes of a batch: %d records, %v", n, len(got), err)
		}
	}
}

func TestMarkers(t *testing.T) {
	for name, c := range map[string]struct {
		attributes int16
		key        []byte
		control    bool
		abort      bool
	}{
		"abort":            {0x30, []byte{0, 0, 0, 0}, true, true},
		"commit":           {0x30, []byte{0, 0, 0, 1}, true, false},
		"a record of data": {0x10, []byte{0, 0, 0, 0}, false, false},
		"no key":           {0x30, nil, true, false},
	} {
		b, _, _, err := batch.Cut(stored(0, c.attributes, []kmsg.Record{{Key: c.key}}, 0))
		if err != nil || b.IsControl() != c.control || b.IsAbort() != c.abort || b.ProducerID() != 77 {
			t.Errorf("%s: %v, %+v", name, err, b)
		}
	}
}

// FuzzRead: whatever a broker answers is read or refused, and what the client
// reads too is the same.
func FuzzRead(f *testing.F) {
	f.Add(ten())
	f.Add(append(ten(), ten()[:40]...))
	record := []kmsg.Record{{Key: []byte("k"), Value: []byte("v"), Headers: []kmsg.Header{{Key: "h"}}}}
	for codec := range kgo.CompressionCodecType(5) {
		f.Add(stored(codec, logAppend, record, 4))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > 21 {
			seal(raw) // else nothing gets further
		}
		got, err := read(raw, false, 0, 1<<62)
		kept, keptErr := read(raw, true, 0, 1<<62)
		if (err == nil) != (keptErr == nil) || !reflect.DeepEqual(got, kept) {
			t.Fatalf("kept or not makes a difference: %v, %v", err, keptErr)
		}
		want, wantErr := readByClient(raw)
		if err != nil || wantErr != nil || len(got) != len(want) {
			return // the client is stricter in some, and laxer in other ways
		}
		for i := range want { // a time that is out of range is one or the other
			got[i].Timestamp, got[i].Attrs = want[i].Timestamp, want[i].Attrs
		}
		if len(want) > 0 && !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v\nwant %+v", got, want)
		}
	})
}
