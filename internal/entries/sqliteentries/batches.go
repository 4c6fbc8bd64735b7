package sqliteentries

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/sqlitedb"
)

const (
	batchColumns = `id, protocol, epoch, state, key, pages, entries, bytes, opened`

	// An entry joins that is counted, in no batch, and lacks none of the generations.
	joinEntry = `
		UPDATE entries SET batch = ? WHERE id = ? AND batch = '' AND processed = 1
			AND NOT EXISTS (SELECT value FROM json_each(?) EXCEPT SELECT value FROM json_each(gens))`
)

// OpenBatch stores a new batch under the protocol's epoch.
func (e *Entries) OpenBatch(ctx context.Context, b entries.Batch) error {
	if err := b.Check(); err != nil {
		return fmt.Errorf("opening a batch: %w", err)
	}
	err := e.db.Tx(ctx, func(tx *sqlitedb.Tx) error {
		if err := checkEpoch(ctx, tx, b); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO batches (id, protocol, epoch, state, key, opened) VALUES (?, ?, ?, 'OPEN', ?, ?)
			ON CONFLICT DO NOTHING`, b.ID, b.Protocol, b.Epoch, b.Key, sqlitedb.Nanos(b.Opened))
		return err
	})
	return e.ledger.Explain(err, "opening batch %s", b.ID)
}

// checkEpoch holds a transaction to the epoch of the batch. Nobody can raise it before the transaction ends.
func checkEpoch(ctx context.Context, tx *sqlitedb.Tx, b entries.Batch) error {
	var epoch int64
	err := tx.QueryRowContext(ctx, `SELECT json_extract(record, '$.epoch') FROM protocols WHERE name = ?`, b.Protocol).Scan(&epoch)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("%w: protocol %s has none yet", entries.ErrEpoch, b.Protocol)
	}
	if err == nil && epoch != b.Epoch {
		err = fmt.Errorf("%w: from %d to %d", entries.ErrEpoch, b.Epoch, epoch)
	}
	return err
}

// Join adds a page of entries to a batch, all or none.
func (e *Entries) Join(ctx context.Context, j entries.Join) (entries.Batch, error) {
	if err := j.Check(); err != nil {
		return entries.Batch{}, fmt.Errorf("joining a batch: %w", err)
	}
	gens, err := json.Marshal(append([]int64{}, j.Gens...)) // [] and not null
	if err != nil {
		return entries.Batch{}, fmt.Errorf("joining a batch: %w", err)
	}
	members, err := json.Marshal(j.Members)
	if err != nil {
		return entries.Batch{}, fmt.Errorf("joining a batch: %w", err)
	}
	var joined entries.Batch
	err = e.db.Tx(ctx, func(tx *sqlitedb.Tx) error {
		if err := checkEpoch(ctx, tx, j.Batch); err != nil {
			return err
		}
		ok, err := sqlitedb.Changed(tx.ExecContext(ctx, `UPDATE batches SET pages = pages + 1, entries = entries + ?, bytes = bytes + ?
			WHERE id = ? AND state = 'OPEN' AND pages = ? AND epoch = ?`,
			len(j.Members), j.Bytes, j.Batch.ID, j.Batch.Pages, j.Batch.Epoch))
		if err != nil {
			return err
		}
		if !ok {
			return entries.ErrClosed
		}
		if err := joinEntries(ctx, tx, j, string(gens)); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO batch_pages (batch, page, members) VALUES (?, ?, ?)`,
			j.Batch.ID, j.Batch.Pages, string(members)); err != nil {
			return err
		}
		joined, err = readBatch(ctx, tx, j.Batch.ID)
		return err
	})
	if err != nil {
		return entries.Batch{}, e.ledger.Explain(err, "joining batch %s with %d entries", j.Batch.ID, len(j.Members))
	}
	return joined, nil
}

