package dlq

// bitmap is a set of offsets, in pages so that what is sparse stays small.
type bitmap struct {
	pages map[int64]*[pageBits / 64]uint64
}

const pageBits = 1 << 13

func newBitmap() *bitmap { return &bitmap{pages: map[int64]*[pageBits / 64]uint64{}} }

func (b *bitmap) set(offset int64, on bool) {
	page := b.pages[offset/pageBits]
	if page == nil {
		if !on {
			return
		}
		page = new([pageBits / 64]uint64)
		b.pages[offset/pageBits] = page
	}
	bit := uint64(1) << (offset % 64)
	if on {
		page[offset%pageBits/64] |= bit
	} else {
		page[offset%pageBits/64] &^= bit
	}
}

func (b *bitmap) has(offset int64) bool {
	page := b.pages[offset/pageBits]
	return page != nil && page[offset%pageBits/64]&(1<<(offset%64)) != 0
}
