package sqliteledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/sqlitedb"
)

// The records of Meta are JSON beside their key and their version. Unknown fields are ignored, so that a later version
// may add some; the column is the version that counts.

// Protocol returns a protocol's record, of Version 0 where there is none.
func (l *Ledger) Protocol(ctx context.Context, name string) (ledger.Protocol, error) {
	p := ledger.Protocol{Name: name}
	err := one(ctx, l.db, &p, &p.Version, `SELECT record, version FROM protocols WHERE name = ?`, name)
	if errors.Is(err, ledger.ErrNotFound) {
		return ledger.Protocol{Name: name}, nil
	}
	return p, l.Explain(err, "reading protocol %s", name)
}

// Protocols returns all protocols by name.
func (l *Ledger) Protocols(ctx context.Context) ([]ledger.Protocol, error) {
	all, err := many(ctx, l.db.Read, func(p *ledger.Protocol, version int64) { p.Version = version },
		`SELECT record, version FROM protocols ORDER BY name`)
	return all, l.Explain(err, "reading the protocols")
}

// Generation returns one generation; ErrNotFound.
func (l *Ledger) Generation(ctx context.Context, protocol string, number int64) (ledger.Generation, error) {
	var g ledger.Generation
	err := one(ctx, l.db, &g, &g.Version,
		`SELECT record, version FROM generations WHERE protocol = ? AND number = ?`, protocol, number)
	return g, l.Explain(err, "reading generation %d of %s", number, protocol)
}

// Replay returns one replay; ErrNotFound.
func (l *Ledger) Replay(ctx context.Context, id string) (ledger.Replay, error) {
	var r ledger.Replay
	err := one(ctx, l.db, &r, &r.Version, `SELECT record, version FROM replays WHERE id = ?`, id)
	return r, l.Explain(err, "reading replay %s", id)
}

// Replays returns all replays, the newest first.
func (l *Ledger) Replays(ctx context.Context) ([]ledger.Replay, error) {
	all, err := many(ctx, l.db.Read, func(r *ledger.Replay, version int64) { r.Version = version },
		`SELECT record, version FROM replays ORDER BY id DESC`)
	return all, l.Explain(err, "reading the replays")
}

// Write puts all the records or none of them.
func (l *Ledger) Write(ctx context.Context, w ledger.Writes) error {
	if err := w.Check(); err != nil {
		return fmt.Errorf("writing records: %w", err)
	}
	err := l.db.Tx(ctx, func(tx *sqlitedb.Tx) error {
		for _, p := range w.Protocols {
			if err := put(ctx, tx, "protocols", "name", p.Version, p, p.Name); err != nil {
				return fmt.Errorf("protocol %s: %w", p.Name, err)
			}
		}
		for _, g := range w.Generations {
			if err := put(ctx, tx, "generations", "protocol, number", g.Version, g, g.Protocol, g.Number); err != nil {
				return fmt.Errorf("generation %d of %s: %w", g.Number, g.Protocol, err)
			}
		}
		for _, r := range w.Replays {
			if err := put(ctx, tx, "replays", "id", r.Version, r, r.ID); err != nil {
				return fmt.Errorf("replay %s: %w", r.ID, err)
			}
		}
		return nil
	})
	return l.Explain(err, "writing records")
}

// put writes one record, if the one that is there has this version. table and names are literals of Write.
func put(ctx context.Context, tx *sqlitedb.Tx, table, names string, version int64, record any, key ...any) error {
	text, err := json.Marshal(record)
	if err != nil {
		return err
	}
	marks := "?, ?"[:3*len(key)-2]
	var ok bool
	if version == 0 {
		ok, err = sqlitedb.Changed(tx.ExecContext(ctx, fmt.Sprintf(
			`INSERT INTO %s (%s, version, record) VALUES (%s, 1, ?) ON CONFLICT DO NOTHING`, table, names, marks),
			append(key, string(text))...))
	} else {
		ok, err = sqlitedb.Changed(tx.ExecContext(ctx, fmt.Sprintf(
			`UPDATE %s SET version = version + 1, record = ? WHERE (%s) = (%s) AND version = ?`, table, names, marks),
			append(append([]any{string(text)}, key...), version)...))
	}
	if err == nil && !ok {
		err = ledger.ErrConflict
	}
	return err
}

// one reads the record that query finds; ErrNotFound.
func one(ctx context.Context, db *sqlitedb.DB, record any, version *int64, query string, args ...any) error {
	var text []byte
	var v int64
	err := db.Row(ctx, query, args...).Scan(&text, &v)
	if errors.Is(err, sql.ErrNoRows) {
		return ledger.ErrNotFound
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, record); err != nil {
		return err
	}
	*version = v
	return nil
}

// many reads all the records that query finds.
func many[T any](ctx context.Context, db *sql.DB, setVersion func(*T, int64), query string, args ...any) ([]T, error) {
	return sqlitedb.Collect(ctx, db, func(rows *sql.Rows) (T, error) {
		var record T
		var text []byte
		var version int64
		if err := rows.Scan(&text, &version); err != nil {
			return record, err
		}
		err := json.Unmarshal(text, &record)
		setVersion(&record, version)
		return record, err
	}, query, args...)
}
