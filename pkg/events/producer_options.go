package events

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/pkg/events/spool"
	"github.com/suokelife/suokectl/pkg/spec"
)

// maxRetryBackoff bounds the wait between two tries of a produce request,
// which starts at [spec.ProducerRetryBackoff] and doubles.
const maxRetryBackoff = time.Second

// Defaults of [ProducerOptions].
const (
	DefaultBufferRecords = 10_000
	DefaultBufferBytes   = 64 << 20
)

// Record is a record to produce.
type Record struct {
	Topic string
	// Partition is where to; nil is by the key, as Kafka's own clients do it,
	// and any for a record without one.
	Partition *int32
	// Timestamp is the record's, to the millisecond; zero is the present.
	Timestamp time.Time
	// Key orders: records with one key stay in order, on one partition. Nil is
	// no key, which is not the same as an empty one.
	Key []byte
	// Value is the event's text. It must not be changed before the outcome.
	Value   []byte
	Headers []Header
}

// Header is a header of a record. Names may be there more than once.
type Header = kgo.RecordHeader

// Validator checks a value before it is produced, beyond its envelope, for
// instance against the schema of its topic. A value is rejected with the error,
// unless that wraps [ErrNotValidated]: then the value was not judged, and is not
// sent. It is called by several goroutines.
type Validator func(ctx context.Context, topic string, value []byte) error

// Encoder turns the text of a valid event into the bytes that are written, for
// instance framed for a schema registry. Its errors count as a [Validator]'s. It
// is called by several goroutines.
type Encoder func(ctx context.Context, topic string, value []byte) ([]byte, error)

// Compression is how batches of records are compressed.
type Compression string

// The compressions of Kafka. The specification's own consumer reads the first
// two: kafka-python has no codec but gzip built in.
const (
	CompressionNone   Compression = "none"
	CompressionGzip   Compression = "gzip"
	CompressionSnappy Compression = "snappy"
	CompressionLZ4    Compression = "lz4"
	CompressionZstd   Compression = "zstd"
)

// zstdLevel is the codec's fastest one: the next level takes half as long again
// for events that are smaller by half a percent.
const zstdLevel = int(zstd.SpeedFastest)

// Codec returns the Kafka client's name for it. The error names those that
// there are.
func (c Compression) Codec() (kgo.CompressionCodec, error) {
	switch c {
	case CompressionNone, "":
		return kgo.NoCompression(), nil
	case CompressionGzip:
		return kgo.GzipCompression(), nil
	case CompressionSnappy:
		return kgo.SnappyCompression(), nil
	case CompressionLZ4:
		return kgo.Lz4Compression(), nil
	case CompressionZstd:
		return kgo.ZstdCompression().WithLevel(zstdLevel), nil
	}
	return kgo.NoCompression(), fmt.Errorf("compression %q is unknown: use none, gzip, snappy, lz4 or zstd", c)
}

// DeadLetters says which rejected events a [Producer] writes to the dead-letter
// topic of theirs (K4).
type DeadLetters int

const (
	// DeadLetterNone hands rejected events back to the caller.
	DeadLetterNone DeadLetters = iota
	// DeadLetterRefused writes those that the broker refuses.
	DeadLetterRefused
	// DeadLetterRejected writes those as well that are not valid. An event
	// whose topic is not named by the conventions has no dead-letter topic and
	// is handed back.
	DeadLetterRejected
)

// ProducerOptions tune a [Producer]. The zero value is the specification's,
// without dead letters and spool.
type ProducerOptions struct {
	// Validate checks values further. Default: the envelope only.
	Validate Validator
	// Encode makes what is written of a valid event. Default: its text.
	Encode Encoder
	// AckTimeout is how long an acknowledgement is awaited. Default
	// [spec.ProducerAckTimeout].
	AckTimeout time.Duration
	// Linger is how long a record waits for others to share its request.
	// Default 0, which is right for one event at a time; 5 to 10 ms is for bulk.
	Linger time.Duration
	// Compression of batches. Default [CompressionNone].
	Compression Compression
	// DeadLetter is which rejected events are dead-lettered. A letter that
	// cannot be written goes to the spool, where there is one.
	DeadLetter DeadLetters
	// Spool keeps on disk what was valid and not acknowledged, and sends it
	// when it can. The producer closes it, also when NewProducer fails. A spool
	// belongs to one cluster.
	Spool *spool.Spool
	// OnSpool is told what becomes of events in the spool, for logs and
	// metrics. It is called by several goroutines and must not block.
	OnSpool func(SpoolChange)
	// BufferRecords and BufferBytes bound what is on its way and in memory.
	// Defaults [DefaultBufferRecords] and [DefaultBufferBytes].
	BufferRecords int
	BufferBytes   int64
}

func (o ProducerOptions) withDefaults() ProducerOptions {
	if o.AckTimeout == 0 {
		o.AckTimeout = spec.ProducerAckTimeout
	}
	if o.BufferRecords == 0 {
		o.BufferRecords = DefaultBufferRecords
	}
	if o.BufferBytes == 0 {
		o.BufferBytes = DefaultBufferBytes
	}
	if o.OnSpool == nil {
		o.OnSpool = func(SpoolChange) {}
	}
	return o
}

// producerClient opens the Kafka client that records travel on.
func (c *Client) producerClient(ctx context.Context, o ProducerOptions, batchLimit func(topic string) int32) (*kgo.Client, error) {
	codec, err := o.Compression.Codec()
	if err != nil {
		return nil, err
	}
	opts := []kgo.Opt{
		kgo.ProducerLinger(o.Linger),
		kgo.ProduceRequestTimeout(o.AckTimeout),
		kgo.ProducerBatchCompression(codec),
		kgo.RecordPartitioner(newPartitioner()),
		kgo.RetryBackoffFn(retryBackoff),
		kgo.ProducerBatchMaxBytesFn(batchLimit),
		kgo.MaxBufferedRecords(math.MaxInt32), // the producer's own buffer bounds them
	}
	if o.Spool != nil {
		// The client never gives a record up by itself: so it cannot happen
		// that a later one of the key overtakes it.
		return c.open(opts...)
	}
	// A record that no broker took is failed a little before its wait ends, so
	// that "not sent" is not mistaken for "unknown".
	return c.Open(ctx, append(opts, kgo.RecordDeliveryTimeout(max(o.AckTimeout*4/5, time.Second)))...)
}

func retryBackoff(tries int) time.Duration {
	return min(spec.ProducerRetryBackoff<<min(tries-1, 5), maxRetryBackoff)
}
