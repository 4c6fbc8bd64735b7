// Package e2e tests the whole system: the real binary, started as real processes that share nothing but the files of
// the local backend, or the services of the aws backend as internal/realservers starts them. It holds tests alone.
//
// What it is for: what no package can show of itself. Rows that another program computed from real logs, whatever
// the objects are compressed with and however many processes work; rows of a generated archive, recounted with plain
// maps; processes that are killed in the middle of what they do; and what somebody sees at the command line: exit
// codes, what goes to standard output and what to standard error. On the aws backend (files cloud*_test.go) also what only
// services do: calls that fail after they were carried out, messages that the queue gives up, tags that other tools read.
// In files live*_test.go the same for the live side: lines that come in while all of that goes on.
//
// What it promises: every process is stopped by its own handle, every file lies below the test's own folder, nothing
// sleeps (tests ask the program itself until an answer comes, with a deadline), and nothing of the code under test
// judges its own results.
//
// What it does not: conditions of a single part are the part's own tests' business. The reference logs are beside the
// repository, in shared/corpus or where REPRISE_CORPUS says; without them their test is skipped.
package e2e
