package spool

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

const (
	magic      = "suospl\x00\x01"
	markSize   = 8
	headerSize = len(magic) + markSize
	// stateAt, lengthAt and payloadAt are offsets in a frame.
	stateAt   = markSize
	lengthAt  = stateAt + 1
	payloadAt = lengthAt + 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Damage is a part of a segment that could not be read.
type Damage struct {
	File   string
	Offset int64
	Bytes  int64
	// Torn says that the file ends within a frame, as a crash leaves it: that
	// event was never reported as kept.
	Torn bool
}

func (d Damage) String() string {
	if d.Torn {
		return fmt.Sprintf("%s ends within an entry at byte %d: %d bytes that a crash cut short are dropped", d.File, d.Offset, d.Bytes)
	}
	return fmt.Sprintf("%s is damaged at byte %d: %d bytes cannot be read, and stay in the file", d.File, d.Offset, d.Bytes)
}

// frame is an entry and where it stands.
type frame struct {
	Entry
	at   int64
	size int64
}

func appendFrame(b, mark []byte, e Entry) []byte {
	start := len(b)
	b = append(append(b, mark...), byte(e.State))
	b = append(b, make([]byte, payloadAt-lengthAt)...)
	b = e.appendPayload(b)
	head := b[start+lengthAt:]
	binary.LittleEndian.PutUint32(head, uint32(len(head)-8))
	binary.LittleEndian.PutUint32(head[4:], checksum(head))
	return b
}

// checksum covers the length and the payload behind it and itself.
func checksum(head []byte) uint32 {
	return crc32.Update(crc32.Checksum(head[:4], castagnoli), castagnoli, head[8:])
}

// readSegment reads the bytes of a segment: all frames that are whole, and what
// is not. The entries share text's memory.
func readSegment(file string, text []byte) (frames []frame, damage []Damage) {
	if len(text) < headerSize || string(text[:len(magic)]) != magic {
		torn := len(text) < headerSize && bytes.HasPrefix([]byte(magic), text[:min(len(text), len(magic))])
		return nil, []Damage{{File: file, Bytes: int64(len(text)), Torn: torn}}
	}
	mark := text[len(magic):headerSize]
	for at := headerSize; at < len(text); {
		e, size, ok := readFrame(text[at:], mark)
		if ok {
			frames = append(frames, frame{Entry: e, at: int64(at), size: int64(size)})
			at += size
			continue
		}
		next := nextFrame(text, at+1, mark)
		damage = append(damage, Damage{
			File: file, Offset: int64(at), Bytes: int64(next - at),
			Torn: next == len(text) && isCutShort(text[at:], mark),
		})
		at = next
	}
	return frames, damage
}

// readFrame reads the frame that text begins with.
func readFrame(text, mark []byte) (e Entry, size int, ok bool) {
	if len(text) < payloadAt || !bytes.Equal(text[:markSize], mark) {
		return Entry{}, 0, false
	}
	length := binary.LittleEndian.Uint32(text[lengthAt:])
	if uint64(length) > uint64(len(text)-payloadAt) {
		return Entry{}, 0, false
	}
	size = payloadAt + int(length)
	head := text[lengthAt:size]
	if binary.LittleEndian.Uint32(head[4:]) != checksum(head) {
		return Entry{}, 0, false
	}
	e, err := parsePayload(head[8:])
	if err != nil {
		return Entry{}, 0, false
	}
	if e.State = State(text[stateAt]); e.State != Waiting && e.State != removed {
		e.State = MaybeStored // the careful reading of a damaged byte
	}
	return e, size, true
}

// nextFrame finds the next whole frame at from or behind it. The mark is
// random, so that no event's text can look like a frame.
func nextFrame(text []byte, from int, mark []byte) int {
	for from < len(text) {
		at := bytes.Index(text[from:], mark)
		if at < 0 {
			break
		}
		if from += at; isFrame(text[from:], mark) {
			return from
		}
		from++
	}
	return len(text)
}

func isFrame(text, mark []byte) bool {
	_, _, ok := readFrame(text, mark)
	return ok
}

// isCutShort reports that a bad frame is the beginning of one.
func isCutShort(text, mark []byte) bool {
	if len(text) < payloadAt {
		return bytes.HasPrefix(mark, text[:min(len(text), markSize)])
	}
	length := binary.LittleEndian.Uint32(text[lengthAt:])
	return bytes.Equal(text[:markSize], mark) && uint64(length) > uint64(len(text)-payloadAt)
}
