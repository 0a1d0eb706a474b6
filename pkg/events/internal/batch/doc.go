// Package batch reads record batches, the form in which Kafka stores records
// and answers fetches (message format 2, since Kafka 0.11). What older message
// formats hold is read by the Kafka client.
//
// A batch is read in three steps, so that each can be left out: [Cut] reads its
// header, which says what offsets it covers and whose it is; [Decompressor.Payload]
// checks and decompresses its records as one text; [Reader.Each] parses them.
package batch
