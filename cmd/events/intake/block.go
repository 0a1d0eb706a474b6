package intake

import "sync/atomic"

// idleBlocks is how many blocks wait to be read into again.
const idleBlocks = 32

// Block is memory that the texts of records lie in. The input is read into it
// again when all who hold it have released it: new memory for a large file would
// cost as much as all else that is done with it. A block that somebody never
// releases is left to the garbage collector. Its methods may be called by several
// goroutines, and on nil, which is nobody's.
type Block struct {
	room    []byte
	holders atomic.Int32
	idle    chan<- []byte
}

// block returns one with room for so many bytes, which the caller holds.
func (s *source) block(size int) *Block {
	b := &Block{idle: s.idle}
	b.holders.Store(1)
	if size == chunkSize {
		select {
		case b.room = <-s.idle:
			return b
		default:
		}
	}
	b.room = make([]byte, size)
	return b
}

// Hold keeps what lies in the block as it is, until its Release.
func (b *Block) Hold() *Block {
	if b != nil {
		b.holders.Add(1)
	}
	return b
}

// Release is called once for each Hold.
func (b *Block) Release() {
	if b == nil || b.holders.Add(-1) > 0 || len(b.room) != chunkSize {
		return
	}
	select {
	case b.idle <- b.room:
	default:
	}
}
