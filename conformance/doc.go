// Package conformance holds the tests that run against real engines, installed
// by internal/testenv: the same contract suites that the embedded lab passes in
// the tests of the root module, the failure tests that only a real engine can
// give, and the specification's own Python clients.
//
//	make conformance
//
// runs them and prints the contract table: case, lab, real.
package conformance
