package stats

import "iter"

// Partial holds rows of all statistics of one program. It belongs to one goroutine.
type Partial struct{ prog *Program }

// NewPartial makes an empty partial.
func (p *Program) NewPartial() *Partial { return &Partial{prog: p} }

// Program is what the partial's rows are of.
func (p *Partial) Program() *Program { return p.prog }

// Len is the number of rows of all statistics.
func (p *Partial) Len() int { return 0 }

// Size is about how many bytes of memory the partial holds.
func (p *Partial) Size() int { return 0 }

// Reset empties the partial. It keeps its memory for the next rows, within reason.
func (p *Partial) Reset() {}

// AppendBlob appends the partial's encoding to dst: compressed, and the same for the same content, whatever the
// order in which it came together.
func (p *Partial) AppendBlob(dst []byte) []byte { return dst }

// MergeBlob adds the rows of a blob whose hash keep accepts; a nil keep accepts all. A blob that is corrupt, or of
// other statistics, is an error (ErrBlob); the partial may then hold some of its rows and must be thrown away.
func (p *Partial) MergeBlob(blob []byte, keep func(hash uint64) bool) error { return errSkeleton }

// MergeRow adds one row as Row.DimsJSON and Row.State gave it.
func (p *Partial) MergeRow(statistic string, dimsJSON, state []byte) error { return errSkeleton }

// Hashes gives a 64-bit hash of each row, over its statistic and dimensions, in no particular order. It is the same
// in every process and version.
func (p *Partial) Hashes() iter.Seq[uint64] { return func(func(uint64) bool) {} }

// Rows gives the rows by statistic in the definition's order, then by dimensions left to right as byte strings, null
// before "". A Row is valid until the partial changes.
func (p *Partial) Rows() iter.Seq[Row] { return func(func(Row) bool) {} }
