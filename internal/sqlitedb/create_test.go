package sqlitedb_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// TestPrivate: what is made for a database is its owner's alone, the files beside it too; what was there is left as it is.
func TestPrivate(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("there are no modes")
	}
	dir := t.TempDir()
	modes := map[string]os.FileMode{
		"new": os.ModeDir | 0o700, "new/x.db": 0o600, "new/x.db-wal": 0o600, "new/x.db-shm": 0o600,
		"old": os.ModeDir | 0o750, "old/x.db": 0o640, "old/x.db-wal": 0o640, "old/x.db-shm": 0o640,
	}
	old := filepath.Join(dir, "old", "x.db")
	if err := os.Mkdir(filepath.Dir(old), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := open(t, old, schema).Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(old, 0o640); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "new", "x.db"), old} {
		if _, err := open(t, path, schema).Write.ExecContext(t.Context(), "INSERT INTO t VALUES (1, 1)"); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range modes {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		} else if info.Mode() != want {
			t.Errorf("%s has the mode %v, want %v", name, info.Mode(), want)
		}
	}
	if files, err := os.ReadDir(filepath.Join(dir, "new")); err != nil || len(files) != 3 {
		t.Errorf("the folder holds %v, %v", files, err)
	}
}
