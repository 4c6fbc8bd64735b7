package sqliteledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/sqlitedb"
)

// PutSegment stores a blob under a segment's name, once.
func (l *Ledger) PutSegment(ctx context.Context, id ledger.CursorID, s ledger.Segment, blob []byte) error {
	if blob == nil {
		blob = []byte{} // nil would be NULL
	}
	err := l.db.Tx(ctx, func(tx *sqlitedb.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO segments (replay, is_fold, key, epoch, from_line, to_line, blob)
			VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`, id.Replay, id.Fold, id.Key, s.Epoch, s.From, s.To, blob)
		return err
	})
	return l.Explain(err, "putting segment %d-%d-%d of %s", s.Epoch, s.From, s.To, id.Key)
}

// Segment reads a blob; ErrNotFound.
func (l *Ledger) Segment(ctx context.Context, id ledger.CursorID, s ledger.Segment) ([]byte, error) {
	var blob []byte
	err := l.db.Read.QueryRowContext(ctx, `SELECT blob FROM segments
		WHERE replay = ? AND is_fold = ? AND key = ? AND epoch = ? AND from_line = ? AND to_line = ?`,
		id.Replay, id.Fold, id.Key, s.Epoch, s.From, s.To).Scan(&blob)
	if errors.Is(err, sql.ErrNoRows) {
		err = ledger.ErrNotFound
	}
	return blob, l.Explain(err, "reading segment %d-%d-%d of %s", s.Epoch, s.From, s.To, id.Key)
}

// DeleteSegments removes up to limit segments of a replay.
func (l *Ledger) DeleteSegments(ctx context.Context, replay string, limit int) (int, error) {
	if limit < 1 {
		return 0, fmt.Errorf("deleting segments of %s: limit %d", replay, limit)
	}
	var n int64
	err := l.db.Tx(ctx, func(tx *sqlitedb.Tx) error {
		res, err := tx.ExecContext(ctx,
			`DELETE FROM segments WHERE rowid IN (SELECT rowid FROM segments WHERE replay = ? LIMIT ?)`, replay, limit)
		if err != nil {
			return err
		}
		n, err = res.RowsAffected()
		return err
	})
	if err != nil {
		return 0, l.Explain(err, "deleting segments of %s", replay)
	}
	return int(n), nil
}
