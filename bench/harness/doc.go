// Package harness compares command lines with each other, fairly: the
// contenders run in turn (A B A B …), so that what the machine does meanwhile
// falls on all of them; the first rounds warm caches and are not counted; what
// is compared are medians of wall time, CPU seconds and peak memory; and the
// output of every counted run is verified by its count of lines and a digest.
//
// A Comparison lists the contenders and the goals; Run measures, and the Result
// is a table for people and JSON for machines:
//
//	result, err := harness.Comparison{
//		Name: "consume 1M events",
//		Contenders: []harness.Contender{
//			{Name: "suokectl", Argv: []string{bin, "events", "consume", topic, "--until", "now"}},
//			{Name: "kcat", Argv: []string{kcat, "-C", "-e", "-q", "-b", broker, "-t", topic}},
//		},
//		SameOutput: true,
//		Goals:      []harness.Goal{{Of: "suokectl", To: "kcat", Metric: harness.Wall, AtMost: 0.67}},
//	}.Run(ctx)
//
// A pipeline is Argv{"sh", "-c", "kcat … | rg …"}: the CPU seconds of all its
// processes are counted, its memory is that of the largest. A contender that is
// Go code (the raw loop that is the floor) is the benchmark's own binary called
// with an argument.
//
// Benchmarks are programs, never tests: a time that is asserted fails on a busy
// machine and proves nothing on an idle one.
package harness
