// Package batch makes many gRPC calls from lines of JSON, over connections that
// they share.
//
// [Run] reads NDJSON, makes a bounded number of calls at a time and writes one line
// of JSON for each line of input, in the order of the input: see [Result]. What is
// wrong with a line, or with its call, is that line's outcome and does not end the
// run. A [Caller] makes the calls: it keeps a channel for each target and the
// descriptors of each method.
//
// # Resuming
//
// With a [Journal] a run can be killed and started again. The journal has a record
// of each line before its call is sent, and one with its result. A later run over
// the same input writes the results that are there, in their place, and makes the
// calls that were never sent. Those between, in flight when the run was killed, may
// have been carried out or not: their outcome is unknown, and they are sent again
// only when [Config.ResendUnknown] says so. Every run writes its whole output anew,
// so whatever an earlier one left of it is of no account.
package batch