func joinEntries(ctx context.Context, tx *sqlitedb.Tx, j entries.Join, gens string) error {
	join, err := tx.PrepareContext(ctx, joinEntry)
	if err != nil {
		return err
	}
	defer func() { _ = join.Close() }()
	for _, m := range j.Members {
		ok, err := sqlitedb.Changed(join.ExecContext(ctx, j.Batch.ID, m.ID, gens))
		if err == nil && !ok {
			err = fmt.Errorf("entry %q: %w", m.ID, entries.ErrStale)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ClaimBatch freezes a batch.
func (e *Entries) ClaimBatch(ctx context.Context, id string) (entries.Batch, error) {
	var b entries.Batch
	err := e.db.Tx(ctx, func(tx *sqlitedb.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE batches SET state = 'CLAIMED' WHERE id = ? AND state = 'OPEN'`, id); err != nil {
			return err
		}
		var err error
		b, err = readBatch(ctx, tx, id)
		return err
	})
	if err != nil {
		return entries.Batch{}, e.ledger.Explain(err, "claiming batch %s", id)
	}
	return b, nil
}

// readBatch reads one batch; ErrNotFound.
func readBatch(ctx context.Context, tx *sqlitedb.Tx, id string) (entries.Batch, error) {
	b, err := scanBatch(tx.QueryRowContext(ctx, `SELECT `+batchColumns+` FROM batches WHERE id = ?`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return b, entries.ErrNotFound
	}
	return b, err
}

func scanBatch(row interface{ Scan(fields ...any) error }) (entries.Batch, error) {
	var b entries.Batch
	var opened int64
	err := row.Scan(&b.ID, &b.Protocol, &b.Epoch, &b.State, &b.Key, &b.Pages, &b.Entries, &b.Bytes, &opened)
	b.Opened = sqlitedb.Instant(opened)
	return b, err
}

// Unwritten returns the batches of a protocol that are OPEN or CLAIMED.
func (e *Entries) Unwritten(ctx context.Context, protocol string) ([]entries.Batch, error) {
	all, err := sqlitedb.Collect(ctx, e.db.Read, func(rows *sql.Rows) (entries.Batch, error) { return scanBatch(rows) },
		`SELECT `+batchColumns+` FROM batches WHERE protocol = ? AND state <> 'DONE' ORDER BY id`, protocol)
	return all, e.ledger.Explain(err, "reading the unwritten batches of %s", protocol)
}

// Members yields the members of a batch, page by page.
func (e *Entries) Members(ctx context.Context, b entries.Batch) iter.Seq2[entries.Member, error] {
	return func(yield func(entries.Member, error) bool) {
		for n := range b.Pages {
			members, err := e.members(ctx, b.ID, n)
			if err != nil {
				yield(entries.Member{}, e.ledger.Explain(err, "reading page %d of batch %s", n, b.ID))
				return
			}
			for _, m := range members {
				if !yield(m, nil) {
					return
				}
			}
		}
	}
}

func (e *Entries) members(ctx context.Context, batch string, n int) ([]entries.Member, error) {
	var text []byte
	err := e.db.Read.QueryRowContext(ctx, `SELECT members FROM batch_pages WHERE batch = ? AND page = ?`, batch, n).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, entries.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	var members []entries.Member
	return members, json.Unmarshal(text, &members)
}

// Archived marks members of a batch as archived.
func (e *Entries) Archived(ctx context.Context, batch string, ids []string, expires time.Time) error {
	if err := entries.CheckArchived(batch, ids); err != nil {
		return fmt.Errorf("marking entries as archived: %w", err)
	}
	err := e.db.Tx(ctx, func(tx *sqlitedb.Tx) error {
		archive, err := tx.PrepareContext(ctx, `UPDATE entries SET archived = 1, expires = ? WHERE id = ? AND batch = ?`)
		if err != nil {
			return err
		}
		defer func() { _ = archive.Close() }()
		for _, id := range ids {
			if _, err := archive.ExecContext(ctx, sqlitedb.Nanos(expires), id, batch); err != nil {
				return err
			}
		}
		return nil
	})
	return e.ledger.Explain(err, "marking %d entries of batch %s as archived", len(ids), batch)
}

// DoneBatch makes a CLAIMED batch DONE.
func (e *Entries) DoneBatch(ctx context.Context, b entries.Batch, expires time.Time) error {
	err := e.db.Tx(ctx, func(tx *sqlitedb.Tx) error {
		ok, err := sqlitedb.Changed(tx.ExecContext(ctx, `UPDATE batches SET state = 'DONE', expires = ? WHERE id = ? AND state = 'CLAIMED'`,
			sqlitedb.Nanos(expires), b.ID))
		if err != nil || ok {
			return err
		}
		found, err := readBatch(ctx, tx, b.ID)
		if errors.Is(err, entries.ErrNotFound) {
			return nil
		}
		if err == nil && found.State != entries.Done {
			err = fmt.Errorf("it is %s, and was to be claimed first", found.State)
		}
		return err
	})
	return e.ledger.Explain(err, "closing batch %s", b.ID)
}
