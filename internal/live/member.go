package live

import (
	"fmt"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/stats"
)

// member is an entry that is to count in one generation: its mark, and the rows that its line alone gives.
type member struct {
	entries.Counted
	rows []ledger.Row // without measures for people
	size int          // of the rows in bytes
	text int          // of the entry's line in bytes
}

// What a line's rows may have in bytes, so that they fit into items and a transaction with whatever else is in the rows.
const (
	maxDims = 350 << 10
	maxRows = entries.MaxBytes / 3 * 2
)

// members reads the lines of entries.
func (g *generation) members(list []entries.Entry) ([]member, error) {
	t, err := g.newTallies()
	if err != nil {
		return nil, err
	}
	members := make([]member, 0, len(list))
	for _, e := range list {
		members = append(members, t.member(e))
	}
	return members, nil
}

// tallies read one line after the other, each for itself.
type tallies struct {
	all    *stats.Tally
	before *stats.Tally // counts what is the replay's; nil: nothing is
}

func (g *generation) newTallies() (*tallies, error) {
	var t tallies
	var err error
	if t.all, err = g.program.NewTally(stats.Rule{All: true}); err != nil {
		return nil, fmt.Errorf("counting in generation %d of %s: %w", g.number, g.protocol, err)
	}
	if g.cutoff.IsZero() {
		return &t, nil
	}
	if t.before, err = g.program.NewTally(stats.Rule{Cutoff: nanos(g.cutoff)}); err != nil {
		return nil, fmt.Errorf("counting in generation %d of %s: %w", g.number, g.protocol, err)
	}
	return &t, nil
}

// lineNumber is what an entry's line is to the parser. It is not 0: line 0 of an object may be a header or bear a byte
// order mark, and an entry does neither, here and in the archive.
const lineNumber = 1

// member reads one entry's line. A line that does not parse, one that is no record, and one that is the replay's have no rows.
func (t *tallies) member(e entries.Entry) member {
	m := member{Counted: entries.Counted{ID: e.ID}, text: len(e.Line)}
	line := entries.OneLine(e.Line)
	if t.before != nil {
		outcome, _ := t.before.Line(lineNumber, line)
		t.before.Partial().Reset()
		if outcome == stats.Counted {
			return m
		}
	}
	if _, err := t.all.Line(lineNumber, line); err != nil {
		m.Error = err.Error()
		return m
	}
	for r := range t.all.Partial().Rows() {
		row := ledger.Row{Statistic: r.Statistic, Day: r.Day(), Key: r.Key(), Dims: r.DimsJSON(), State: r.State()}
		if len(row.Dims) > maxDims {
			m.Error = fmt.Sprintf("a row of statistic %s has %d bytes of dimensions, more than %d", row.Statistic, len(row.Dims), maxDims)
		}
		m.rows = append(m.rows, row)
		m.size += sizeOf(row)
	}
	t.all.Partial().Reset()
	if m.size > maxRows && m.Error == "" {
		m.Error = fmt.Sprintf("its rows have %d bytes, more than %d", m.size, maxRows)
	}
	if m.Error != "" {
		m.rows, m.size = nil, 0
	}
	return m
}

// sizeOf is what a row takes of a transaction, in bytes.
func sizeOf(r ledger.Row) int {
	return len(r.Statistic) + len(r.Day) + len(r.Key) + len(r.Dims) + len(r.Measures) + len(r.State)
}

// keyOf names a row within a part.
func keyOf(r ledger.Row) entries.RowKey {
	return entries.RowKey{Statistic: r.Statistic, Day: r.Day, Key: r.Key}
}
