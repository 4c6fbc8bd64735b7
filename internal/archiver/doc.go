// Package archiver moves counted entries of the incoming table into the log archive, each line exactly once.
//
//	a, err := archiver.New(archiver.Options{
//		Ledger: l, Entries: e, Archive: files, Count: counter.Count, Owner: host, Prefix: "logs/", Layout: layout,
//		Protocols: []archiver.Protocol{{Name: "dns"}},
//	})
//	…
//	err = a.Run(ctx)         // until ctx ends
//	err = a.Once(ctx, true)  // everything there is, now
//
// What it promises: an entry is in one batch, and a batch is one object under one key, so a line is in the archive once,
// whatever crashes or is done twice. An entry joins only when it is counted in every generation that its protocol counts
// live, under the epoch that its object bears in its name ([archive.ObjectName]). An entry is marked as archived only when
// its object is there with its line. Memory is bounded by Options.MaxBytes and a page of entries.
//
// What it does not: it deletes no entry that is not archived, and it never replaces an object. Where another object has
// the key of a batch, that batch waits, with an error that names both ([ErrForeign]), and the others go on.
//
// Any number of processes may run it. A lease for each protocol keeps them from doing the same work; nothing else hangs on
// it. DESIGN.md beside this file says what happens between any two steps.
package archiver
