// Package crashpoints is the crash-point certificate: a test that cuts every transition of a replay off at every call
// that it makes, one at a time and in four ways, and lets others recover. It has no code of its own.
//
//	go test -run TestCertificate -v ./internal/crashpoints
//
// prints the scenarios, the calls of each, the points, and how many of them ended as a run without a fault does: with the
// rows that a recount of the input gives. docs/testing.md tells how the points come about and what is looked at in the end.
package crashpoints
