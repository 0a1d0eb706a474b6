// Package served holds what the benchmarks of calls are run against, in the
// benchmark's own process, so that its processor time is not the callers':
// a server that does next to nothing (Users), one whose descriptors are many
// files (ManyFiles), and a connection that is far away (Delay).
package served
