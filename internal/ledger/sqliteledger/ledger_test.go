package sqliteledger_test

import (
	"path/filepath"
	"sync"
	"testing"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/ledger/ledgertest"
	"github.com/seed-56345083/reprise/internal/ledger/sqliteledger"
)

// harness opens each ledger in a file of its own and knows which.
func harness() ledgertest.Harness {
	var paths sync.Map // ledger.Ledger to path
	return ledgertest.Harness{
		Driver: "sqliteledger",
		Open: func(tb testing.TB) ledger.Ledger {
			path := filepath.Join(tb.TempDir(), "ledger.db")
			l := open(tb, path)
			paths.Store(l, path)
			return l
		},
		Again: func(tb testing.TB, l ledger.Ledger) ledger.Ledger {
			path, _ := paths.Load(l)
			return open(tb, path.(string))
		},
	}
}

func open(tb testing.TB, path string) *sqliteledger.Ledger {
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
	return l
}

func TestLedger(t *testing.T) {
	t.Parallel()
	ledgertest.Run(t, harness())
}

func BenchmarkLedger(b *testing.B) { ledgertest.Bench(b, harness()) }
