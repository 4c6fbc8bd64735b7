package sqliteentries

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/ledger/sqliteledger"
	"github.com/seed-56345083/reprise/internal/sqlitedb"
)

// Entries are the incoming table in the ledger's file. All methods may be called by any number of goroutines at once.
type Entries struct {
	ledger *sqliteledger.Ledger
	db     *sqlitedb.DB
}

var _ entries.Entries = (*Entries)(nil)

// Open gives the entries in a ledger's file, whose tables the ledger has made. They end with the ledger: there is nothing to
// close.
func Open(ctx context.Context, l *sqliteledger.Ledger) (*Entries, error) {
	e := &Entries{ledger: l, db: l.DB()}
	if _, err := e.Checkpoints(ctx); err != nil {
		return nil, fmt.Errorf("opening the entries: %w", err)
	}
	return e, nil
}

// page is how many rows, index entries or batches are read at once.
const page = 500

// Put puts all new entries in one transaction.
func (e *Entries) Put(ctx context.Context, list []entries.Entry) (int, error) {
	if err := entries.CheckPut(list); err != nil {
		return 0, fmt.Errorf("putting entries: %w", err)
	}
	there := 0
	err := e.db.Tx(ctx, func(tx *sqlitedb.Tx) error {
		there = 0
		put, err := tx.PrepareContext(ctx, `INSERT INTO entries (id, protocol, ts, put_at, line) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`)
		if err != nil {
			return err
		}
		defer func() { _ = put.Close() }()
		now := time.Now() // under the lock, so that it does not go back along the feed
		for i := range list {
			n := &list[i]
			ok, err := sqlitedb.Changed(put.ExecContext(ctx, n.ID, n.Protocol, sqlitedb.Nanos(n.TS), sqlitedb.Nanos(now), notNull(n.Line)))
			if err != nil {
				return err
			}
			if !ok {
				there++
			}
		}
		return nil
	})
	if err != nil {
		return 0, e.ledger.Explain(err, "putting %d entries", len(list))
	}
	return there, nil
}

// notNull keeps nil from becoming NULL.
func notNull(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// Read returns the entries of these ids.
func (e *Entries) Read(ctx context.Context, ids []string) ([]entries.Entry, error) {
	if err := entries.CheckRead(len(ids)); err != nil {
		return nil, fmt.Errorf("reading entries: %w", err)
	}
	if len(ids) == 0 {
		return nil, nil
	}
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	all, err := sqlitedb.Collect(ctx, e.db.Read, scanEntry,
		`SELECT id, protocol, ts, line, processed, archived, gens, batch, error FROM entries WHERE id IN (?`+
			strings.Repeat(", ?", len(ids)-1)+`)`, args...)
	return all, e.ledger.Explain(err, "reading %d entries", len(ids))
}

func scanEntry(rows *sql.Rows) (entries.Entry, error) {
	var e entries.Entry
	var ts int64
	var gens []byte
	if err := rows.Scan(&e.ID, &e.Protocol, &ts, &e.Line, &e.Processed, &e.Archived, &gens, &e.Batch, &e.Error); err != nil {
		return e, err
	}
	e.TS = sqlitedb.Instant(ts)
	if err := json.Unmarshal(gens, &e.Gens); err != nil {
		return e, fmt.Errorf("decoding the generations of entry %q: %w", e.ID, err)
	}
	return e, nil
}

// The rest of one moment, then what is later: with (ts, seq) > (?, ?) each page would pass over all entries of the moment anew.
const unfinishedPage = `
	SELECT id, ts, seq, processed, batch FROM entries WHERE protocol = ?1 AND archived = 0 AND ts = ?2 AND seq > ?3
	UNION ALL
	SELECT id, ts, seq, processed, batch FROM entries WHERE protocol = ?1 AND archived = 0 AND ts > ?2
	ORDER BY ts, seq LIMIT ?4`

// Unfinished yields the entries of a protocol that are not archived, the oldest first.
func (e *Entries) Unfinished(ctx context.Context, protocol string) iter.Seq2[entries.Unfinished, error] {
	type placed struct {
		entries.Unfinished
		ts, seq int64
	}
	return func(yield func(entries.Unfinished, error) bool) {
		var after placed
		for {
			found, err := sqlitedb.Collect(ctx, e.db.Read, func(rows *sql.Rows) (placed, error) {
				var p placed
				err := rows.Scan(&p.ID, &p.ts, &p.seq, &p.Processed, &p.Batch)
				p.TS = sqlitedb.Instant(p.ts)
				return p, err
			}, unfinishedPage, protocol, after.ts, after.seq, page)
			if err != nil {
				yield(entries.Unfinished{}, e.ledger.Explain(err, "reading the unfinished entries of %s", protocol))
				return
			}
			for i := range found {
				if !yield(found[i].Unfinished, nil) {
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

// Backlog counts what Unfinished yields, up to one more than limit.
func (e *Entries) Backlog(ctx context.Context, protocol string, limit int64) (entries.Backlog, error) {
	if err := entries.CheckLimit(limit); err != nil {
		return entries.Backlog{}, fmt.Errorf("counting the backlog of %s: %w", protocol, err)
	}
	var b entries.Backlog
	var oldest int64
	err := e.db.Read.QueryRowContext(ctx, `
		SELECT count(*), coalesce(sum(processed = 0), 0), coalesce(min(ts), 0) FROM (
			SELECT processed, ts FROM entries WHERE protocol = ? AND archived = 0 ORDER BY ts LIMIT ?)`, protocol, limit+1).
		Scan(&b.Unarchived, &b.Unprocessed, &oldest)
	b.Oldest, b.AtLeast = sqlitedb.Instant(oldest), b.Unarchived > limit
	return b, e.ledger.Explain(err, "counting the backlog of %s", protocol)
}

// Expire removes what was archived and done, and whose time is over, in transactions of page.
func (e *Entries) Expire(ctx context.Context, now time.Time, limit int) (int, error) {
	if err := entries.CheckLimit(int64(limit)); err != nil {
		return 0, fmt.Errorf("removing expired entries: %w", err)
	}
	total := 0
	for total < limit {
		n, err := e.expire(ctx, now, min(limit-total, page))
		if err != nil {
			return total, e.ledger.Explain(err, "removing expired entries")
		}
		if n == 0 {
			break
		}
		total += n
	}
	return total, nil
}

// expire is one transaction of Expire: entries, pages of batches, and batches that have no page left.
func (e *Entries) expire(ctx context.Context, now time.Time, limit int) (int, error) {
	removed := 0
	err := e.db.Tx(ctx, func(tx *sqlitedb.Tx) error {
		removed = 0
		for _, statement := range []string{
			`DELETE FROM entries WHERE seq IN (SELECT seq FROM entries WHERE expires > 0 AND expires <= ? AND archived = 1 LIMIT ?)`,
			`DELETE FROM batch_pages WHERE rowid IN (SELECT p.rowid FROM batches b JOIN batch_pages p ON p.batch = b.id
				WHERE b.expires > 0 AND b.expires <= ? AND b.state = 'DONE' LIMIT ?)`,
			`DELETE FROM batches WHERE id IN (SELECT id FROM batches WHERE expires > 0 AND expires <= ? AND state = 'DONE'
				AND NOT EXISTS (SELECT 1 FROM batch_pages WHERE batch = batches.id) LIMIT ?)`,
		} {
			res, err := tx.ExecContext(ctx, statement, sqlitedb.Nanos(now), limit-removed)
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
	return removed, err
}
