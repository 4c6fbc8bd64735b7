package sqliteledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/sqlitedb"
)

const rowsPage = 500

// NewVersion is a random version for rows of live parts. One that was used does not come back, so that a row that was
// removed and made anew is not taken for the one that was read.
func NewVersion() string { return fmt.Sprintf("%016x", rand.Uint64()) }

// notNull keeps nil from becoming NULL.
func notNull(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// position is a row's place within a statistic.
type position struct{ part, day, key string }

// The live parts, as a range: "/" is the byte after ".".
const liveFrom, liveTo = "live.", "live/"

// baseRange is the range of the parts base.<n>.*.
func baseRange(n int64) (from, to string) {
	return fmt.Sprintf("base.%d.", n), fmt.Sprintf("base.%d/", n)
}

// Rows yields the rows of one statistic: those of the base, then the live ones.
func (l *Ledger) Rows(ctx context.Context, p ledger.RowsParams) iter.Seq2[ledger.Row, error] {
	return func(yield func(ledger.Row, error) bool) {
		if p.Base != 0 {
			if from, to := baseRange(p.Base); !l.rowRange(ctx, p, from, to, yield) {
				return
			}
		}
		l.rowRange(ctx, p, liveFrom, liveTo, yield)
	}
}

// rowRange yields the rows of the parts in [from, to), page by page, and reports whether the caller wants more.
func (l *Ledger) rowRange(ctx context.Context, p ledger.RowsParams, from, to string, yield func(ledger.Row, error) bool) bool {
	type placed struct {
		position
		row ledger.Row
	}
	after := position{part: from} // no part is named like the beginning of the range alone
	for {
		page, err := sqlitedb.Collect(ctx, l.db.Read, func(rows *sql.Rows) (placed, error) {
			r := placed{row: ledger.Row{Statistic: p.Statistic}}
			err := rows.Scan(&r.part, &r.row.Day, &r.row.Key, &r.row.Dims, &r.row.Measures, &r.row.State)
			r.day, r.key = r.row.Day, r.row.Key
			return r, err
		}, `SELECT part, day, key, dims, measures, state FROM stats
			WHERE protocol = ? AND generation = ? AND statistic = ? AND (part, day, key) > (?, ?, ?) AND part < ?
			ORDER BY part, day, key LIMIT ?`,
			p.Protocol, p.Generation, p.Statistic, after.part, after.day, after.key, to, rowsPage)
		if err != nil {
			yield(ledger.Row{}, l.Explain(err, "reading rows of %s, generation %d, %s", p.Protocol, p.Generation, p.Statistic))
			return false
		}
		for i := range page {
			if !yield(page[i].row, nil) {
				return false
			}
		}
		if len(page) < rowsPage {
			return true
		}
		after = page[len(page)-1].position
	}
}

// Purge removes up to limit rows of a generation. It goes from one part of a statistic to the next by the primary key,
// so that what stays, however much, costs one step a part.
func (l *Ledger) Purge(ctx context.Context, p ledger.PurgeParams, limit int) (int, error) {
	if limit < 1 {
		return 0, fmt.Errorf("purging generation %d of %s: limit %d", p.Generation, p.Protocol, limit)
	}
	var removed int
	err := l.db.Tx(ctx, func(tx *sqlitedb.Tx) error {
		removed = 0
		var statistic, part string
		for removed < limit {
			err := tx.QueryRowContext(ctx, `SELECT statistic, part FROM stats
				WHERE protocol = ? AND generation = ? AND (statistic, part) > (?, ?) ORDER BY statistic, part LIMIT 1`,
				p.Protocol, p.Generation, statistic, part).Scan(&statistic, &part)
			if errors.Is(err, sql.ErrNoRows) {
				return nil
			}
			if err != nil {
				return err
			}
			if stays(p, part) {
				continue
			}
			res, err := tx.ExecContext(ctx, `DELETE FROM stats
				WHERE protocol = ?1 AND generation = ?2 AND statistic = ?3 AND part = ?4 AND (day, key) IN (
					SELECT day, key FROM stats WHERE protocol = ?1 AND generation = ?2 AND statistic = ?3 AND part = ?4
					ORDER BY day, key LIMIT ?5)`, p.Protocol, p.Generation, statistic, part, limit-removed)
			if err != nil {
				return err
			}
			n, err := res.RowsAffected()
			if err != nil {
				return err
			}
			removed += int(n)
		}
		return nil
	})
	if err != nil {
		return 0, l.Explain(err, "purging generation %d of %s", p.Generation, p.Protocol)
	}
	return removed, nil
}

// stays reports whether a purge leaves a part alone.
func stays(p ledger.PurgeParams, part string) bool {
	if p.BelowBase == 0 {
		return false
	}
	fold, ok := ledger.FoldOf(part)
	return !ok || fold >= p.BelowBase
}
