package archive

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/events/internal/progress"
	"github.com/suokelife/suokectl/pkg/events/internal/transact"
)

// ImportOptions say where an archive goes.
type ImportOptions struct {
	// Targets name the topics to produce to, by those of the archive. Default:
	// their namesakes.
	Targets map[string]string
	// Present gives the records the present as their timestamp.
	Present bool
	// Restart forgets how far an earlier import has come.
	Restart bool
	// Compression of the batches. Default: none.
	Compression events.Compression
	// OnProgress, when set, is called after each transaction, and must not
	// block.
	OnProgress func(ImportResult)
}

// ImportResult is what an import did.
type ImportResult struct {
	ID string `json:"id"` // of the archive
	// Records are those of this run, Before those of earlier ones.
	Records int64 `json:"records"`
	Before  int64 `json:"before"`
	Blocks  int   `json:"blocks"` // imported, of all runs
}

var (
	// ErrTakenOver is returned when another run of the same import has begun.
	ErrTakenOver = errors.New("another run imports the archive now: this one stopped, and nothing is imported twice")
	// ErrInternal is returned for a target that holds the books of Kafka or of
	// suokectl.
	ErrInternal = errors.New("the target is an internal topic")
)

// importBytes is how many bytes of records make a transaction.
const importBytes = 8 << 20

// Import produces the records of an archive, each exactly once: blocks and how
// many of them were imported are written in one transaction, to the cluster of
// the targets. A run that ended goes on where it was; after the end nothing is
// imported again, unless Restart is set. A record goes to its own partition where
// the target has as many as the source had, else where its key says.
//
// The error is an [*events.UnknownTopicError], [ErrInternal], [ErrTakenOver],
// what [Reader.Next] says, or what the cluster refused. What is whole before a
// broken block is imported.
func Import(ctx context.Context, client *events.Client, r *Reader, o ImportOptions) (ImportResult, error) {
	i := &importer{ImportOptions: o, client: client, reader: r, result: ImportResult{ID: r.header.ID}, run: rand.Text()}
	if err := i.prepare(ctx); err != nil {
		return i.result, err
	}
	err := i.all(ctx)
	if transact.IsFenced(err) {
		err = fmt.Errorf("%w (%w)", ErrTakenOver, err)
	}
	return i.result, err
}

// importer is one run of an import.
type importer struct {
	ImportOptions
	client   *events.Client
	reader   *Reader
	producer *transact.Producer
	targets  []target
	name     string // of its progress and of its transactional id
	run      string
	state    importState
	result   ImportResult
}

type target struct {
	name       string
	sameNumber bool
}

// importState is how far an import has come, as it stands in the progress topic.
type importState struct {
	Archive string `json:"archive"`
	Run     string `json:"run"`
	Blocks  int    `json:"blocks"`
	Records int64  `json:"records"`
}

// prepare finds the targets.
func (i *importer) prepare(ctx context.Context) error {
	names := sha256.New()
	_, _ = io.WriteString(names, i.reader.header.ID)
	for _, t := range i.reader.header.Topics {
		name := t.Name
		if to, ok := i.Targets[name]; ok {
			name = to
		}
		if strings.HasPrefix(name, "__") || strings.HasPrefix(name, "suokectl.") {
			return fmt.Errorf("%s: %w", name, ErrInternal)
		}
		topics, err := i.client.Topics(ctx, name)
		if err != nil {
			return err
		}
		i.targets = append(i.targets, target{name, len(topics[0].Partitions) == len(t.Partitions)})
		_, _ = io.WriteString(names, "\x00"+topics[0].ID)
	}
	i.name = "suokectl.import." + base64.RawURLEncoding.EncodeToString(names.Sum(nil)[:16])
	return progress.Ensure(ctx, i.client)
}

// open fences other runs, and reads how far the import has come.
func (i *importer) open(ctx context.Context) error {
	codec, err := i.Compression.Codec()
	if err != nil {
		return err
	}
	opts := []kgo.Opt{kgo.ProducerBatchCompression(codec), kgo.MaxBufferedRecords(1 << 20)}
	if limit := i.batchLimit(ctx); limit > 0 {
		opts = append(opts, kgo.ProducerBatchMaxBytes(limit))
	}
	if i.producer, err = transact.Open(ctx, i.client, i.name, opts...); err != nil {
		return err
	}
	text, err := progress.Read(ctx, i.client, i.name)
	if err == nil && text != nil && !i.Restart {
		err = json.Unmarshal(text, &i.state)
	}
	if err != nil {
		i.producer.Close()
	}
	i.result.Before, i.result.Blocks = i.state.Records, i.state.Blocks
	return err
}

// batchLimit is the least that a target takes; 0 when it is not known.
func (i *importer) batchLimit(ctx context.Context) (limit int32) {
	for _, t := range i.targets {
		described, err := i.client.DescribeTopics(ctx, t.name)
		if err != nil {
			return 0
		}
		for _, c := range described[0].Configs {
			if n, err := strconv.Atoi(c.Value); c.Name == "max.message.bytes" && err == nil {
				n := int32(min(max(n, 512), maxPayload))
				if limit == 0 || n < limit {
					limit = n
				}
			}
		}
	}
	return limit
}

func (i *importer) all(ctx context.Context) error {
	if err := i.open(ctx); err != nil {
		return err
	}
	defer i.producer.Close()
	for range i.state.Blocks {
		if err := i.reader.Skip(); err != nil {
			return err
		}
	}
	for {
		records, blocks, err := i.gather(ctx)
		if blocks > 0 {
			if failed := i.commit(ctx, records, blocks); failed != nil {
				return failed
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// gather reads blocks for a transaction. With an error it returns what is whole
// before it.
func (i *importer) gather(ctx context.Context) (records []Record, blocks int, err error) {
	for size := 0; size < importBytes; blocks++ {
		if ctx.Err() != nil {
			return records, blocks, context.Cause(ctx)
		}
		block, err := i.reader.Next()
		if err != nil {
			return records, blocks, err
		}
		for j := range block {
			size += len(block[j].Key) + len(block[j].Value) + 64
		}
		records = append(records, block...)
	}
	return records, blocks, nil
}

func (i *importer) commit(ctx context.Context, records []Record, blocks int) error {
	after := importState{Archive: i.reader.header.ID, Run: i.run, Blocks: i.state.Blocks + blocks, Records: i.state.Records + int64(len(records))}
	text, _ := json.Marshal(after) // texts and numbers always marshal
	// An interrupt ends the reading; what was read by then is written.
	err := i.producer.Do(context.WithoutCancel(ctx), func(tx *transact.Tx) error {
		for j := range records {
			tx.Produce(i.outgoing(&records[j]))
		}
		tx.Produce(progress.Record(i.name, text))
		return nil
	})
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	i.state = after
	i.result.Records += int64(len(records))
	i.result.Blocks = after.Blocks
	if i.OnProgress != nil {
		i.OnProgress(i.result)
	}
	return nil
}

// outgoing is a record as it is written; nobody else has it any more.
func (i *importer) outgoing(r *Record) *kgo.Record {
	to := i.targets[r.Topic]
	out := &kgo.Record{Topic: to.name, Partition: transact.AnyPartition, Key: r.Key, Value: r.Value, Headers: r.Headers}
	if to.sameNumber {
		out.Partition = r.Partition
	}
	if !i.Present {
		out.Timestamp = r.Timestamp
	}
	return out
}

// Skip passes over the next block, checked by its checksum and no further. Its
// errors are those of [Reader.Next].
func (r *Reader) Skip() error {
	_, err := r.nextPacked()
	if err == nil {
		r.blocks++
	}
	return err
}
