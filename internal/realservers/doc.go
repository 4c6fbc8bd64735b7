// Package realservers starts real implementations of the AWS services for tests: fauxqs for SQS, DynamoDB Local, versitygw
// for S3, and moto for what is left. Each starts once per test process, at its first use, on loopback and a free port, and
// keeps its data in memory or in a temporary folder.
//
// A package that uses them gives its tests to [Main]:
//
//	func TestMain(m *testing.M) { realservers.Main(m) }
//
// Main stops the servers when the tests are done. Where the process dies before that, the kernel kills them with it (on
// Linux). `make servers` installs them into bin/servers; REPRISE_SERVERS names another folder. A test whose server cannot be
// had is skipped with the reason; with REPRISE_REQUIRE=all it fails.
//
// All functions are safe for concurrent use.
//
// # Where the servers differ from AWS
//
// On an idle machine fauxqs starts in 0.5 s (75 MB), DynamoDB Local in 3 to 5 s (235 MB), versitygw in 0.1 s (30 MB), moto in
// 0.6 s (55 MB). What they answer, as far as it was looked at, is what AWS documents, with these exceptions:
//
// fauxqs, as launch/fauxqs.mjs runs it:
//   - a receipt that is not valid any more, or never was, is MessageNotInflight for ChangeMessageVisibility, ReceiptHandleIsInvalid
//     for an entry of ChangeMessageVisibilityBatch, and no error for DeleteMessage, alone or in a batch;
//   - a new message wakes every long poll of its queue: the ones that get nothing return at once, empty;
//   - MessageRetentionPeriod is checked and kept, but no message expires;
//   - a delay above 900 s is taken, as is a redrive policy that names a queue which does not exist;
//   - RedriveAllowPolicy is an unknown attribute; ListDeadLetterSourceQueues, StartMessageMoveTask and ListMessageMoveTasks are
//     unknown actions (InvalidAction).
//
// DynamoDB Local: no throttling, no transaction conflicts (all writes are one after the other), one shard for each stream, no
// UpdateContinuousBackups, tables are ACTIVE at once.
//
// versitygw keeps an object as a file:
//   - a key cannot be another key's folder (ObjectParentIsFile), end in a slash and have content, or have a part longer than
//     255 bytes; empty, "." and ".." parts of a key are resolved as in a path: "a//b" is "a/b";
//   - a continuation token is the last key: any string is taken;
//   - creating a bucket again is BucketAlreadyOwnedByYou; tags come in no order.
//
// moto's listing is not XML where a key has control characters, and it sends a wrong answer to a key with a newline; it loses
// updates of concurrent DynamoDB transactions.
package realservers
