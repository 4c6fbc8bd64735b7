// Package telemetry is how a process tells what it does: metrics for Prometheus, the few that alarms need for CloudWatch (as lines
// of the log), traces for OpenTelemetry, and whether its loops are alive.
//
// A role is handed what it reports to: a [Worker], a [Watcher], a [Live], an [Archiver], a [Pulse], a [Tracer]. All of them may be
// nil, and then do nothing, so that a role never asks whether anybody listens. Reports are per message, chunk and commit, never
// per line. There is no package-level state: two processes' worth of telemetry may live in one, as they do in tests.
//
// Nothing here waits for anybody: a report is a few atomic additions, spans go into a queue that drops when it is full, and the line
// for CloudWatch is written like a line of the log. docs/telemetry.md is the reference of all names.
package telemetry
