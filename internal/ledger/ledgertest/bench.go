package ledgertest

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/seed-56345083/reprise/internal/ledger"
)

// Bench measures the calls that a replay's speed hangs on.
func Bench(b *testing.B, h Harness) {
	for _, size := range []int{0, 2 << 10, ledger.MaxInline} {
		b.Run(fmt.Sprintf("ClaimCommit/partial=%d", size), func(b *testing.B) { benchClaimCommit(b, h, size) })
	}
	b.Run("Insert", func(b *testing.B) { benchInsert(b, h) })
	b.Run("Read100k", func(b *testing.B) { benchRead(b, h, 100_000) })
	b.Run("PutRows", func(b *testing.B) { benchPutRows(b, h) })
}

// benchClaimCommit takes objects from PENDING to FINISHED, one claim and one commit each, by several goroutines.
func benchClaimCommit(b *testing.B, h Harness, size int) {
	f := &fixture{Ledger: h.Open(b), h: h}
	f.insertMany(b, b.N)
	names := numbered("dns/", b.N)
	partial := make([]byte, size)
	if size == 0 {
		partial = nil
	}
	var n atomic.Int64
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			key := names[n.Add(1)-1]
			c := f.claim(b, key, "w1")
			must(b, f.Commit(b.Context(), ledger.Commit{
				ID: id(key), Epoch: c.Epoch, To: 1000, State: ledger.Finished, Accounts: accounts(1000), Partial: partial, Now: start,
			}))
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "objects/s")
}

func benchInsert(b *testing.B, h Harness) {
	f := &fixture{Ledger: h.Open(b), h: h}
	b.ResetTimer()
	f.insertMany(b, b.N)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "cursors/s")
}

// benchRead reads a large replay whole: what a status, a fold and a watcher that looks for the few open ones do.
func benchRead(b *testing.B, h Harness, n int) {
	f := &fixture{Ledger: h.Open(b), h: h}
	var page []ledger.Cursor
	for i, key := range numbered("dns/", n) {
		c := object(key)
		c.State, c.Protocol, c.Partial = ledger.Finished, []string{"dns", "ssl", "weird"}[i%3], make([]byte, 1<<10)
		if i%1000 == 0 {
			c.State = ledger.Pending
		}
		if page = append(page, c); len(page) == ledger.MaxInsert {
			f.insert(b, page...)
			page = nil
		}
	}
	scan := func(p ledger.ScanParams, want int) func(b *testing.B) {
		return func(b *testing.B) {
			for b.Loop() {
				got := 0
				for _, err := range f.Scan(b.Context(), p) {
					must(b, err)
					got++
				}
				equal(b, "cursors", got, want)
			}
			b.ReportMetric(float64(want*b.N)/b.Elapsed().Seconds(), "cursors/s")
		}
	}
	b.Run("Scan", scan(ledger.ScanParams{Replay: replay}, n))
	b.Run("ScanPartials", scan(ledger.ScanParams{Replay: replay, Partials: true}, n))
	b.Run("ScanOpen", scan(ledger.ScanParams{Replay: replay, States: []ledger.State{ledger.Pending, ledger.Processing}}, n/1000))
	b.Run("Summarize", func(b *testing.B) {
		for b.Loop() {
			s, err := f.Summarize(b.Context(), replay)
			must(b, err)
			equal(b, "objects", s.Total().Objects, int64(n))
		}
	})
}

func benchPutRows(b *testing.B, h Harness) {
	f := &fixture{Ledger: h.Open(b), h: h}
	const batch = 1000
	rows := make([]ledger.Row, batch)
	written := 0
	for b.Loop() {
		for i := range rows {
			rows[i] = row("queries", fmt.Sprintf(`["2018-03-24T12:%02d:00Z","A","host-%08d.example"]`, i%60, written+i), "{\"queries\":1,\"answered\":1}")
		}
		f.put(b, part(ledger.BasePart(1, 0)), rows...)
		written += batch
	}
	b.ReportMetric(float64(written)/b.Elapsed().Seconds(), "rows/s")
}
