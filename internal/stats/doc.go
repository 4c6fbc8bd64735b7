// Package stats turns lines into the rows of a protocol's statistics, and merges such rows.
//
// A [Definition] is the text of a protocol's format, timestamp and statistics; a generation keeps it. [Compile] makes
// a [Program] of it: immutable, and shared by all goroutines. A [Tally] is one goroutine's: it takes lines and adds
// them up in its [Partial]. Partials merge in any order and any grouping to the same rows, to the digit: integer
// sums are exact, float sums are exact and rounded once when printed, a distinct count depends on the set of values
// alone. So a partial is a pure function of the lines, the definition and the [Rule], and its blob has one encoding.
//
// What is counted:
//   - count counts lines, count(field) those in which the field is present and not null.
//   - sum, min, max and histogram take fields whose text is a finite number, quoted or not; anything else is ignored as
//     if it were missing. sum takes the JSON literals true and false as 1 and 0. Integers are exact, in sums beyond 64
//     bits too. Of nothing, a sum, min or max is missing, and not 0.
//   - min and max of the timestamp field are timestamps, with the precision they were written in.
//   - histogram(field, b1, b2, ...) has one bucket more than bounds; a value at a bound belongs below it.
//   - distinct(field) is exact up to 128 values, then within about 1 %.
//   - by takes minute, hour or day (UTC), or fields: the text of the value, so that 80 and "80" are one; a missing or null
//     field is null, and apart from "".
//   - where is an expression of expr-lang; a field that is missing makes it false, unless it is compared with nil or has
//     a default (??). A name with dots is one field; $env["user agent"] is one that is no name.
//   - @bytes is the length of the line in bytes, usable like a field.
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
