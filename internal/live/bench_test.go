package live

import (
	"fmt"
	"slices"
	"testing"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/entries/sqliteentries"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/ledger/sqliteledger"
)

// BenchmarkCount counts entries on SQLite as a consumer does, 500 at a time: in one generation, in two, and where nearly each
// entry has rows of its own.
func BenchmarkCount(b *testing.B) {
	for _, bench := range []struct{ gens, hosts int }{{1, 50}, {2, 50}, {1, 100_000}} {
		b.Run(fmt.Sprintf("generations=%d/hosts=%d", bench.gens, bench.hosts), func(b *testing.B) {
			l, err := sqliteledger.Open(b.Context(), b.TempDir()+"/ledger.db")
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = l.Close() }()
			e, err := sqliteentries.Open(b.Context(), l)
			if err != nil {
				b.Fatal(err)
			}
			d := first()
			w := ledger.Writes{Protocols: []ledger.Protocol{{Name: protocol, Epoch: int64(bench.gens)}}}
			for g := range int64(bench.gens) {
				w.Protocols[0].Gens = append(w.Protocols[0].Gens, g+1)
				w.Generations = append(w.Generations, ledger.Generation{Protocol: protocol, Number: g + 1, Definition: d.Encode(), Hash: d.Hash(), Created: began})
			}
			if err := l.Write(b.Context(), w); err != nil {
				b.Fatal(err)
			}
			list := benchEntries(b, e, bench.hosts)
			c, err := New(Options{Ledger: l, Entries: e})
			if err != nil {
				b.Fatal(err)
			}
			b.ResetTimer()
			for some := range slices.Chunk(list, 500) {
				if err := c.Count(b.Context(), protocol, some); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}

// benchEntries puts an entry for each iteration.
func benchEntries(b *testing.B, e entries.Entries, hosts int) []entries.Entry {
	b.Helper()
	var list []entries.Entry
	for i, line := range makeLines(b.N, hosts) {
		list = append(list, entries.Entry{ID: fmt.Sprint(i), Protocol: protocol, TS: began, Line: []byte(line)})
	}
	for some := range slices.Chunk(list, entries.MaxPut) {
		if _, err := e.Put(b.Context(), some); err != nil {
			b.Fatal(err)
		}
	}
	return list
}
