//go:build unix

// Package corpus knows the settings that are measured, and makes the topics for
// readers: valid events with a key each, spread evenly over partitions, of a text
// that compresses to about a third, as events do.
package corpus

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// most bounds the records of a topic, which small ones would make too many of.
const most = 1_000_000

// Setting is one kind of topic.
type Setting struct {
	Size       int // bytes of an event; the smallest has about 90
	Codec      string
	Partitions int
	Bytes      int // of the topic, in a million events at most
}

// Bind adds the flags of a setting, but for how much there is.
func (s *Setting) Bind(flags *flag.FlagSet) {
	flags.IntVar(&s.Size, "size", 300, "bytes of an event; the smallest has about 150")
	flags.StringVar(&s.Codec, "codec", "lz4", "none, lz4 or zstd")
	flags.IntVar(&s.Partitions, "partitions", 8, "partitions of the topic")
}

// BindBytes adds the flag of how much there is.
func (s *Setting) BindBytes(flags *flag.FlagSet) {
	flags.IntVar(&s.Bytes, "bytes", 300_000_000, "bytes of the topic, in a million events at most")
}

// Matrix is 100 B, 1 KiB and 16 KiB with each codec on 1 and 8 partitions.
func Matrix(bytes int) []Setting {
	var all []Setting
	for _, size := range []int{100, 1 << 10, 16 << 10} {
		for _, codec := range []string{"none", "lz4", "zstd"} {
			for _, partitions := range []int{1, 8} {
				all = append(all, Setting{Size: size, Codec: codec, Partitions: partitions, Bytes: bytes})
			}
		}
	}
	return all
}

// Records is how many events the topic holds.
func (s Setting) Records() int { return min(s.Bytes/max(s.Size, 90), most) }

// Topic is the topic's name.
func (s Setting) Topic() string {
	return fmt.Sprintf("test.bench-service.read-%d-%s-%d.v1", s.Size, s.Codec, s.Partitions)
}

func (s Setting) String() string {
	return fmt.Sprintf("%d events of %d bytes, %s, %d partitions", s.Records(), s.Size, s.Codec, s.Partitions)
}

// Needle is a text that is in the last event alone.
func (s Setting) Needle() string { return id(s.Records() - 1) }

func id(i int) string { return fmt.Sprintf("00000000-%012x", i) }

// Codec is the codec of a name.
func Codec(name string) (kgo.CompressionCodec, error) {
	switch name {
	case "none":
		return kgo.NoCompression(), nil
	case "lz4":
		return kgo.Lz4Compression(), nil
	case "zstd":
		return kgo.ZstdCompression(), nil
	}
	return kgo.CompressionCodec{}, fmt.Errorf("codec %q is none of none, lz4, zstd", name)
}

// Fill makes the topic.
func (s Setting) Fill(ctx context.Context, brokers []string) error {
	compression, err := Codec(s.Codec)
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ProducerBatchCompression(compression),
		kgo.RecordPartitioner(kgo.RoundRobinPartitioner()), kgo.DefaultProduceTopic(s.Topic()),
		kgo.MaxBufferedBytes(8<<20)) // this program's peak counts as that of those it starts
	if err != nil {
		return err
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(ctx, int32(s.Partitions), 1, nil, s.Topic()); err != nil {
		return err
	}
	var failed error
	var once sync.Once
	text := newText()
	for i := range s.Records() {
		record := &kgo.Record{Key: fmt.Appendf(nil, "u-%d", i%10_000), Value: text.event(i, s.Size)}
		client.Produce(ctx, record, func(_ *kgo.Record, err error) {
			if err != nil {
				once.Do(func() { failed = err })
			}
		})
	}
	return errors.Join(client.Flush(ctx), failed)
}

// text makes events, the same ones each time.
type text struct {
	random *rand.Rand
	words  []string
}

func newText() *text {
	t := &text{random: rand.New(rand.NewPCG(1, 2))}
	for range 2000 {
		t.words = append(t.words, fmt.Sprintf("%x ", t.random.Uint64()>>(32+t.random.IntN(28))))
	}
	return t
}

// event is the text of a valid event, each different, padded to size with words.
func (t *text) event(i, size int) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `{"meta":{"id":%q,"type":"read","version":"v1","source":"b"`, id(i))
	if size > 300 {
		b.WriteString(`,"time":"2026-01-31T12:00:00Z","correlation_id":"none"`)
	}
	b.WriteString(`},"data":{"p":"`)
	for b.Len() < size-3 {
		word := t.words[t.random.IntN(len(t.words))]
		b.WriteString(word[:min(len(word), size-3-b.Len())])
	}
	b.WriteString(`"}}`)
	return []byte(b.String())
}
