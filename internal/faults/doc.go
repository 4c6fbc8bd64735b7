// Package faults wraps the contracts in decorators that go wrong on purpose: calls that fail before they are made, calls
// whose reply is lost, messages that are lost, repeated, held back and reordered, and a process that dies at a call.
//
//	plan := faults.Random(seed, faults.Rates{Before: 0.05, Reply: 0.05, Lose: 0.05, Repeat: 0.1})
//	q := faults.Queue(real, plan)
//	l := faults.Ledger(real, plan)
//	e := faults.Entries(real, plan)
//
// A [Plan] decides call by call. [Random] draws from a seed, which a test prints; [Cut] lets one call fail, chosen by its
// number, and [At] by its name and number, so that a test goes through every point at which a crash can happen: [Count]
// tells which there are. There each item of a sequence, and each read of a body, is a point. Without a fault a decorator
// passes its contract's suite.
//
// It is for tests; nothing of the program imports it.
package faults
