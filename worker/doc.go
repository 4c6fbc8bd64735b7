// Package worker is the pool: it receives messages, claims the cursors that they name, reads a chunk of an archive
// object under a budget of time, folds its lines into a partial, and commits partial and position in one write.
//
//	w, err := worker.New(worker.Options{Queue: q, DeadLetters: dlq, Ledger: l, Archive: a, Name: "host-1"})
//	err = w.Run(ctx) // until ctx ends; then hands back what it holds within Drain
//
// What it promises: a line is counted once, whatever crashes (the commit is one conditional write); a message is
// deleted only after what it asks for is in the ledger; a worker that stops hands back within its drain time, and the
// stop is not held against the object; one object's error never stops the others. What it does not promise: order,
// and that work is done only once — only that it counts once.
//
// What an error does to its message is one value, a [Verdict], decided in one function, [decide].
// DESIGN.md beside this file tells the way of a message, the failure cases, and why.
package worker
