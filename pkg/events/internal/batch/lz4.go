package batch

import (
	"encoding/binary"
	"slices"

	"github.com/pierrec/lz4/v4"
)

// The fields of the LZ4 frame format that are looked at.
const (
	lz4Magic        = 0x184D2204
	lz4Version      = 0b0100_0000
	lz4VersionBits  = 0b1100_0000
	lz4Independent  = 0b0010_0000
	lz4BlockSum     = 0b0001_0000
	lz4ContentSize  = 0b0000_1000
	lz4ContentSum   = 0b0000_0100
	lz4Dictionary   = 0b0000_0001
	lz4Uncompressed = 1 << 31
)

// lz4Most bounds what a frame may hold; a batch never does.
const lz4Most = 1 << 30

// decodeLZ4 decodes a frame into dst, block by block, where the blocks do not
// refer to each other, as those of all Kafka clients do not. It leaves out the
// frame's own checksums, since that of the batch has been compared. It reports
// false for all else, which is left to the library's reader.
func decodeLZ4(dst, src []byte) ([]byte, bool) {
	if len(src) < 7 || binary.LittleEndian.Uint32(src) != lz4Magic {
		return dst, false
	}
	flags, size := src[4], src[5]>>4&7
	if flags&lz4VersionBits != lz4Version || flags&lz4Independent == 0 || flags&lz4Dictionary != 0 || size < 4 {
		return dst, false
	}
	most := 1 << (8 + 2*int(size))
	at := 7
	if flags&lz4ContentSize != 0 {
		at += 8
	}
	for len(src) >= at+4 {
		length := binary.LittleEndian.Uint32(src[at:])
		at += 4
		if length == 0 {
			if flags&lz4ContentSum != 0 {
				at += 4
			}
			return dst, at == len(src)
		}
		end := at + int(length&^lz4Uncompressed)
		if end > len(src) || len(dst) > lz4Most {
			return dst, false
		}
		var ok bool
		if dst, ok = decodeLZ4Block(dst, src[at:end], length&lz4Uncompressed != 0, most); !ok {
			return dst, false
		}
		if at = end; flags&lz4BlockSum != 0 {
			at += 4
		}
	}
	return dst, false
}

func decodeLZ4Block(dst, block []byte, plain bool, most int) ([]byte, bool) {
	if plain {
		return append(dst, block...), len(block) <= most
	}
	dst = slices.Grow(dst, most)
	n, err := lz4.UncompressBlock(block, dst[len(dst):len(dst)+most])
	if err != nil {
		return dst, false
	}
	return dst[:len(dst)+n], true
}
