// Package dynamoledger keeps the ledger in three DynamoDB tables (Meta, Cursors, Stats), and partials that are too large
// for an item in S3. Any number of processes share it.
//
// What counts lines is one conditional write of one item. A call may reach DynamoDB more than once when an answer is
// late; each recognises what an earlier attempt of it has done (see DESIGN.md). Everything that decides is read
// consistently. Each remote call has a deadline; what DynamoDB refuses for a while is ledger.ErrThrottled.
//
// Call [Ensure] once to make the tables, [Check] where a program starts, [Open] in each process.
package dynamoledger
