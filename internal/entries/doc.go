// Package entries is the contract of the incoming table: the lines that producers put there, the feed of new ones, how
// each is counted live in every generation there is, and the batches in which it moves to the archive.
//
// Two rules carry the exactly-once of the live side, and each is the condition of a write (internal/live/DESIGN.md):
//
//   - An entry counts in a generation in one transaction with its mark: [Counting.Count] writes the rows and adds the
//     generation to the entry's Gens, if the entry lacks it and is in no batch.
//   - An entry joins a batch only when it is counted in every generation that its protocol counts live, in a transaction
//     that holds the protocol's epoch: [Batches.Join]. A start raises the epoch, so a batch of an earlier epoch is the replay's to
//     count, and a later one never.
//
// The sparse index of unfinished entries ([Intake.Unfinished]) lags: it only finds work. What decides is read consistently
// or is the condition of a write (promise P10).
//
// Drivers: sqliteentries (in the file of sqliteledger, because counting spans both), dynamoentries (beside dynamoledger).
// Both pass the suite in entriestest. What drivers share lives above, in packages live and archiver.
package entries
