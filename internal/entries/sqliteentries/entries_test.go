package sqliteentries_test

import (
	"path/filepath"
	"sync"
	"testing"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/entries/entriestest"
	"github.com/seed-56345083/reprise/internal/entries/sqliteentries"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/ledger/sqliteledger"
)

// harness opens each store in a file of its own and knows which.
func harness() entriestest.Harness {
	var paths sync.Map // entries.Entries to path
	return entriestest.Harness{
		Driver: "sqliteentries",
		Open: func(tb testing.TB) (ledger.Ledger, entries.Entries) {
			path := filepath.Join(tb.TempDir(), "ledger.db")
			l, e := open(tb, path)
			paths.Store(e, path)
			return l, e
		},
		Again: func(tb testing.TB, e entries.Entries) entries.Entries {
			path, _ := paths.Load(e)
			_, again := open(tb, path.(string))
			return again
		},
	}
}

func open(tb testing.TB, path string) (*sqliteledger.Ledger, *sqliteentries.Entries) {
	tb.Helper()
	l, err := sqliteledger.Open(tb.Context(), path)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := l.Close(); err != nil {
			tb.Error(err)
		}
	})
	e, err := sqliteentries.Open(tb.Context(), l)
	if err != nil {
		tb.Fatal(err)
	}
	return l, e
}

func TestEntries(t *testing.T) {
	t.Parallel()
	entriestest.Run(t, harness())
}

func BenchmarkEntries(b *testing.B) { entriestest.Bench(b, harness()) }
