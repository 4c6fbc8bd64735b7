package sqlitedb_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-56345083/reprise/internal/sqlitedb"
)

// wantError checks that an error names the file and has the operator's hint, once.
func wantError(t *testing.T, err error, path, hint string) {
	t.Helper()
	if err == nil || strings.Count(err.Error(), path) != 1 || strings.Count(err.Error(), hint) != 1 {
		t.Errorf("error = %v, want it to name %s and to say %q", err, path, hint)
	}
}

func TestNotADatabase(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("this is a text, not a database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := sqlitedb.Open(context.Background(), path, schema)
	wantError(t, err, path, "no SQLite database")
}

func TestPathIsADirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := sqlitedb.Open(context.Background(), dir, schema)
	if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "cannot open or create it") {
		t.Errorf("opening a directory: %v", err)
	}
}

func TestParentIsAFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := sqlitedb.Open(context.Background(), filepath.Join(file, "x.db"), schema)
	wantError(t, err, filepath.Join(file, "x.db"), "creating its directory")
}

func TestDiskFull(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := open(t, filepath.Join(t.TempDir(), "x.db"), schema)
	if _, err := db.Write.ExecContext(ctx, "PRAGMA max_page_count = 10"); err != nil { // the same code as a full disk
		t.Fatal(err)
	}
	err := db.Tx(ctx, func(tx *sqlitedb.Tx) error {
		if _, err := tx.ExecContext(ctx, "CREATE TABLE big (b BLOB)"); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO big VALUES (zeroblob(1000000))")
		return fmt.Errorf("inserting: %w", err)
	})
	wantError(t, err, db.Path(), "no space left")
	if err := increment(ctx, db); err != nil {
		t.Errorf("after the error: %v", err)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "x.db"), schema)
	own := errors.New("own")
	if err := db.Explain(own); err != own { //nolint:errorlint // the very same value
		t.Errorf("Explain of another error = %v", err)
	}
	if db.Explain(nil) != nil || sqlitedb.IsBusy(nil) || sqlitedb.IsBusy(own) {
		t.Error("nil and other errors are not SQLite's")
	}
	_, err := db.Read.ExecContext(context.Background(), "SELECT nonsense")
	once := db.Explain(err)
	if twice := db.Explain(fmt.Errorf("again: %w", once)); strings.Count(twice.Error(), db.Path()) != 1 {
		t.Errorf("explained twice: %v", twice)
	}
}
