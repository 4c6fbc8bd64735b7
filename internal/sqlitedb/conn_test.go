package sqlitedb_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/seed-56345083/reprise/internal/sqlitedb"
)

// TestStatementsAfterSchemaChange: a statement that is kept sees the tables as another process has changed them.
func TestStatementsAfterSchemaChange(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "x.db")
	db := open(t, path, schema)
	columns := func() int {
		rows, err := db.Read.QueryContext(ctx, "SELECT * FROM t")
		if err != nil {
			t.Fatal(err)
		}
		names, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	insert := func() error {
		return db.Tx(ctx, func(tx *sqlitedb.Tx) error {
			_, err := tx.ExecContext(ctx, "INSERT INTO t (k, v) SELECT max(k) + 1, 0 FROM t")
			return err
		})
	}
	before := columns()
	if err := insert(); err != nil {
		t.Fatal(err)
	}
	open(t, path, append(schema, "ALTER TABLE t ADD COLUMN w INTEGER"))
	if got := columns(); got != before+1 {
		t.Errorf("%d columns, want one more than %d", got, before)
	}
	if err := insert(); err != nil {
		t.Error(err)
	}
}

// TestStatementsBounded: texts without end do not take memory without end.
func TestStatementsBounded(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := open(t, filepath.Join(t.TempDir(), "x.db"), schema)
	for i := range 3 * sqlitedb.MaxStatements {
		if err := db.Tx(ctx, func(tx *sqlitedb.Tx) error {
			var n int
			if err := tx.QueryRowContext(ctx, fmt.Sprintf("SELECT %d", i)).Scan(&n); err != nil || n != i {
				return fmt.Errorf("%d instead of %d, %w", n, i, err)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if n := db.Kept(t); n > sqlitedb.MaxStatements || n < sqlitedb.MaxStatements/2 {
		t.Errorf("%d statements are kept, want up to %d", n, sqlitedb.MaxStatements)
	}
}

// TestStatementTwiceAtATime: a statement is not given out while somebody reads its rows.
func TestStatementTwiceAtATime(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := open(t, filepath.Join(t.TempDir(), "x.db"), schema)
	if err := db.Tx(ctx, func(tx *sqlitedb.Tx) error {
		const text = "SELECT column1 FROM (VALUES (1), (2), (3))"
		outer, err := tx.QueryContext(ctx, text)
		if err != nil {
			return err
		}
		defer func() { _ = outer.Close() }()
		seen := 0
		for outer.Next() {
			var inner int
			if err := tx.QueryRowContext(ctx, text).Scan(&inner); err != nil || inner != 1 {
				return fmt.Errorf("%d instead of 1, %w", inner, err)
			}
			seen++
		}
		if seen != 3 {
			t.Errorf("%d rows, want 3", seen)
		}
		return outer.Err()
	}); err != nil {
		t.Error(err)
	}
}
