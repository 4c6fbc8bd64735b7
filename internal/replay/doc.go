// Package replay drives a replay from its start to its end: it opens generations, lists the archive, watches the work,
// folds, promotes, cleans up, and tells how far it is.
//
// Nothing here counts a line; the workers do. Everything here may crash at any point and be done again by whoever
// comes next, under a lease that saves work but protects nothing: each step is a conditional write, or safe to repeat.
// DESIGN.md beside this file has the steps and what each rests on.
package replay
