package kafka

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func recordCases() []contractCase {
	return []contractCase{
		{"record/offsets count up from zero", offsetsCountUp},
		{"record/keys, values and headers come back as sent", recordsComeBack},
		{"record/null and empty are different", nullIsNotEmpty},
		{"record/headers keep order and duplicates", headersKeepOrder},
		{"record/create time is kept", createTimeIsKept},
		{"record/every codec is read back", everyCodec},
		{"record/too large is refused and nothing is stored", tooLargeIsRefused},
		{"record/unknown partition is refused", unknownPartition},
		{"record/fetch from an offset", fetchFromAnOffset},
		{"record/fetch behind the end is out of range", fetchOutOfRange},
		{"record/deleted records move the log start", deleteRecords},
		{"record/delete behind the end is refused", deleteBehindTheEnd},
	}
}

func offsetsCountUp(b *bench) {
	topic := b.topic(2)
	for i, r := range b.produce(values(topic, "a", "b", "c")...) {
		equal(b, "offset", r.Offset, int64(i))
		equal(b, "partition", r.Partition, 0)
	}
	other := b.produce(&kgo.Record{Topic: topic, Partition: 1, Value: []byte("x")})
	equal(b, "offset in another partition", other[0].Offset, 0)
}

func recordsComeBack(b *bench) {
	topic := b.topic(1)
	binary := make([]byte, 256)
	for i := range binary {
		binary[i] = byte(i)
	}
	b.produce(&kgo.Record{Topic: topic, Key: binary, Value: binary,
		Headers: []kgo.RecordHeader{{Key: "binary", Value: binary}, {Key: "", Value: []byte("empty name")}}})
	r := b.read(topic, start(), 1)[0]
	equal(b, "key", bytes.Equal(r.Key, binary), true)
	equal(b, "value", bytes.Equal(r.Value, binary), true)
	equal(b, "header", bytes.Equal(r.Headers[0].Value, binary), true)
	equal(b, "header with no name", string(r.Headers[1].Value), "empty name")
}

func nullIsNotEmpty(b *bench) {
	topic := b.topic(1)
	b.produce(&kgo.Record{Topic: topic, Key: nil, Value: []byte{}},
		&kgo.Record{Topic: topic, Key: []byte{}, Value: nil})
	got := b.read(topic, start(), 2)
	equal(b, "null key", got[0].Key == nil, true)
	equal(b, "empty value is null", got[0].Value == nil, false)
	equal(b, "empty key is null", got[1].Key == nil, false)
	equal(b, "null value", got[1].Value == nil, true)
}

func headersKeepOrder(b *bench) {
	topic := b.topic(1)
	sent := []kgo.RecordHeader{{Key: "b", Value: []byte("1")}, {Key: "a", Value: []byte("2")}, {Key: "b", Value: nil}}
	b.produce(&kgo.Record{Topic: topic, Value: []byte("x"), Headers: sent})
	got := b.read(topic, start(), 1)[0].Headers
	same := slices.EqualFunc(got, sent, func(x, y kgo.RecordHeader) bool {
		return x.Key == y.Key && bytes.Equal(x.Value, y.Value) && (x.Value == nil) == (y.Value == nil)
	})
	if !same {
		b.Fatalf("got %v, want %v", got, sent)
	}
}

func createTimeIsKept(b *bench) {
	topic := b.topic(1)
	sent := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	b.produce(&kgo.Record{Topic: topic, Value: []byte("x"), Timestamp: sent})
	equal(b, "timestamp", b.read(topic, start(), 1)[0].Timestamp.UnixMilli(), sent.UnixMilli())
}

func everyCodec(b *bench) {
	topic := b.topic(1)
	text := bytes.Repeat([]byte("suoke "), 2000)
	codecs := []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()}
	for _, codec := range codecs {
		client := b.connect(kgo.ProducerBatchCompression(codec))
		b.must(client.ProduceSync(b.ctx, &kgo.Record{Topic: topic, Value: text}).FirstErr())
	}
	for i, r := range b.read(topic, start(), len(codecs)) {
		equal(b, fmt.Sprintf("record of codec %d", i), bytes.Equal(r.Value, text), true)
	}
}

func tooLargeIsRefused(b *bench) {
	topic := b.topic(1, "max.message.bytes", "1000")
	err := b.client.ProduceSync(b.ctx, &kgo.Record{Topic: topic, Value: incompressible(2000)}).FirstErr()
	b.refused(err, kerr.MessageTooLarge)
	after := b.produce(values(topic, "small")...)
	equal(b, "offset of the next record", after[0].Offset, 0)
}

// incompressible makes n bytes that no codec makes much smaller.
func incompressible(n int) []byte {
	noise := make([]byte, n)
	x := uint32(2463534242)
	for i := range noise {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		noise[i] = byte(x)
	}
	return noise
}

func unknownPartition(b *bench) {
	topic := b.topic(1)
	_, err := b.admin.DeleteRecords(b.ctx, kadm.Offsets{topic: {7: {Topic: topic, Partition: 7, At: 0}}})
	b.refused(err, kerr.UnknownTopicOrPartition)
}

func fetchFromAnOffset(b *bench) {
	topic := b.topic(1)
	b.produce(values(topic, "a", "b", "c", "d")...)
	equal(b, "records from offset 2", texts(b.read(topic, at(2), 2)), "[c d]")
}

func fetchOutOfRange(b *bench) {
	topic := b.topic(1)
	b.produce(values(topic, "a")...)
	client := b.connect(kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: at(9)}}))
	var err error
	for err == nil {
		err = client.PollFetches(b.ctx).Err()
	}
	b.refused(err, kerr.OffsetOutOfRange)
}

func deleteRecords(b *bench) {
	topic := b.topic(1)
	b.produce(values(topic, "a", "b", "c")...)
	answers, err := b.admin.DeleteRecords(b.ctx, kadm.Offsets{topic: {0: {Topic: topic, At: 2}}})
	b.must(err)
	b.must(answers.Error())
	offsets, err := b.admin.ListStartOffsets(b.ctx, topic)
	b.must(err)
	equal(b, "log start", offsets[topic][0].Offset, 2)
	equal(b, "records from the start", texts(b.read(topic, start(), 1)), "[c]")
}

func deleteBehindTheEnd(b *bench) {
	topic := b.topic(1)
	b.produce(values(topic, "a")...)
	answers, err := b.admin.DeleteRecords(b.ctx, kadm.Offsets{topic: {0: {Topic: topic, At: 5}}})
	b.must(err)
	b.refused(answers.Error(), kerr.OffsetOutOfRange)
}
