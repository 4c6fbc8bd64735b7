// Package live counts the entries of the incoming table as they come: each once in every generation that its protocol
// counts live, whatever crashes, repeats or comes out of order.
//
//	c, err := live.New(live.Options{Ledger: l, Entries: e})
//	err = c.Count(ctx, "dns", list)     // what the archiver does before it lets entries into a batch
//	failures := c.CountEach(ctx, list)  // what a handler of the stream does: those it names are not counted, the others are
//	err = c.Sweep(ctx, "dns")           // counts what the index shows; nil: nothing of it is left
//
// A [Counter] keeps nothing between two calls but compiled definitions, and may be used by any number of goroutines; any number of
// processes may count the same entries at once, and each counts once. What it promises rests on one thing: an entry's mark and its
// rows are one transaction ([entries.Counting]). A stale view of Meta is harmless, because the archiver lets no entry go that lacks a
// generation.
//
// A [Consumer] reads the feed, sweeps and compacts, in as many processes as one likes:
//
//	c, err := live.NewConsumer(live.ConsumerOptions{Counter: counter, Owner: "host-1"})
//	err = c.Run(ctx)                    // until ctx ends, or with Once until nothing is left
//	behind, err := live.Lag(ctx, e)     // how far it is behind, from anywhere
//
// A handler of the stream passes over failures that wait ([Failure.Waits]): to be handed such an entry again brings nothing, and the sweeps
// count it when its time has come.
//
// DESIGN.md beside this file tells the way of an entry, what goes wrong and what then, and why.
package live
