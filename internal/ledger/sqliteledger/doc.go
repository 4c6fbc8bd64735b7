// Package sqliteledger keeps the ledger in one SQLite file that any number of processes of one machine share.
//
// It promises what package ledger asks for, and no more: a write that returned nil survives the death of the process
// (a power cut may take the last ones back, all or none of each), and every read sees the last write. Claim, Commit,
// Settle and Reopen are one UPDATE each whose WHERE is their condition; nothing is decided on what was read before.
// Scans and reads of rows go by pages, so that none of them keeps the write-ahead log from being emptied.
//
// DESIGN.md beside this file says why it is laid out like this and what happens when something fails.
package sqliteledger
