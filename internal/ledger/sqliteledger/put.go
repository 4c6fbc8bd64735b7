package sqliteledger

import (
	"context"
	"slices"
	"strings"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/sqlitedb"
)

const putBatch = 2000 // rows of one transaction: others wait for the lock for some 10 ms

// putSizes are how many rows one statement puts: as many as are left, from the largest on. What a row costs is mostly what
// the driver and SQLite do once for each statement: 13 µs one by one, 4 µs by the hundred.
var putSizes = [...]int{100, 10, 1}

// putColumns are the columns of which each row has its own value; the others are bound once for all rows of a statement.
const putColumns = 5

// putText puts n rows of one statistic. REPLACE writes all columns of a row that is there, as an upsert of all would, and the
// table has no other index: so SQLite need not look for the row first.
func putText(n int) string {
	const row = `(?1, ?2, ?3, ?4, ?5, ?, ?, ?, ?, ?)`
	return `REPLACE INTO stats (protocol, generation, statistic, part, version, day, key, dims, measures, state) VALUES ` +
		row + strings.Repeat(`, `+row, n-1)
}

// putTexts are the statements of putSizes.
var putTexts = [len(putSizes)]string{putText(putSizes[0]), putText(putSizes[1]), putText(putSizes[2])}

// PutRows puts rows of one part, in transactions of putBatch. Those of a live part get a version, since others may write
// under the one that they have read; those of a base need none. Rows in the order of (statistic, day, key) cost the least.
func (l *Ledger) PutRows(ctx context.Context, part ledger.Part, rows []ledger.Row) error {
	version := ""
	if strings.HasPrefix(part.Name, liveFrom) {
		version = NewVersion()
	}
	for batch := range slices.Chunk(rows, putBatch) {
		if err := l.putBatch(ctx, part, version, batch); err != nil {
			return l.Explain(err, "putting rows of %s, generation %d, part %s", part.Protocol, part.Generation, part.Name)
		}
	}
	return nil
}

// putBatch puts rows in one transaction.
func (l *Ledger) putBatch(ctx context.Context, part ledger.Part, version string, rows []ledger.Row) error {
	return l.db.Tx(ctx, func(tx *sqlitedb.Tx) error {
		args := make([]any, 0, putColumns+putColumns*putSizes[0])
		for _, group := range putGroups(rows) {
			some := rows[group.from : group.from+putSizes[group.size]]
			args = append(args[:0], part.Protocol, part.Generation, some[0].Statistic, part.Name, version)
			for i := range some {
				r := &some[i]
				args = append(args, r.Day, r.Key, notNull(r.Dims), notNull(r.Measures), notNull(r.State))
			}
			if _, err := tx.ExecContext(ctx, putTexts[group.size], args...); err != nil {
				return err
			}
		}
		return nil
	})
}

// putGroup is the rows of one statement: putSizes[size] of them.
type putGroup struct{ from, size int }

// putGroups cuts rows into groups of one statistic each.
func putGroups(rows []ledger.Row) []putGroup {
	var groups []putGroup
	for from := 0; from < len(rows); {
		to := from + 1
		for to < len(rows) && to-from < putSizes[0] && rows[to].Statistic == rows[from].Statistic {
			to++
		}
		size := 0
		for putSizes[size] > to-from {
			size++
		}
		groups = append(groups, putGroup{from, size})
		from += putSizes[size]
	}
	return groups
}
