package batch_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/suokelife/suokectl/pkg/events/internal/batch"
)

// TestLZ4Frames: the kinds of frames that clients and proxies write.
func TestLZ4Frames(t *testing.T) {
	value := []byte(strings.Repeat("0123456789abcdef the quick brown fox ", 20_000))
	record := kmsg.Record{Value: value}
	record.Length = int32(len(record.AppendTo(nil)) - 1)
	payload := record.AppendTo(nil)
	for name, options := range map[string][]lz4.Option{
		"Java's":          {lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false)},
		"Go's":            {lz4.BlockSizeOption(lz4.Block4Mb)},
		"block checksums": {lz4.BlockChecksumOption(true), lz4.BlockSizeOption(lz4.Block256Kb)},
		"content size":    {lz4.SizeOption(uint64(len(payload)))},
	} {
		var frame bytes.Buffer
		w := lz4.NewWriter(&frame)
		if err := w.Apply(options...); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(payload); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		whole := frame.Bytes()
		for _, keep := range []bool{false, true} {
			got, err := read(framed(whole), keep, 0, 1<<40)
			if err != nil || len(got) != 1 || !bytes.Equal(got[0].Value, value) {
				t.Errorf("%s: %d records, %v", name, len(got), err)
			}
		}
		for _, cut := range []int{3, 6, 8, 20, len(whole) / 2, len(whole) - 1} {
			if got, err := read(framed(whole[:cut]), false, 0, 1<<40); err == nil && len(got) == 1 {
				t.Errorf("%s: read from the first %d bytes of %d", name, cut, len(whole))
			}
		}
	}
}

// framed is a batch of one record, compressed to a frame.
func framed(frame []byte) []byte {
	b := kmsg.RecordBatch{FirstOffset: 1, Magic: 2, Attributes: 3, ProducerID: -1, NumRecords: 1, Records: frame, Length: int32(49 + len(frame))}
	return seal(b.AppendTo(nil))
}

func BenchmarkPayload(b *testing.B) {
	value := []byte(strings.Repeat("0123456789abcdef the quick brown fox ", 20_000))
	raw := stored(3, 0, []kmsg.Record{{Value: value}}, 0)
	one, _, _, err := batch.Cut(raw)
	if err != nil {
		b.Fatal(err)
	}
	decompressor := batch.NewDecompressor(false)
	b.SetBytes(int64(len(value)))
	for b.Loop() {
		if _, err := decompressor.Payload(&one); err != nil {
			b.Fatal(err)
		}
	}
}
