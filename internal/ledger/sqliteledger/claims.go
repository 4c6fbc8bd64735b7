package sqliteledger

import (
	"context"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/sqlitedb"
)

// Claim takes a cursor for one worker.
func (l *Ledger) Claim(ctx context.Context, c ledger.Claim) (ledger.Cursor, error) {
	var cursor ledger.Cursor
	err := l.db.Tx(ctx, func(tx *sqlitedb.Tx) error {
		ok, err := sqlitedb.Changed(tx.ExecContext(ctx, claimText,
			c.Owner, sqlitedb.Nanos(c.Until), sqlitedb.Nanos(c.Now), c.ID.Replay, foldOf(c.ID), c.ID.Key, sqlitedb.Nanos(c.Now)))
		if err != nil {
			return err
		}
		// Under the same lock: the cursor as this claim left it, or as it stood when it was refused.
		cursor, err = scanCursor(tx.QueryRowContext(ctx, readText, c.ID.Replay, foldOf(c.ID), c.ID.Key), c.ID)
		switch {
		case err != nil || ok:
			return err
		case cursor.State == ledger.Finished:
			return ledger.ErrFinished
		case cursor.State == ledger.Failed:
			return ledger.ErrFailed
		default:
			return ledger.ErrOwned
		}
	})
	return cursor, l.Explain(err, "claiming %s", c.ID.Key)
}

// Commit is the one write by which lines are counted. The cursor's content is in a table of its own, written under the
// same lock and in the same transaction: both change or neither.
func (l *Ledger) Commit(ctx context.Context, c ledger.Commit) error {
	if err := c.Check(); err != nil {
		return err
	}
	text, err := rest{Frame: c.Frame, Receipt: c.Receipt}.text()
	if err != nil {
		return l.Explain(err, "committing %s", c.ID.Key)
	}
	body, err := newContent(c.Rejects, c.Segments, c.Partial)
	if err != nil {
		return l.Explain(err, "committing %s", c.ID.Key)
	}
	fold, a := foldOf(c.ID), c.Accounts
	keeps, progress := c.State == ledger.Processing, c.To > c.From || c.State == ledger.Finished
	err = l.db.Tx(ctx, func(tx *sqlitedb.Tx) error {
		ok, err := sqlitedb.Changed(tx.ExecContext(ctx, commitText,
			c.State, c.To, sqlitedb.Nanos(c.Now), keeps, keeps, sqlitedb.Nanos(c.Until), sqlitedb.Nanos(c.Until), progress,
			a.Read, a.Counted, a.AfterCutoff, a.Rejected, a.Blank, a.Consumed, a.Bytes, c.Rows, text,
			c.ID.Replay, fold, c.ID.Key, c.Epoch, c.From))
		if err != nil {
			return err
		}
		if !ok {
			return ledger.ErrFenced
		}
		return putContent(ctx, tx, c.ID, body)
	})
	return l.Explain(err, "committing %s", c.ID.Key)
}

// Settle gives a cursor up.
func (l *Ledger) Settle(ctx context.Context, s ledger.Settle) error {
	if err := s.Check(); err != nil {
		return err
	}
	failed := s.State == ledger.Failed
	err := l.db.Tx(ctx, func(tx *sqlitedb.Tx) error {
		ok, err := sqlitedb.Changed(tx.ExecContext(ctx, settleText,
			s.State, sqlitedb.Nanos(s.Now), failed, s.TakeBack && !failed, s.Error, s.Error,
			s.ID.Replay, foldOf(s.ID), s.ID.Key, s.Epoch, failed))
		return fencedUnless(ok, err)
	})
	return l.Explain(err, "settling %s", s.ID.Key)
}

// Reopen makes a FAILED cursor begin again.
func (l *Ledger) Reopen(ctx context.Context, r ledger.Reopen) error {
	err := l.db.Tx(ctx, func(tx *sqlitedb.Tx) error {
		ok, err := sqlitedb.Changed(tx.ExecContext(ctx, `
			UPDATE cursors SET state = 'PENDING', state_change = ?, owner = '', owned_until = 0, epoch = epoch + 1, no_progress = 0,
				line = 0, etag = ?, size = ?, read = 0, counted = 0, after_cutoff = 0, rejected = 0, blank = 0, consumed = 0,
				bytes = 0, row_count = 0, rest = '{}'
			WHERE replay = ? AND fold = ? AND key = ? AND epoch = ? AND state = 'FAILED'`,
			sqlitedb.Nanos(r.Now), r.ETag, r.Size, r.ID.Replay, foldOf(r.ID), r.ID.Key, r.Epoch))
		if err := fencedUnless(ok, err); err != nil {
			return err
		}
		return putContent(ctx, tx, r.ID, content{})
	})
	return l.Explain(err, "reopening %s", r.ID.Key)
}

func fencedUnless(ok bool, err error) error {
	if err == nil && !ok {
		return ledger.ErrFenced
	}
	return err
}

// putContent replaces the content of a cursor whose row this transaction has changed.
func putContent(ctx context.Context, tx *sqlitedb.Tx, id ledger.CursorID, c content) error {
	var err error
	if c.empty() {
		_, err = tx.ExecContext(ctx, dropContentText,
			id.Replay, foldOf(id), id.Key)
	} else {
		_, err = tx.ExecContext(ctx, putContentText,
			id.Replay, foldOf(id), id.Key, c.rejects, c.segments, c.partial)
	}
	return err
}
