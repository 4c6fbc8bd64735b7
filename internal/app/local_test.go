package app_test

import (
	"os"
	"path/filepath"
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
