package stats_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/seed-56345083/reprise/internal/stats"
)

// zeekLines generates lines like Zeek's DNS log, the same for the same seed.
func zeekLines(n int, seed uint64) [][]byte {
	r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a generator of test data
	types := []string{"A", "AAAA", "PTR", "MX", "TXT", "SRV"}
	codes := []string{"NOERROR", "NXDOMAIN", "SERVFAIL"}
	lines := make([][]byte, n)
	for i := range lines {
		second, code := i*1200/n, min(2, r.IntN(20)/8)
		b := fmt.Appendf(nil, `{"_path":"dns","_write_ts":"2018-03-24T17:%02d:%02d.866586Z","ts":"2018-03-24T17:%02d:%02d.%06dZ","uid":"CqKst53mF3det3eDV9","id.orig_h":"10.47.%d.%d","id.orig_p":%d,"id.resp_h":"10.0.0.100","id.resp_p":53,"proto":"udp","trans_id":%d,`,
			15+second/60, second%60, 15+second/60, second%60, r.IntN(1_000_000), r.IntN(8), r.IntN(250), 1024+r.IntN(60000), r.IntN(65536))
		if r.IntN(10) > 0 {
			b = fmt.Appendf(b, `"rtt":%v,`, r.ExpFloat64()/100)
		}
		b = fmt.Appendf(b, `"query":"host%d.example.org","qclass":1,"qclass_name":"C_INTERNET","qtype":1,"qtype_name":%q,"rcode":%d,"rcode_name":%q,"AA":false,"TC":false,"RD":true,"RA":true,"Z":0,"answers":["ise.example.edu","134.71.3.16"],"TTLs":[2230.0,41830.0],"rejected":false}`,
			r.IntN(300), types[r.IntN(len(types))], code, codes[code])
		lines[i] = b
	}
	return lines
}

func benchTally(b *testing.B, d stats.Definition) {
	lines := zeekLines(20_000, 1)
	tally := newTally(b, compile(b, d), stats.Rule{Cutoff: 1 << 62})
	bytes := 0
	for pass := range 2 { // the second finds every row and every set there
		bytes = 0
		for i, l := range lines {
			if o, err := tally.Line(int64(i), l); o != stats.Counted {
				b.Fatal(pass, o, err)
			}
			bytes += len(l) + 1
		}
	}
	b.SetBytes(int64(bytes / len(lines)))
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		_, _ = tally.Line(int64(i), lines[i])
		if i++; i == len(lines) {
			i = 0
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lines/s")
	b.ReportMetric(float64(tally.Partial().Len()), "rows")
}

// BenchmarkLine counts lines for both statistics of the documentation, and for plain counts of the same rows.
func BenchmarkLine(b *testing.B) {
	b.Run("documented", func(b *testing.B) { benchTally(b, dnsDefinition()) })
	b.Run("counts", func(b *testing.B) {
		benchTally(b, definition("dns", statistic("queries", "", []string{"minute", "qtype_name", "rcode_name"}, "queries", "count"),
			statistic("failures", "rcode != 0", []string{"query"}, "queries", "count")))
	})
	b.Run("path", func(b *testing.B) {
		benchTally(b, definition("dns", statistic("paths", "", []string{"_path", "hour", "id.resp_p"},
			"lines", "count", "bytes", "sum(@bytes)", "first", "min(ts)", "last", "max(ts)")))
	})
	b.Run("machine", func(b *testing.B) {
		benchTally(b, definition("dns", statistic("failures", "rcode * 1 != 0", []string{"query"}, "queries", "count")))
	})
}

// manyRows is a partial of n rows.
func manyRows(b *testing.B, n int) *stats.Partial {
	b.Helper()
	p := compile(b, definition("dns", statistic("pairs", "", []string{"minute", "a", "b"},
		"lines", "count", "sum", "sum(n)", "rtt", "sum(rtt)", "first", "min(ts)")))
	tally := newTally(b, p, stats.Rule{All: true})
	r := rand.New(rand.NewPCG(7, 1)) //nolint:gosec // a generator of test data
	for i := range n {
		l := fmt.Sprintf(`{"ts":"2018-03-24T17:%02d:%02d.%06dZ","a":"10.47.%d.%d","b":%d,"n":%d,"rtt":%v}`,
			i%60, r.IntN(60), r.IntN(1_000_000), r.IntN(8), r.IntN(250), i, r.IntN(10_000), r.ExpFloat64()/100)
		if o, err := tally.Line(1, []byte(l)); o != stats.Counted {
			b.Fatal(o, err)
		}
	}
	return tally.Partial()
}

const benchRows = 20_000

// BenchmarkEncode encodes a partial; bytes are of the blob.
func BenchmarkEncode(b *testing.B) {
	part := manyRows(b, benchRows)
	blob := part.AppendBlob(nil)
	b.SetBytes(int64(len(blob)))
	b.ReportAllocs()
	for b.Loop() {
		blob = part.AppendBlob(blob[:0])
	}
	b.ReportMetric(float64(len(blob))/float64(part.Len()), "B/row")
	b.ReportMetric(float64(b.N)*float64(part.Len())/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkMerge merges a blob into rows that are there, and into an empty partial.
func BenchmarkMerge(b *testing.B) {
	part := manyRows(b, benchRows)
	blob := part.AppendBlob(nil)
	for _, fresh := range []bool{false, true} {
		b.Run(map[bool]string{false: "again", true: "fresh"}[fresh], func(b *testing.B) {
			into := part.Program().NewPartial()
			b.SetBytes(int64(len(blob)))
			b.ReportAllocs()
			for b.Loop() {
				if fresh {
					into.Reset()
				}
				if err := into.MergeBlob(blob, nil); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*float64(part.Len())/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
