// Package realservers starts real implementations of the AWS services for tests: fauxqs for SQS, DynamoDB Local, versitygw
// for S3, and moto for what is left. Each starts once per test process, at its first use, on loopback and a free port, and
// keeps its data in memory or in a temporary folder.
//
// A package that uses them gives its tests to [Main]:
//
//	func TestMain(m *testing.M) { realservers.Main(m) }
//
// Main stops the servers when the tests are done. Where the process dies before that, the kernel kills them with it.
// `make servers` installs them into bin/servers; REPRISE_SERVERS names another folder. A test whose server cannot be had is
// skipped with the reason; with REPRISE_REQUIRE=all it fails.
//
// All functions are safe for concurrent use.
package realservers
