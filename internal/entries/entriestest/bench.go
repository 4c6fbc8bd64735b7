package entriestest

import (
	"fmt"
	"testing"

	"github.com/seed-56345083/reprise/internal/entries"
)

// Bench measures what an entry goes through: it is put, read, counted in rows, and joins a batch. Each iteration is one entry;
// calls are as large as the live side makes them.
func Bench(b *testing.B, h Harness) {
	b.Run("put", func(b *testing.B) {
		f := benchFixture(b, h)
		for n := 0; b.Loop(); n++ {
			if n%entries.MaxRead == 0 {
				f.put(b, fresh(numbered(fmt.Sprint(n, " "), entries.MaxRead)...)...)
			}
		}
	})
	for _, rows := range []int{1, 20, 50} {
		b.Run(fmt.Sprintf("count/rows=%d", rows), func(b *testing.B) { benchCount(b, h, rows) })
	}
	b.Run("join", func(b *testing.B) {
		f := benchFixture(b, h)
		batch := f.open(b, "01A", 7)
		for n := 0; b.Loop(); n++ {
			if n%entries.MaxJoin > 0 {
				continue
			}
			b.StopTimer()
			names := numbered(fmt.Sprint(n, " "), entries.MaxJoin)
			f.put(b, fresh(names...)...)
			f.countIn(b, names, 7)
			b.StartTimer()
			batch = f.join(b, batch, []int64{7}, names...)
		}
	})
}

func benchFixture(b *testing.B, h Harness) *fixture {
	b.Helper()
	l, e := h.Open(b)
	f := &fixture{Entries: e, ledger: l, h: h}
	f.meta(b, "dns", 7, 7)
	return f
}

// benchCount counts half a transaction of entries in some rows that are there, read and written each time.
func benchCount(b *testing.B, h Harness, rows int) {
	const page = entries.MaxItems / 2
	f := benchFixture(b, h)
	var keys []entries.RowKey
	for i := range rows {
		keys = append(keys, key(fmt.Sprint("k", i)))
	}
	for n := 0; b.Loop(); n++ {
		if n%page > 0 {
			continue
		}
		b.StopTimer()
		names := numbered(fmt.Sprint(n, " "), page)
		f.put(b, fresh(names...)...)
		b.StartTimer()
		_, err := f.Read(b.Context(), names)
		must(b, err)
		found, err := f.LiveRows(b.Context(), part(7, 0), keys)
		must(b, err)
		for i := range found {
			found[i].State = make([]byte, 200)
		}
		f.count(b, entries.Count{Part: part(7, 0), Entries: counted(names...), Rows: found})
	}
}
