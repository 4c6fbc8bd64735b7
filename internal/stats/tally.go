package stats

// Tally adds lines up in a partial. It belongs to one goroutine.
type Tally struct{ part *Partial }

// NewTally makes a tally with an empty partial.
func (p *Program) NewTally(rule Rule) (*Tally, error) { return nil, errSkeleton }

// Line takes one line, without its newline; a trailing CR is dropped. number is its number in the object, from 0.
// The error is the reason of a Rejected line, short and without the line's text; it is nil for other outcomes. The
// line is not kept.
func (t *Tally) Line(number int64, line []byte) (Outcome, error) { return Rejected, errSkeleton }

// Partial is what the tally adds to: it stays the tally's, and may be read, encoded and Reset between lines.
func (t *Tally) Partial() *Partial { return t.part }
