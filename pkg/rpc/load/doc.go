// Package load puts load on a method of a gRPC service and measures how it
// bears it.
//
// [Run] makes calls over connections that the caller opens, and returns a
// [Result]: latency percentiles, codes, instances, and how all went over time.
// Two models of load answer two questions:
//
//   - The closed model, with no [Config.Rate], has a number of callers each of
//     which calls again as soon as it has an answer. It tells how much a service
//     can do. A service that stalls stalls its callers too, who then ask less: the
//     percentiles of this model do not show how long others would have waited.
//   - The open model has arrivals at a rate, as users come, whatever the service
//     does. The latency of a call counts from when it was meant to start, so that
//     time spent waiting for a free caller is in it (Gil Tene's "coordinated
//     omission" is the name for leaving it out). The number of calls in flight is
//     bounded; a call that could not start within its timeout is counted as
//     missed, never dropped in silence.
//
// Requests are encoded before they are wanted: [Fixed] bodies once, [Generated]
// ones by a bounded pipeline that runs ahead. gRPC is given the bytes as they are,
// and replies are counted, not decoded. Samples go in batches to one collector,
// which alone has the HDR histograms; callers share no lock but, in the open
// model, that of the arrivals.
//
// Connections should not repeat calls, nor keep them from an instance that
// fails: a channel of package rpc is given one try and breakers that do not
// open. Otherwise the client's good manners are measured in place of the service.
package load
