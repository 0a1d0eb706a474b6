// Package spool keeps events on disk until a broker has acknowledged them.
//
// A spool is a folder with one owner at a time, which holds the lock on the file "lock" in it. Entries stand in segment
// files, named by a growing number; what is appended is synced before Append returns. An entry is [Waiting], when it was
// certainly never sent, or [MaybeStored]; it is removed once its outcome is known. Entries come back in the order of
// their ids, wherever they stand.
//
// # The format
//
// A segment begins with 8 bytes "suospl\x00\x01" and a mark of 8 random bytes. Then come frames:
//
//	mark    8 bytes, the segment's
//	state   1 byte: 'W' waiting, 'M' maybe stored, 'R' removed; any other counts as maybe stored
//	length  4 bytes, little-endian: of the payload
//	CRC     4 bytes, little-endian: CRC-32C of length and payload
//	payload the entry: id, time, topic, key, value and headers, numbers as varints
//
// The state is overwritten in place, which takes no room: a full disk can be drained. A segment is deleted when all of
// its entries are removed. What a crash cuts short is a torn tail, of which [Spool.Damage] tells; it was never
// acknowledged to anyone. Where a frame is damaged the reader goes on at the next mark, and the file is kept under
// another name when the rest is done with.
package spool
