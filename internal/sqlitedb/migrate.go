package sqlitedb

import (
	"context"
	"database/sql"
	"fmt"
)

// migrate applies the migrations that the file has not seen. The version is read before the write lock is taken, so
// that opening a file that is up to date waits for nobody, and again under the lock, because another process may have
// been faster. The writing connection reads it: it is open already, and one that reads may never be needed.
func (db *DB) migrate(ctx context.Context, migrations []string) error {
	var version int
	err := db.retry(ctx, func() (err error) {
		version, err = db.version(ctx, db.Write, len(migrations))
		return err
	})
	if err != nil || version == len(migrations) {
		return err
	}
	return db.Tx(ctx, func(tx *Tx) error {
		version, err := db.version(ctx, tx, len(migrations))
		if err != nil {
			return err
		}
		for i := version; i < len(migrations); i++ {
			if _, err := tx.ExecContext(ctx, migrations[i]); err != nil {
				return fmt.Errorf("applying migration %d: %w", i+1, err)
			}
		}
		_, err = tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", len(migrations)))
		return err
	})
}

// version reads how many migrations the file has seen; more than known is an error.
func (db *DB) version(ctx context.Context, q interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}, known int,
) (int, error) {
	var version int
	if err := q.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return 0, db.Explain(err)
	}
	if version < 0 || version > known {
		return 0, fmt.Errorf("database %s: its tables are of version %d, this program knows up to version %d; "+
			"run the newer program that wrote it, or move the file away to begin anew", db.path, version, known)
	}
	return version, nil
}
