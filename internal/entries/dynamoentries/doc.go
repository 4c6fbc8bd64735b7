// Package dynamoentries keeps the incoming table in DynamoDB, with its stream as the feed. Rows of live parts and the
// protocols' epochs are dynamoledger's, in its tables: counting an entry and joining a batch are transactions over both.
//
// Each transaction bears a token of its own, the same over all its attempts, so that one whose answer was lost is not carried
// out twice. Whatever decides is read consistently or is a condition (see DESIGN.md); only [Entries.Unfinished] and
// [Entries.Backlog] read the index, which lags.
//
// Call [Ensure] once to make the table, [Open] in each process. [FromLambda] is for a function that the stream itself calls.
package dynamoentries
