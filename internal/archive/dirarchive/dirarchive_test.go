package dirarchive_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/seed-56345083/reprise/internal/archive/archivetest"
	"github.com/seed-56345083/reprise/internal/archive/dirarchive"
)

// store is an archive in a temporary directory.
type store struct {
	*dirarchive.Archive
	root string
}

func newStore(tb testing.TB) *store {
	tb.Helper()
	dir := tb.TempDir()
	root := filepath.Join(dir, "archive")
	if err := os.Mkdir(root, 0o755); err != nil {
		tb.Fatal(err)
	}
	a, err := dirarchive.New(tb.Context(), dirarchive.Options{Root: root, Tags: filepath.Join(dir, "tags.db")})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := a.Close(); err != nil {
			tb.Error(err)
		}
	})
	return &store{Archive: a, root: root}
}

func (s *store) Put(tb testing.TB, key string, data []byte) {
	tb.Helper()
	_, err := s.Archive.Put(tb.Context(), dirarchive.PutParams{Key: key, Body: bytes.NewReader(data), NoSync: true})
	if err != nil {
		tb.Fatal(err)
	}
}

func (s *store) Delete(tb testing.TB, key string) {
	tb.Helper()
	if err := os.Remove(s.path(key)); err != nil {
		tb.Fatal(err)
	}
}

// Rewrite writes into the file itself, as a logger would.
func (s *store) Rewrite(tb testing.TB, key string, data []byte) {
	tb.Helper()
	if err := os.WriteFile(s.path(key), data, 0o644); err != nil {
		tb.Fatal(err)
	}
}

func (s *store) path(key string) string { return filepath.Join(s.root, filepath.FromSlash(key)) }

var harness = archivetest.Harness{
	Driver:     "dirarchive",
	New:        func(tb testing.TB) archivetest.Store { return newStore(tb) },
	AtomicTags: true,
}

func TestConformance(t *testing.T) {
	t.Parallel()
	archivetest.Run(t, harness)
}

func BenchmarkArchive(b *testing.B) { archivetest.Bench(b, harness) }
