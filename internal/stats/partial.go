package stats

import (
	"encoding/binary"
	"fmt"
	"iter"
)

// Partial holds rows of all statistics of one program. It belongs to one goroutine.
type Partial struct {
	prog   *Program
	tables []*table
	lines  int64     // counted in it, whether or not a statistic took them
	order  []sortRow // scratch: rows of a table
	raw    []byte    // scratch: a blob before compression
	key    []byte    // scratch
}

// NewPartial makes an empty partial.
func (p *Program) NewPartial() *Partial {
	part := &Partial{prog: p, tables: make([]*table, len(p.stats))}
	for i, s := range p.stats {
		part.tables[i] = newTable(s)
	}
	return part
}

// Program is what the partial's rows are of.
func (p *Partial) Program() *Program { return p.prog }

// Len is the number of rows of all statistics.
func (p *Partial) Len() int {
	n := 0
	for _, t := range p.tables {
		n += t.len()
	}
	return n
}

// Lines is how many lines were counted in the partial, with those of the blobs merged into it. A line counts whether or not
// a statistic's condition took it, and a blob counts whole, however few of its rows were kept: what was counted in an
// object must come to the number of lines that its accounts say.
func (p *Partial) Lines() int64 { return p.lines }

// Size is about how many bytes of memory the partial holds, with those that sorting its rows will take before it is
// written. It costs little enough to be asked every few lines.
func (p *Partial) Size() int {
	n, sorted := cap(p.raw)+cap(p.key), cap(p.order)
	for _, t := range p.tables {
		n += t.size()
		sorted = max(sorted, t.len())
	}
	return n + 16*sorted
}

// KeptBytes is the most memory in bytes that an empty partial holds: what a Reset may keep. A bound on Size must be
// well above it.
const KeptBytes = 2 << 20

// Reset empties the partial. Its memory is kept for the next rows, unless it is more than KeptBytes.
func (p *Partial) Reset() {
	if p.Size() > KeptBytes {
		*p = *p.prog.NewPartial()
		return
	}
	p.lines = 0
	for _, t := range p.tables {
		t.reset()
	}
}

// Hashes gives a 64-bit hash of each row, over its statistic's name and its dimensions, in no particular order. It is
// the same in every process and version.
func (p *Partial) Hashes() iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		for _, t := range p.tables {
			for _, h := range t.hashes {
				if !yield(h) {
					return
				}
			}
		}
	}
}

// Rows gives the rows by statistic in the definition's order, then by dimensions left to right as byte strings, null
// before "". A Row is valid until the partial changes.
func (p *Partial) Rows() iter.Seq[Row] {
	return func(yield func(Row) bool) {
		for _, t := range p.tables {
			if !p.rowsOf(t, yield) {
				return
			}
		}
	}
}

func (p *Partial) rowsOf(t *table, yield func(Row) bool) bool {
	order := t.sorted(p.order)
	p.order = nil // the loop's body may use the partial
	defer func() { p.order = order }()
	for _, r := range order {
		if !yield(t.view(r.row)) {
			return false
		}
	}
	return true
}

// A row's state begins with its version and the shape of its statistic.
const (
	stateVersion = 1
	stateHeader  = 1 + 4
)

// MergeRow adds one row as Row.DimsJSON and Row.State gave it. A row that is malformed, or of a statistic that was
// defined otherwise, is ErrState; the partial may then hold some of it and must be thrown away.
func (p *Partial) MergeRow(statistic string, dimsJSON, state []byte) error {
	i, ok := p.prog.byName[statistic]
	if !ok {
		return fmt.Errorf("merging a row: %w", p.prog.unknown(statistic))
	}
	t := p.tables[i]
	if err := p.mergeRow(t, dimsJSON, state); err != nil {
		return fmt.Errorf("merging a row of %s %s: %w: %w", statistic, dimsJSON, ErrState, err)
	}
	return nil
}

func (p *Partial) mergeRow(t *table, dimsJSON, state []byte) error {
	if len(state) < stateHeader || state[0] != stateVersion {
		return errVersion
	}
	if binary.BigEndian.Uint32(state[1:]) != t.stat.shape {
		return errShape
	}
	dims, err := readDimsJSON(dimsJSON)
	if err != nil {
		return err
	}
	if p.key, err = appendDimsKey(p.key[:0], t.stat.byOrder(dims), t.stat.buckets); err != nil {
		return err
	}
	// Checked as a whole before the row is made.
	for row := -1; ; {
		b := state[stateHeader:]
		for _, c := range t.cols {
			if b, err = c.mergeState(row, b); err != nil {
				return err
			}
		}
		if len(b) != 0 {
			return errState
		}
		if row >= 0 {
			return nil
		}
		row = t.row(p.key, t.hash(p.key))
	}
}
