package events

// slab is the memory of records that were given together. It serves again when
// all of them were acknowledged while their callers waited; if one was not, it
// may be anywhere, and the slab is left to the garbage collector.
type slab struct {
	room [partRecords]sending
	open int // how many of those in use were not acknowledged
}

// room returns what gives the memory of one record after the other, of so many.
// A few are not worth a slab, most of which would be empty.
func (x *sender) room(records int) (next func() *sending) {
	if records < partRecords/2 {
		room := make([]sending, records)
		return func() (s *sending) {
			s, room = &room[0], room[1:]
			return s
		}
	}
	b, used := x.takeSlab(), 0
	return func() *sending {
		s := &b.room[used]
		s.slab = b
		used++
		b.open++
		return s
	}
}

func (x *sender) takeSlab() *slab {
	x.mu.Lock()
	defer x.mu.Unlock()
	last := len(x.slabs) - 1
	if last < 0 {
		return &slab{}
	}
	b := x.slabs[last]
	x.slabs = x.slabs[:last]
	return b
}

// giveBack is told of each record that was acknowledged plainly, under the lock.
func (x *sender) giveBack(b *slab) {
	if b == nil {
		return
	}
	if b.open--; b.open == 0 {
		clear(b.room[:]) // what the records pointed to is not kept
		x.slabs = append(x.slabs, b)
	}
}
