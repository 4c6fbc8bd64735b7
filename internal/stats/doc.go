// Package stats turns lines into the rows of a protocol's statistics, and merges such rows.
//
// A [Definition] is the text of a protocol's format, timestamp and statistics; a generation keeps it. [Compile] makes
// a [Program] of it: immutable, and shared by all goroutines. A [Tally] is one goroutine's: it takes lines and adds
// them up in its [Partial]. Partials merge in any order and any grouping to the same rows, to the digit: integer
// sums are exact, float sums are exact and rounded once when printed, a distinct count depends on the set of values
// alone. So a partial is a pure function of the lines, the definition and the [Rule], and its blob has one encoding.
//
// What the package does not do: it reads nothing, writes nothing, asks no clock and starts no goroutine.
//
//	p, err := stats.Compile(definition)      // errors name the statistic, the key and what to do
//	t, err := p.NewTally(stats.Rule{All: true})
//	outcome, err := t.Line(number, line)     // per line; err is the reason of a Rejected line
//	blob := t.Partial().AppendBlob(nil)      // what a commit carries
//
//	sum := p.NewPartial()
//	err = sum.MergeBlob(blob, nil)           // what a fold does
//	err = stats.WriteCSV(w, sum, "queries")
//
// A blob or a row that does not belong to the program, or is corrupt, is an error and never wrong rows.
package stats
