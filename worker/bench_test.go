package worker

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/stats"
)

const benchLines = 200_000

// BenchmarkObject is the way of a line: a gzip object in a directory, lines, tally, and the blob of the partial, without
// the ledger's write.
func BenchmarkObject(b *testing.B) {
	for _, hosts := range []int{100, 50_000} {
		b.Run(fmt.Sprintf("hosts=%d", hosts), func(b *testing.B) {
			bed := newBed(b)
			lines := makeLines(benchLines, hosts)
			o := bed.put("dns/a.gz", gzipped(b, lines, 20_000))
			w := bed.worker()
			b.SetBytes(int64(len(text(lines))))
			b.ReportAllocs()
			for b.Loop() {
				tally, err := bed.program.NewTally(stats.Rule{Cutoff: cutoff.UnixNano()})
				if err != nil {
					b.Fatal(err)
				}
				c := &chunk{job: &job{w: w, looked: time.Now().Add(time.Hour)}, tally: tally}
				c.lines, err = archive.OpenLines(context.Background(), bed.archive, archive.LinesParams{
					Key: o.Key, ETag: o.ETag, Size: o.Size, MaxLine: bed.program.MaxLine(),
				})
				if err != nil {
					b.Fatal(err)
				}
				if err := c.read(context.Background(), time.Hour); err != nil {
					b.Fatal(err)
				}
				if blob := tally.Partial().AppendBlob(nil); len(blob) == 0 || c.commit.Accounts.Read == 0 {
					b.Fatal("nothing was counted")
				}
				if err := c.lines.Close(); err != nil {
					b.Fatal(err)
				}
			}
			perLine(b)
		})
	}
}

// BenchmarkMessage is the whole of it: receive, claim, read, commit, tags, delete, on the embedded drivers.
func BenchmarkMessage(b *testing.B) {
	for _, n := range []int{100, benchLines} {
		b.Run(fmt.Sprintf("lines=%d", n), func(b *testing.B) {
			bed := newBed(b)
			lines := makeLines(n, 100)
			content := gzipped(b, lines, 20_000)
			w := bed.worker()
			b.SetBytes(int64(len(text(lines))))
			i := 0
			for b.Loop() {
				b.StopTimer()
				i++
				bed.add(fmt.Sprintf("dns/%d.gz", i), content)
				b.StartTimer()
				if !bed.step(w) {
					b.Fatal("no message")
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
		})
	}
}

// perLine reports what a line costs; allocations stand per object, which is benchLines times as much.
func perLine(b *testing.B) {
	b.ReportMetric(benchLines*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}
