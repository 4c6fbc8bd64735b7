package sqliteledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/sqlitedb"
)

// AcquireLease takes a lease that is free, over or the owner's own; ErrHeld, with the lease that stands.
func (l *Ledger) AcquireLease(ctx context.Context, lease ledger.Lease, now time.Time) (ledger.Lease, error) {
	var stands ledger.Lease
	err := l.db.Tx(ctx, func(tx *sqlitedb.Tx) error {
		ok, err := sqlitedb.Changed(tx.ExecContext(ctx, `
			INSERT INTO leases (name, owner, until) VALUES (?, ?, ?)
			ON CONFLICT DO UPDATE SET owner = excluded.owner, until = excluded.until
			WHERE leases.owner = excluded.owner OR leases.until <= ?`,
			lease.Name, lease.Owner, sqlitedb.Nanos(lease.Until), sqlitedb.Nanos(now)))
		if err != nil {
			return err
		}
		stands = ledger.Lease{Name: lease.Name}
		var until int64
		err = tx.QueryRowContext(ctx, `SELECT owner, until FROM leases WHERE name = ?`, lease.Name).Scan(&stands.Owner, &until)
		stands.Until = sqlitedb.Instant(until)
		if err == nil && !ok {
			return ledger.ErrHeld
		}
		return err
	})
	return stands, l.Explain(err, "acquiring lease %s", lease.Name)
}

// ReleaseLease frees the lease if the owner still has it.
func (l *Ledger) ReleaseLease(ctx context.Context, name, owner string) error {
	err := l.db.Tx(ctx, func(tx *sqlitedb.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM leases WHERE name = ? AND owner = ?`, name, owner)
		return err
	})
	return l.Explain(err, "releasing lease %s", name)
}

// PutProgress stores a worker's own totals.
func (l *Ledger) PutProgress(ctx context.Context, p ledger.Progress) error {
	text, err := json.Marshal(p)
	if err != nil {
		return l.Explain(err, "putting the progress of %s", p.Worker)
	}
	err = l.db.Tx(ctx, func(tx *sqlitedb.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO progress (replay, worker, record) VALUES (?, ?, ?)
			ON CONFLICT DO UPDATE SET record = excluded.record`, p.Replay, p.Worker, string(text))
		return err
	})
	return l.Explain(err, "putting the progress of %s", p.Worker)
}

// Progress returns what the workers of a replay stored, by worker.
func (l *Ledger) Progress(ctx context.Context, replay string) ([]ledger.Progress, error) {
	all, err := sqlitedb.Collect(ctx, l.db.Read, func(rows *sql.Rows) (ledger.Progress, error) {
		var p ledger.Progress
		var text []byte
		if err := rows.Scan(&text); err != nil {
			return p, err
		}
		return p, json.Unmarshal(text, &p)
	}, `SELECT record FROM progress WHERE replay = ? ORDER BY worker`, replay)
	return all, l.Explain(err, "reading the progress of %s", replay)
}
