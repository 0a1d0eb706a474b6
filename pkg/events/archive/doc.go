// Package archive keeps the records of topics in a file, without loss: keys and
// values of any bytes, null as null, headers in their order and as often as they
// are there, timestamps with their type, partitions and offsets.
//
// # Format
//
// A file is the eight bytes "suokarc1" and frames. Integers of frames are little
// endian.
//
//	kind      1 byte: H, B or E
//	length    4 bytes: of the payload, at most 64 MiB
//	checksum  4 bytes: CRC-32C of kind, length and payload
//	payload
//
// The first frame is H, the header: JSON with the archive's id, when it was
// made, and the topics with the offsets from and until which each partition is
// read. Frames B are blocks: records, compressed together by zstd. The last frame
// is E, the end: JSON with the number of blocks and records, and the SHA-256 of
// all checksums before it. A file without it is not complete.
//
// In a block a record is, with Go's varints (encoding/binary; unsigned where a
// negative number makes no sense):
//
//	topic      uvarint, its place in the header
//	partition  uvarint
//	offset     uvarint
//	timestamp  varint, milliseconds since 1970
//	type       1 byte: 0 the producer's timestamp, 1 the broker's
//	key        bytes
//	value      bytes
//	headers    uvarint, and for each its name and its value, bytes both
//
// Bytes are their length + 1 as uvarint, 0 for null, and themselves.
//
// # Use
//
// [Export] writes an archive and [Import] produces one, exactly once: how far it
// has come is written in the transactions of what is produced, under the id of
// the archive. Both go on where a killed run has ended.
package archive
