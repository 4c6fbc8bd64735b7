// Package demo makes a realistic archive of three protocols and knows what a replay of it must give.
//
// [Generate] writes objects of DNS queries (Zeek's JSON), web requests (combined log format) and application logs
// (logfmt): of mixed size and compression, a few bad lines, lines after the cutoff, and one object that is cut off.
// While it writes, it counts every statistic of [Config] by itself, with plain maps and integers, and nothing of
// package stats: it is the oracle that a replay's rows are compared with ([Compare]).
//
// The same options give the same bytes and the same counts, whatever the machine and GOMAXPROCS. Nothing that is
// there already is deleted; an object of the same key is replaced in one step.
package demo
