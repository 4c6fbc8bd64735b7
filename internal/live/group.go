package live

import (
	"errors"
	"fmt"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/ledger"
)

// group is the members of one transaction.
type group struct {
	*generation
	members []member
}

// lookAhead is how many members may be passed over in the hope that a later one still fits into a group.
const lookAhead = 100

// pack makes groups of members, each as full as a transaction may be. Members that share rows with those before them go
// well together, so one that does not fit is passed over for a later one that may.
func pack(g *generation, members []member) []group {
	left := make([]packing, len(members))
	numbers := map[entries.RowKey]int{}
	for i, m := range members {
		left[i].member = m
		for _, r := range m.rows {
			n, known := numbers[keyOf(r)]
			if !known {
				n = len(numbers)
				numbers[keyOf(r)] = n
			}
			left[i].keys = append(left[i].keys, n)
		}
	}
	var groups []group
	in := make([]int, len(numbers)) // the last group, from 1, that has a key
	for len(left) > 0 {
		full := group{generation: g}
		number, size, text, items := len(groups)+1, 0, 0, 0
		var rest []packing
		for i, m := range left {
			if items == entries.MaxItems || len(rest) == lookAhead {
				rest = append(rest, left[i:]...)
				break
			}
			more := 1
			for _, k := range m.keys {
				if in[k] != number {
					more++
				}
			}
			if items > 0 && (items+more > entries.MaxItems || size+m.size > maxRows || text+m.text > entries.MaxText) {
				rest = append(rest, m)
				continue
			}
			for _, k := range m.keys {
				in[k] = number
			}
			items, size, text = items+more, size+m.size, text+m.text
			full.members = append(full.members, m.member)
		}
		groups, left = append(groups, full), rest
	}
	return groups
}

// packing is a member on its way into a group.
type packing struct {
	member
	keys []int // of its rows
}

// keys are the rows that the group adds to, in the order in which they come first.
func (g group) keys() []entries.RowKey {
	var keys []entries.RowKey
	seen := map[entries.RowKey]bool{}
	for _, m := range g.members {
		for _, r := range m.rows {
			if k := keyOf(r); !seen[k] {
				seen[k] = true
				keys = append(keys, k)
			}
		}
	}
	return keys
}

// errLarge says that the rows of a group have grown beyond a transaction.
var errLarge = errors.New("the rows are more than a transaction holds")

// onto adds the group's rows to those that a part has.
func (g group) onto(there []entries.LiveRow) ([]entries.LiveRow, error) {
	sum := g.program.NewPartial()
	versions := make(map[entries.RowKey]string, len(there))
	for _, r := range there {
		versions[keyOf(r.Row)] = r.Version
		if r.Version == "" {
			continue
		}
		if err := sum.MergeRow(r.Statistic, r.FullDims(), r.State); err != nil {
			return nil, fmt.Errorf("reading a live row: %w", err)
		}
	}
	for _, m := range g.members {
		for _, r := range m.rows {
			if err := sum.MergeRow(r.Statistic, r.FullDims(), r.State); err != nil {
				return nil, fmt.Errorf("counting entry %q: %w", m.ID, err)
			}
		}
	}
	rows, size := make([]entries.LiveRow, 0, sum.Len()), 0
	for r := range sum.Rows() {
		row := entries.LiveRow{Row: ledger.Row{
			Statistic: r.Statistic, Day: r.Day(), Key: r.Key(),
			Dims: r.DimsJSON(), Measures: r.MeasuresJSON(), State: r.State(),
		}}
		version, asked := versions[keyOf(row.Row)]
		if !asked { // the dimensions of a stored row are not those of its key
			return nil, fmt.Errorf("reading a live row of %s: its dimensions %s do not belong to its key", row.Statistic, row.Dims)
		}
		row.Version = version
		rows, size = append(rows, row), size+sizeOf(row.Row)
	}
	if size > entries.MaxBytes {
		return nil, fmt.Errorf("%w: %d bytes in %d rows; fewer statistics, or fewer distinct counts, take less", errLarge, size, len(rows))
	}
	return rows, nil
}
