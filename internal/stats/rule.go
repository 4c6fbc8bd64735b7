package stats

import "time"

// Rule says which lines count.
type Rule struct {
	// Cutoff is the last timestamp that counts, in nanoseconds since 1970, inclusive. Ignored when All is set.
	Cutoff int64
	// All counts every line, whatever its timestamp.
	All bool
}

// String gives "all" or "ts <= 2018-03-24T17:25:00Z". It is part of what makes a partial reusable, so it is exact.
func (r Rule) String() string {
	if r.All {
		return "all"
	}
	return "ts <= " + time.Unix(0, r.Cutoff).UTC().Format(time.RFC3339Nano)
}

// Outcome is what became of a line. Every line has exactly one.
type Outcome uint8

// The outcomes. read = counted + after_cutoff + rejected; blank lines have a number but are not records.
const (
	Counted Outcome = iota
	AfterCutoff
	Rejected
	Blank
)

// String gives the word that accounts use.
func (o Outcome) String() string {
	switch o {
	case Counted:
		return "counted"
	case AfterCutoff:
		return "after_cutoff"
	case Rejected:
		return "rejected"
	case Blank:
		return "blank"
	}
	return "unknown"
}
