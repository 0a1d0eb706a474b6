package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/spec"
)

// ExportOptions say what is exported.
type ExportOptions struct {
	Topics []string
	// From and Until bound each partition; what comes after the beginning is
	// not read. The zero values are the start and, for Until, the end.
	From  events.Bound
	Until *events.Bound
	// Uncommitted reads the records of open and aborted transactions too.
	Uncommitted bool
	// Match chooses records; nil takes all. One goroutine calls it.
	Match func(*kgo.Record) bool
	// Selection is a text of what Match chooses, for the header: an export is
	// gone on with by the same one only.
	Selection string
	// OnProgress, when set, is called now and then, and must not block.
	OnProgress func(records, passed, all int64)
}

// ErrOtherExport is returned when an archive that is to be gone on with is of
// other topics or of another selection, or is of topics that were made anew.
var ErrOtherExport = errors.New("the archive is of another export")

// Export writes an archive of topics. When ctx ends or something fails, what was
// written is whole blocks, and an archive that is not complete.
func Export(ctx context.Context, client *events.Client, out io.Writer, o ExportOptions) (Header, End, error) {
	h, err := plan(ctx, client, o)
	if err != nil {
		return Header{}, End{}, err
	}
	w, err := NewWriter(out, h)
	if err != nil {
		return h, End{}, err
	}
	next := make([]map[int32]int64, len(h.Topics))
	for i, t := range h.Topics {
		next[i] = make(map[int32]int64)
		for _, p := range t.Partitions {
			next[i][p.ID] = p.From
		}
	}
	return export(ctx, client, w, h, next, o)
}

// Resume goes on with an archive that is not complete: it keeps every whole
// block, drops what is behind the last, and reads on from there. One that is
// complete stays as it is. The bounds are those of the archive.
func Resume(ctx context.Context, client *events.Client, file *os.File, o ExportOptions) (Header, End, error) {
	r, err := NewReader(file)
	if err != nil {
		return Header{}, End{}, err
	}
	defer r.Close()
	h := r.header
	if err := same(ctx, client, h, o); err != nil {
		return h, End{}, err
	}
	next, err := r.positions()
	if errors.Is(err, io.EOF) {
		return h, *r.end, nil
	}
	var corrupt *CorruptError
	if !errors.Is(err, ErrIncomplete) && !(errors.As(err, &corrupt) && corrupt.Offset == r.at) {
		return h, End{}, err
	}
	if err := file.Truncate(r.at); err != nil {
		return h, End{}, err
	}
	if _, err := file.Seek(r.at, io.SeekStart); err != nil {
		return h, End{}, err
	}
	w, err := newWriter(file, len(h.Topics))
	if err != nil {
		return h, End{}, err
	}
	w.digest, w.end = r.digest, End{Blocks: r.blocks, Records: r.count}
	return export(ctx, client, w, h, next, o)
}

// plan resolves the bounds before anything is read.
func plan(ctx context.Context, client *events.Client, o ExportOptions) (Header, error) {
	h := Header{ID: spec.NewID(), Time: time.Now().UTC(), Selection: o.Selection}
	until := events.End()
	if o.Until != nil {
		until = *o.Until
	}
	topics, err := describe(ctx, client, o.Topics)
	if err != nil {
		return h, err
	}
	for i, name := range o.Topics {
		from, err := client.Offsets(ctx, name, &o.From)
		if err != nil {
			return h, err
		}
		to, err := client.Offsets(ctx, name, &until)
		if err != nil {
			return h, err
		}
		t := Topic{Name: name, ID: topics[i].ID}
		for j, p := range from {
			if p.At == nil || to[j].At == nil {
				return h, fmt.Errorf("find the bounds of %s partition %d: %s", name, p.Partition, p.Problem)
			}
			end := *to[j].At
			if !o.Uncommitted {
				end = min(end, p.Stable)
			}
			t.Partitions = append(t.Partitions, Partition{ID: p.Partition, From: *p.At, Until: max(*p.At, end)})
		}
		h.Topics = append(h.Topics, t)
	}
	return h, nil
}

// describe finds topics, in the order of their names as given.
func describe(ctx context.Context, client *events.Client, names []string) ([]events.Topic, error) {
	var list []events.Topic
	for _, name := range names {
		topics, err := client.Topics(ctx, name)
		if err != nil {
			return nil, err
		}
		list = append(list, topics[0])
	}
	return list, nil
}

// same reports that an archive is of these topics and this selection.
func same(ctx context.Context, client *events.Client, h Header, o ExportOptions) error {
	topics, err := describe(ctx, client, o.Topics)
	if err != nil {
		return err
	}
	if len(topics) != len(h.Topics) || h.Selection != o.Selection {
		return ErrOtherExport
	}
	for i, t := range topics {
		if t.Name != h.Topics[i].Name || t.ID != h.Topics[i].ID {
			return fmt.Errorf("%w: %s is not the topic %s that it holds", ErrOtherExport, t.Name, h.Topics[i].Name)
		}
	}
	return nil
}

// positions reads on to the end, or to what is wrong, and returns where each
// topic's partitions go on.
func (r *Reader) positions() ([]map[int32]int64, error) {
	next := make([]map[int32]int64, len(r.header.Topics))
	for i, t := range r.header.Topics {
		next[i] = make(map[int32]int64)
		for _, p := range t.Partitions {
			next[i][p.ID] = p.From
		}
	}
	for {
		records, err := r.Next()
		if err != nil {
			return next, err
		}
		for i := range records {
			next[records[i].Topic][records[i].Partition] = records[i].Offset + 1
		}
	}
}

func export(ctx context.Context, client *events.Client, w *Writer, h Header, next []map[int32]int64, o ExportOptions) (Header, End, error) {
	progress := o.progress(w, next, h)
	for i, t := range h.Topics {
		if err := exportTopic(ctx, client, w, i, t, next[i], o, progress); err != nil {
			err = errors.Join(err, w.Flush())
			return h, w.end, err
		}
	}
	end, err := w.Close()
	return h, end, err
}

func exportTopic(ctx context.Context, client *events.Client, w *Writer, at int, t Topic, next map[int32]int64, o ExportOptions, progress func(passed, all int64)) error {
	ends := make(map[int32]int64)
	var partitions []int32
	for _, p := range t.Partitions {
		ends[p.ID] = p.Until
		if next[p.ID] < p.Until {
			partitions = append(partitions, p.ID)
		}
	}
	if len(partitions) == 0 {
		return nil
	}
	until := events.AtOffsets(ends)
	_, err := client.Scan(ctx, events.ScanOptions{
		Topic: t.Name, Partitions: partitions, From: events.AtOffsets(next), Until: &until, Uncommitted: o.Uncommitted, OnProgress: progress,
	}, func(r *kgo.Record) error {
		if o.Match != nil && !o.Match(r) {
			return nil
		}
		return w.Add(at, r)
	})
	return err
}

// progress tells of all topics together.
func (o ExportOptions) progress(w *Writer, next []map[int32]int64, h Header) func(passed, all int64) {
	if o.OnProgress == nil {
		return nil
	}
	var total, before, last int64
	for i, t := range h.Topics {
		for _, p := range t.Partitions {
			total += p.Until - next[i][p.ID]
		}
	}
	return func(passed, _ int64) {
		if passed < last { // another topic has begun
			before += last
		}
		last = passed
		o.OnProgress(w.end.Records, before+passed, total)
	}
}
