// Package intake reads the records to produce from text: NDJSON, JSON records as
// `events consume` prints them, delimited texts, and CSV.
//
// A [Reader] yields an [Item] for each, in order, with its place in the input.
// What cannot be read is an item too, so that one bad line does not hide the
// others. The bytes of a value are those of the input wherever it holds them.
// Input that begins with the magic of gzip or zstd is decompressed.
package intake
