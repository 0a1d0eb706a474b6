package events

import (
	"context"
	"iter"
	"runtime"
	"sync"
	"sync/atomic"
)

// partRecords and partBytes bound what is checked at a time: enough to be worth
// a goroutine, and so little that the first can be sent soon. Records of a part
// share memory, so that one which ends up in the spool keeps its neighbours'.
const (
	partRecords = 64
	partBytes   = 64 << 10
)

// checkedPart is the verdicts on the records from an index on.
type checkedPart struct {
	from     int
	verdicts []checked
	ready    chan struct{}
}

// checkAll checks records ahead of who asks for the verdicts, and yields these
// in the order of the records.
func (c *checker) checkAll(ctx context.Context, records []Record) iter.Seq[checkedPart] {
	return func(yield func(checkedPart) bool) {
		parts := partsOf(records)
		var next atomic.Int64
		check := func() bool {
			i := int(next.Add(1)) - 1
			if i >= len(parts) {
				return false
			}
			c.checkPart(ctx, records, parts[i])
			return true
		}
		var ahead sync.WaitGroup
		defer ahead.Wait()
		for range min(runtime.GOMAXPROCS(0), len(parts)) - 1 {
			ahead.Go(func() {
				for check() {
				}
			})
		}
		for i := range parts {
			for int(next.Load()) <= i && check() { // nobody has begun with it
			}
			<-parts[i].ready
			if !yield(parts[i]) {
				return
			}
		}
	}
}

func (c *checker) checkPart(ctx context.Context, records []Record, p checkedPart) {
	var name string
	var topic *topicVerdict // of that name, once it is known to be good
	for i := range p.verdicts {
		r := &records[p.from+i]
		if topic == nil || r.Topic != name {
			name = r.Topic
			var err error
			if topic, err = c.topic(ctx, name); err != nil {
				topic, p.verdicts[i].err = nil, err
				continue
			}
		}
		p.verdicts[i] = c.checkIn(ctx, r, topic)
	}
	close(p.ready)
}

func partsOf(records []Record) []checkedPart {
	verdicts := make([]checked, len(records))
	var parts []checkedPart
	for from := 0; from < len(records); {
		to, size := from, 0
		for to < len(records) && to-from < partRecords && size < partBytes {
			size += len(records[to].Value)
			to++
		}
		parts = append(parts, checkedPart{from: from, verdicts: verdicts[from:to], ready: make(chan struct{})})
		from = to
	}
	return parts
}
