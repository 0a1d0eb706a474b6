package events

import (
	"context"
	"sync/atomic"

	"github.com/suokelife/suokectl/cmd/events/intake"
)

// batchRecords and batchBytes are the most that is given to the producer at once.
const (
	batchRecords = 1024
	batchBytes   = 1 << 20
)

// inputBatch are records that came together.
type inputBatch struct {
	items    []intake.Item
	blocks   []*intake.Block // that they lie in
	end      error           // why nothing follows
	brokeOff int             // the line where that was

	places []int        // of those among the items that the producer has
	first  int          // the sequence of the first
	open   atomic.Int32 // how many have no outcome yet
	failed map[int]bool // items that were not acknowledged
}

// hold keeps a block for the batch, once.
func (b *inputBatch) hold(block *intake.Block) {
	if last := len(b.blocks) - 1; last < 0 || b.blocks[last] != block {
		b.blocks = append(b.blocks, block.Hold())
	}
}

// release lets go of the blocks, unless something of them may still be on its way:
// only what was acknowledged certainly is not.
func (b *inputBatch) release() {
	for _, block := range b.blocks {
		if len(b.failed) == 0 {
			block.Release()
		}
	}
	clear(b.blocks)
	b.blocks = b.blocks[:0]
}

// emptyBatch is a batch whose memory may have served before.
func (p *production) emptyBatch() *inputBatch {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.spare) - 1
	if last < 0 {
		return &inputBatch{failed: make(map[int]bool)}
	}
	batch := p.spare[last]
	p.spare = p.spare[:last]
	batch.items, batch.places = batch.items[:0], batch.places[:0]
	return batch
}

// readAhead hands on batch after batch, while those before are sent, until the
// input or ctx ends.
func (p *production) readAhead(ctx context.Context, reader *intake.Reader, batches chan<- *inputBatch) {
	defer close(batches)
	for {
		batch := p.emptyBatch()
		batch.end = p.read(reader, batch)
		last := batch.end != nil
		select {
		case batches <- batch:
		case <-ctx.Done():
			return
		}
		if last {
			return
		}
	}
}

// read reads a record, and those that have come with it when they may be sent
// without a look at each other's outcome.
func (p *production) read(reader *intake.Reader, batch *inputBatch) error {
	most := batchRecords
	if p.opts.Rate > 0 || p.opts.OnError == onErrorStop {
		most = 1
	}
	for size := 0; ; {
		batch.items = append(batch.items, intake.Item{})
		item := &batch.items[len(batch.items)-1]
		if err := reader.Next(item); err != nil {
			batch.brokeOff = item.Line
			batch.items = batch.items[:len(batch.items)-1]
			return err
		}
		batch.hold(reader.Block())
		size += len(item.Text)
		if len(batch.items) == most || size >= batchBytes || !reader.Ready() {
			return nil
		}
	}
}
