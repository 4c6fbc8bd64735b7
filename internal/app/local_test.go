package app_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/internal/app"
)

// TestLocalIsPrivate: the folder and the files that the local backend makes are its user's alone.
func TestLocalIsPrivate(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	a, err := app.Open(t.Context(), load(t, "local: {dir: "+dir+", archive: "+t.TempDir()+"}\n"+protocols), "test", zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	files, err := filepath.Glob(filepath.Join(dir, "*.db"))
	if err != nil || len(files) != 3 {
		t.Errorf("the databases are %q, %v", files, err)
	}
	for _, path := range append(files, dir) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has the mode %v", path, info.Mode())
		}
	}
}

// TestLocalOpensHalf: where one of the files cannot be opened, the error is of that one, and the others are closed again, each with an
// empty log.
func TestLocalOpensHalf(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"archive", "ledger.db", "queue.db", "tags.db"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, archive := t.TempDir(), t.TempDir()
			if name == "archive" {
				archive = filepath.Join(archive, "nowhere")
			} else if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
				t.Fatal(err)
			}
			a, err := app.Open(t.Context(), load(t, "local: {dir: "+dir+", archive: "+archive+"}\n"+protocols), "test", zap.NewNop())
			if err == nil {
				t.Fatal("it opens", a.Close())
			}
			if !strings.Contains(err.Error(), name) {
				t.Errorf("the error does not name %s: %v", name, err)
			}
			if logs, err := filepath.Glob(filepath.Join(dir, "*-wal")); err != nil || len(logs) > 0 {
				t.Errorf("stay open: %v, %v", logs, err)
			}
		})
	}
}
