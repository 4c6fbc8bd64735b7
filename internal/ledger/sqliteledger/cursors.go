package sqliteledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/sqlitedb"
)

// How many cursors a page of a scan has; one with partials is at most 4 MiB large.
const (
	scanPage         = 1000
	scanPageContents = 64
)

// Insert puts cursors that are not there yet, here in one transaction.
func (l *Ledger) Insert(ctx context.Context, cursors []ledger.Cursor) error {
	if len(cursors) > ledger.MaxInsert {
		return fmt.Errorf("inserting %d cursors: at most %d at once", len(cursors), ledger.MaxInsert)
	}
	for i := range cursors {
		if err := cursors[i].Check(); err != nil {
			return fmt.Errorf("inserting cursors: %w", err)
		}
	}
	if len(cursors) == 0 {
		return nil
	}
	err := l.db.Tx(ctx, func(tx *sqlitedb.Tx) error {
		insert, err := tx.PrepareContext(ctx, `INSERT INTO cursors (replay, fold, key, `+columns+`)
			VALUES (?, ?, ?`+strings.Repeat(", ?", strings.Count(columns, ",")+1)+`) ON CONFLICT DO NOTHING`)
		if err != nil {
			return err
		}
		defer func() { _ = insert.Close() }()
		for i := range cursors {
			c := &cursors[i]
			args, err := values(c)
			if err != nil {
				return err
			}
			fresh, err := sqlitedb.Changed(insert.ExecContext(ctx, args...))
			if err != nil {
				return err
			}
			body, err := newContent(c.Rejects, c.Segments, c.Partial)
			if err != nil {
				return err
			}
			if fresh && !body.empty() {
				if err := putContent(ctx, tx, c.CursorID, body); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return l.Explain(err, "inserting %d cursors from %s", len(cursors), cursors[0].Key)
}

// Cursor reads one, with its partial; ErrNotFound.
func (l *Ledger) Cursor(ctx context.Context, id ledger.CursorID) (ledger.Cursor, error) {
	c, err := scanCursor(l.db.Row(ctx, readText, id.Replay, foldOf(id), id.Key), id)
	return c, l.Explain(err, "reading the cursor of %s", id.Key)
}

// withContents joins a cursor with its content, in one statement: both are of one moment.
const withContents = `, rejects, segments, partial FROM cursors LEFT JOIN contents USING (replay, fold, key)`

// scanCursor reads what readText finds.
func scanCursor(row *sql.Row, id ledger.CursorID) (ledger.Cursor, error) {
	var r record
	err := row.Scan(r.fields(true)...)
	if errors.Is(err, sql.ErrNoRows) {
		return ledger.Cursor{}, ledger.ErrNotFound
	}
	if err != nil {
		return ledger.Cursor{}, err
	}
	return r.finish(id.Replay, id.Fold)
}

// Scan yields the cursors that p names, in the order of their keys: no cursor that changes its state meanwhile comes
// twice. Between two pages nothing is held.
func (l *Ledger) Scan(ctx context.Context, p ledger.ScanParams) iter.Seq2[ledger.Cursor, error] {
	return func(yield func(ledger.Cursor, error) bool) {
		if err := p.Check(); err != nil {
			yield(ledger.Cursor{}, err)
			return
		}
		limit := scanPage
		if p.Partials {
			limit = scanPageContents
		}
		after := "" // no key is empty
		for {
			query, args := scanQuery(p, after, limit)
			page, err := sqlitedb.Collect(ctx, l.db.Read, func(rows *sql.Rows) (ledger.Cursor, error) {
				var r record
				if err := rows.Scan(r.fields(p.Partials)...); err != nil {
					return ledger.Cursor{}, err
				}
				return r.finish(p.Replay, p.Fold != 0)
			}, query, args...)
			if err != nil {
				yield(ledger.Cursor{}, l.Explain(err, "scanning the cursors of %s", p.Replay))
				return
			}
			for _, c := range page {
				if !yield(c, nil) {
					return
				}
			}
			if len(page) < limit {
				return
			}
			after = page[len(page)-1].Key
		}
	}
}

// scanQuery reads one page. With states, each state gives its next keys from the index, which has them in order, and
// the smallest of all are the page; IN (states) would sort all that is left for each page.
func scanQuery(p ledger.ScanParams, after string, limit int) (query string, args []any) {
	from := ` FROM cursors`
	if p.Partials {
		from = withContents
	}
	filter := `replay = ? AND fold = ? AND key > ?`
	args = []any{p.Replay, p.Fold, after}
	if p.Protocol != "" {
		filter += ` AND protocol = ?`
		args = append(args, p.Protocol)
	}
	if len(p.States) == 0 {
		return `SELECT key, ` + columns + from + ` WHERE ` + filter + ` ORDER BY key LIMIT ?`, append(args, limit)
	}
	states := slices.Clone(p.States)
	slices.Sort(states)
	states = slices.Compact(states) // twice the same state would give its cursors twice
	var keys []string
	var all []any
	for _, s := range states {
		keys = append(keys, `SELECT * FROM (SELECT key FROM cursors INDEXED BY cursors_state WHERE `+filter+` AND state = ? ORDER BY key LIMIT ?)`)
		all = append(append(all, args...), s, limit)
	}
	query = `SELECT key, ` + columns + from + ` WHERE replay = ? AND fold = ?
		AND key IN (SELECT key FROM (` + strings.Join(keys, ` UNION ALL `) + `) ORDER BY key LIMIT ?) ORDER BY key`
	return query, append([]any{p.Replay, p.Fold}, append(all, limit)...)
}

// Note keeps a remark about the mirror of the state.
func (l *Ledger) Note(ctx context.Context, id ledger.CursorID, note string) error {
	err := l.db.Tx(ctx, func(tx *sqlitedb.Tx) error {
		ok, err := sqlitedb.Changed(tx.ExecContext(ctx, `UPDATE cursors SET note = ? WHERE replay = ? AND fold = ? AND key = ?`,
			note, id.Replay, foldOf(id), id.Key))
		if err == nil && !ok {
			return ledger.ErrNotFound
		}
		return err
	})
	return l.Explain(err, "noting at %s", id.Key)
}
