package sqlitedb_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seed-56345083/reprise/internal/sqlitedb"
)

var schema = []string{`CREATE TABLE t (k INTEGER PRIMARY KEY, v INTEGER NOT NULL) STRICT; INSERT INTO t VALUES (0, 0)`}

func open(t testing.TB, path string, migrations []string) *sqlitedb.DB {
	t.Helper()
	db, err := sqlitedb.Open(context.Background(), path, migrations)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func value(t testing.TB, db *sqlitedb.DB, query string) (v string) {
	t.Helper()
	if err := db.Read.QueryRowContext(context.Background(), query).Scan(&v); err != nil {
		t.Fatal(db.Explain(err))
	}
	return v
}

func TestOpenCreatesEscapedPath(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"plain.db", "a b.db", "what?.db", "c#.db", "100%41.db", "a+b&c=d;e.db", "ü.db", "'q\".db", "sub/dir/x.db"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			db := open(t, filepath.Join(dir, name), schema)
			if got := value(t, db, "SELECT count(*) FROM t"); got != "1" {
				t.Errorf("rows = %s, want 1", got)
			}
			if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
				t.Errorf("the file has another name: %v", err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			entries, err := os.ReadDir(filepath.Dir(filepath.Join(dir, name)))
			if err != nil || len(entries) != 1 {
				t.Errorf("after Close the directory holds %v (%v), want the file alone", entries, err)
			}
		})
	}
}

func TestOpenRefusesNoPath(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", "a\x00b"} {
		if _, err := sqlitedb.Open(context.Background(), path, nil); err == nil {
			t.Errorf("Open(%q) = nil error", path)
		}
	}
}

func TestConnectionSettings(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "x.db"), schema)
	for query, want := range map[string]string{
		"PRAGMA journal_mode": "wal", "PRAGMA synchronous": "1", "PRAGMA foreign_keys": "1", "PRAGMA temp_store": "2",
	} {
		for pool, p := range map[string]*sql.DB{"read": db.Read, "write": db.Write} {
			var got string
			if err := p.QueryRowContext(context.Background(), query).Scan(&got); err != nil || got != want {
				t.Errorf("%s %s = %q, %v, want %s", pool, query, got, err, want)
			}
		}
	}
	if _, err := db.Read.ExecContext(context.Background(), "INSERT INTO t VALUES (1, 1)"); err == nil {
		t.Error("a write through Read = nil error")
	}
}

func TestMigrations(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	two := slices.Concat(schema[:1], []string{`ALTER TABLE t ADD COLUMN w TEXT NOT NULL DEFAULT 'new'`})

	db := open(t, path, schema)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	broken := slices.Concat(two, []string{`CREATE TABLE u (k INTEGER); INSERT INTO nowhere VALUES (1)`})
	_, err := sqlitedb.Open(context.Background(), path, broken)
	if err == nil || !strings.Contains(err.Error(), "migration 3") || !strings.Contains(err.Error(), path) {
		t.Fatalf("a broken migration: %v", err)
	}
	db = open(t, path, two)
	if got := value(t, db, "SELECT w FROM t"); got != "new" {
		t.Errorf("w = %q, want new", got)
	}
	open(t, path, two) // a second time, while open: nothing to do
	_, err = sqlitedb.Open(context.Background(), path, schema)
	if err == nil || !strings.Contains(err.Error(), "version 2") || !strings.Contains(err.Error(), path) {
		t.Errorf("a file of a newer program: %v", err)
	}
}

func TestOpenAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() { open(t, path, schema) })
	}
	group.Wait()
}

func TestTx(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := open(t, filepath.Join(t.TempDir(), "x.db"), schema)
	add := func(tx *sqlitedb.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE t SET v = v + 1")
		return err
	}
	if err := db.Tx(ctx, add); err != nil {
		t.Fatal(err)
	}
	own := errors.New("no")
	if err := db.Tx(ctx, func(tx *sqlitedb.Tx) error { return errors.Join(add(tx), own) }); !errors.Is(err, own) {
		t.Errorf("f's error = %v", err)
	}
	func() {
		defer func() {
			if r := recover(); r != "oh" {
				t.Errorf("recovered %v, want oh", r)
			}
		}()
		_ = db.Tx(ctx, func(tx *sqlitedb.Tx) error { _ = add(tx); panic("oh") })
	}()
	gone, cancel := context.WithCancel(ctx)
	err := db.Tx(gone, func(tx *sqlitedb.Tx) error { cancel(); return add(tx) })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a context that ends inside: %v", err)
	}
	if err := db.Tx(gone, add); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that ended before: %v", err)
	}
	if err := db.Tx(ctx, func(tx *sqlitedb.Tx) error { _, err := tx.ExecContext(ctx, "SELECT nonsense"); return err }); err == nil ||
		!strings.Contains(err.Error(), db.Path()) {
		t.Errorf("an error of SQLite does not name the file: %v", err)
	}
	if got := value(t, db, "SELECT v FROM t"); got != "1" {
		t.Errorf("v = %s, want 1: only the first was committed", got)
	}
}

func TestTxManyGoroutines(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "x.db")
	dbs := []*sqlitedb.DB{open(t, path, schema), open(t, path, schema)}
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for range 25 {
				if err := dbs[i%2].Tx(ctx, func(tx *sqlitedb.Tx) error {
					var v int
					if err := tx.QueryRowContext(ctx, "SELECT v FROM t").Scan(&v); err != nil {
						return err
					}
					_, err := tx.ExecContext(ctx, "UPDATE t SET v = ?", v+1)
					return err
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if got := value(t, dbs[0], "SELECT v FROM t"); got != "200" {
		t.Errorf("v = %s, want 200", got)
	}
}

func TestCloseTwice(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "x.db"), schema)
	for range 2 {
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Tx(context.Background(), func(*sqlitedb.Tx) error { return nil }); err == nil {
		t.Error("Tx after Close = nil error")
	}
}
