// Package sqliteentries keeps the incoming table in the file of sqliteledger, because an entry counts in one transaction
// with its rows, and joins a batch in one with the protocol's epoch.
//
// It promises what package entries asks for, and more in two places: nothing here lags, and the feed, which is the table
// itself in the order of the writes, forgets an entry only when Expire removes it.
//
// DESIGN.md beside this file says why it is laid out like this and what happens when something fails.
package sqliteentries
