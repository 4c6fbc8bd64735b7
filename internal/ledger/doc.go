// Package ledger is the contract of the truth: which replays there are, which generations with which definitions, how
// far each object is read and what its lines add up to, and the rows that readers read.
//
// A queue's message is only a wake-up and an object's tag only a mirror; whatever they say, the ledger decides. A
// line counts at the moment when [Claims.Commit] moves a cursor past it: position and sums are one conditional write
// of one item, so no crash, repetition or late writer can separate them.
//
// Drivers: sqliteledger (one file, several processes), dynamoledger. Both pass the suite in ledgertest. What drivers
// share (starting, folding, finishing a replay) lives above, in package replay.
package ledger
