// Package testenv installs and starts the real engines that the conformance
// tests and the benchmarks run against: Apache Kafka, Apicurio Registry,
// Consul, PostgreSQL and the Kubernetes control plane, with the peer tools beside
// them.
//
// PostgreSQL is Debian's own package of the machine's release, for the whole
// machine. Any other engine comes from a package registry in a pinned version,
// is checked against a checksum that is committed here (Maven jars and Debian
// packages: a list of SHA-256 sums; Go modules: go.sum; Python: pip's hashes)
// and is kept in
//
//	<os.UserCacheDir>/suokectl/engines/<name>-<version>
//
// An install happens in a temporary folder beside that one and is renamed when
// it is whole, under a file lock, so tests of several packages may ask for the
// same engine at once and a killed install leaves nothing that looks finished.
//
// A started engine listens on free loopback ports, keeps its data in a folder
// of its own, is ready when the function returns, and is stopped (SIGTERM, then
// SIGKILL, to its whole process group) and waited for when its test ends. It
// dies with the test binary too, on Linux. The tail of its log is printed when
// the test failed.
//
// Each engine has two constructors: Kafka(t) ties the engine to a test, and
// StartKafka(dir) to a folder, for a TestMain or a benchmark that shares one
// engine and stops it by itself.
//
// Nothing in the tests of the root module may import this package, since those
// are hermetic: it is used from the conformance and bench folders alone.
package testenv
