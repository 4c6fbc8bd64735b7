package sqliteentries

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/ledger/sqliteledger"
	"github.com/seed-56345083/reprise/internal/sqlitedb"
)

// The writes of counting. What they are conditional on is in their WHERE and nowhere else.
const (
	countEntry = `
		UPDATE entries SET processed = 1, error = iif(?2 = '', error, ?2),
			gens = (SELECT json_group_array(value ORDER BY value) FROM (SELECT value FROM json_each(gens) UNION SELECT ?1))
		WHERE id = ?3 AND batch = '' AND NOT EXISTS (SELECT 1 FROM json_each(gens) WHERE value = ?1)`

	insertRow = `
		INSERT INTO stats (dims, measures, state, version, protocol, generation, statistic, part, day, key)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`

	updateRow = `
		UPDATE stats SET dims = ?, measures = ?, state = ?, version = ?
		WHERE protocol = ? AND generation = ? AND statistic = ? AND part = ? AND day = ? AND key = ? AND version = ?`

	removeRow = `
		DELETE FROM stats
		WHERE protocol = ? AND generation = ? AND statistic = ? AND part = ? AND day = ? AND key = ? AND version = ?`
)

// LiveRows returns the rows of one live part with these keys, as of one moment.
func (e *Entries) LiveRows(ctx context.Context, part ledger.Part, keys []entries.RowKey) ([]entries.LiveRow, error) {
	if err := entries.CheckRead(len(keys)); err != nil {
		return nil, fmt.Errorf("reading live rows: %w", err)
	}
	found := make([]entries.LiveRow, len(keys))
	err := e.liveRows(ctx, part, keys, found)
	if err != nil {
		return nil, e.ledger.Explain(err, "reading rows of %s, generation %d, part %s", part.Protocol, part.Generation, part.Name)
	}
	return found, nil
}

func (e *Entries) liveRows(ctx context.Context, part ledger.Part, keys []entries.RowKey, found []entries.LiveRow) error {
	tx, err := e.db.Read.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	read, err := tx.PrepareContext(ctx, `SELECT dims, measures, state, version FROM stats
		WHERE protocol = ? AND generation = ? AND statistic = ? AND part = ? AND day = ? AND key = ?`)
	if err != nil {
		return err
	}
	defer func() { _ = read.Close() }()
	for i, k := range keys {
		r := &found[i]
		r.Statistic, r.Day, r.Key = k.Statistic, k.Day, k.Key
		err := read.QueryRowContext(ctx, part.Protocol, part.Generation, k.Statistic, part.Name, k.Day, k.Key).
			Scan(&r.Dims, &r.Measures, &r.State, &r.Version)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
	}
	return nil
}

// Count marks the entries and writes the rows, all or none.
func (e *Entries) Count(ctx context.Context, c entries.Count) error {
	if err := c.Check(); err != nil {
		return fmt.Errorf("counting: %w", err)
	}
	err := e.db.Tx(ctx, func(tx *sqlitedb.Tx) error {
		mark, err := tx.PrepareContext(ctx, countEntry)
		if err != nil {
			return err
		}
		defer func() { _ = mark.Close() }()
		for _, n := range c.Entries {
			ok, err := sqlitedb.Changed(mark.ExecContext(ctx, c.Part.Generation, n.Error, n.ID))
			if err == nil && !ok {
				err = fmt.Errorf("entry %q: %w", n.ID, entries.ErrStale)
			}
			if err != nil {
				return err
			}
		}
		return writeRows(ctx, tx, c.Part, c.Rows)
	})
	return e.ledger.Explain(err, "counting %d entries in generation %d of %s, part %s",
		len(c.Entries), c.Part.Generation, c.Part.Protocol, c.Part.Name)
}

// writeRows writes rows that still have the version at which they were read, under a new one.
func writeRows(ctx context.Context, tx *sqlitedb.Tx, part ledger.Part, rows []entries.LiveRow) error {
	insert, err := tx.PrepareContext(ctx, insertRow)
	if err != nil {
		return err
	}
	defer func() { _ = insert.Close() }()
	update, err := tx.PrepareContext(ctx, updateRow)
	if err != nil {
		return err
	}
	defer func() { _ = update.Close() }()
	version := sqliteledger.NewVersion()
	for i := range rows {
		r := &rows[i]
		args := []any{
			notNull(r.Dims), notNull(r.Measures), notNull(r.State), version,
			part.Protocol, part.Generation, r.Statistic, part.Name, r.Day, r.Key,
		}
		statement := insert
		if r.Version != "" {
			statement, args = update, append(args, r.Version)
		}
		ok, err := sqlitedb.Changed(statement.ExecContext(ctx, args...))
		if err == nil && !ok {
			err = rowConflict(part.Name, r.RowKey())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func rowConflict(part string, k entries.RowKey) error {
	return fmt.Errorf("row %q of %s in %s: %w", k.Key, k.Statistic, part, entries.ErrConflict)
}

// LiveParts yields the rows of the live parts of one statistic, page by page.
func (e *Entries) LiveParts(ctx context.Context, protocol string, generation int64, statistic string) iter.Seq2[entries.PlacedRow, error] {
	return func(yield func(entries.PlacedRow, error) bool) {
		after := entries.PlacedRow{Part: "live."} // no part has that name
		for {
			found, err := sqlitedb.Collect(ctx, e.db.Read, func(rows *sql.Rows) (entries.PlacedRow, error) {
				var r entries.PlacedRow
				r.Statistic = statistic
				return r, rows.Scan(&r.Part, &r.Day, &r.Key, &r.Dims, &r.Measures, &r.State, &r.Version)
			}, `SELECT part, day, key, dims, measures, state, version FROM stats
				WHERE protocol = ? AND generation = ? AND statistic = ? AND (part, day, key) > (?, ?, ?) AND part < 'live/'
				ORDER BY part, day, key LIMIT ?`,
				protocol, generation, statistic, after.Part, after.Day, after.Key, page)
			if err != nil {
				yield(entries.PlacedRow{}, e.ledger.Explain(err, "reading live rows of %s, generation %d, %s", protocol, generation, statistic))
				return
			}
			for i := range found {
				if !yield(found[i], nil) {
					return
				}
			}
			if len(found) < page {
				return
			}
			after = found[len(found)-1]
		}
	}
}

// MergeLive writes a row and removes those that it took up, all or none.
func (e *Entries) MergeLive(ctx context.Context, m entries.Merge) error {
	if err := m.Check(); err != nil {
		return fmt.Errorf("merging live rows: %w", err)
	}
	err := e.db.Tx(ctx, func(tx *sqlitedb.Tx) error {
		if err := writeRows(ctx, tx, m.Into, []entries.LiveRow{m.Row}); err != nil {
			return err
		}
		for _, r := range m.Remove {
			ok, err := sqlitedb.Changed(tx.ExecContext(ctx, removeRow,
				m.Into.Protocol, m.Into.Generation, r.Key.Statistic, r.Part, r.Key.Day, r.Key.Key, r.Version))
			if err == nil && !ok {
				err = rowConflict(r.Part, r.Key)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return e.ledger.Explain(err, "merging live rows of %s, generation %d, into %s", m.Into.Protocol, m.Into.Generation, m.Into.Name)
}
