package stats_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/logline"
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
	b.Helper()
	benchLines(b, d, zeekLines(20_000, 1), stats.Rule{Cutoff: 1 << 62})
}

func benchLines(b *testing.B, d stats.Definition, lines [][]byte, rule stats.Rule) {
	b.Helper()
	tally := newTally(b, compile(b, d), rule)
	bytes := 0
	for pass := range 2 { // the second finds every row and every set there
		bytes = 0
		for i, l := range lines {
			if o, err := tally.Line(int64(i), l); err != nil {
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
	b.Run("machine", func(b *testing.B) {
		benchTally(b, definition("dns", statistic("failures", "rcode * 1 != 0", []string{"query"}, "queries", "count")))
	})
}

// connLines generates lines like Zeek's log of connections: other values in most fields of each line, some fields missing
// now and then, and several ports and services.
func connLines(n int, seed uint64, write func(r *rand.Rand, micros int, port int) []byte) [][]byte {
	r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a generator of test data
	ports := []int{53, 53, 53, 80, 443, 443, 443, 22, 3389, 123}
	lines := make([][]byte, n)
	for i := range lines {
		port := ports[r.IntN(len(ports))]
		if r.IntN(20) == 0 {
			port = 1 + r.IntN(1000)
		}
		lines[i] = write(r, i*7200_000/n*1000+r.IntN(1000), port)
	}
	return lines
}

func connJSON(r *rand.Rand, micros int, port int) []byte {
	b := fmt.Appendf(nil, `{"_path":"conn","ts":"2018-03-24T%02d:%02d:%02d.%06dZ","uid":"C%017x","id.orig_h":"10.47.%d.%d","id.orig_p":%d,"id.resp_h":"10.0.0.%d","id.resp_p":%d,"proto":"tcp",`,
		17+micros/3600_000_000, micros/60_000_000%60, micros/1_000_000%60, micros%1_000_000, r.Uint64(), r.IntN(8), r.IntN(250), 1024+r.IntN(60000), r.IntN(250), port)
	if port == 443 {
		b = append(b, `"service":"ssl",`...)
	}
	return fmt.Appendf(b, `"duration":%.6f,"orig_bytes":%d,"resp_bytes":%d,"conn_state":"SF","missed_bytes":0,"history":"ShADadFf","orig_pkts":%d,"resp_pkts":%d,"tunnel_parents":[]}`,
		r.ExpFloat64(), r.IntN(10_000), r.IntN(100_000), r.IntN(100), r.IntN(100))
}

func connTSV(r *rand.Rand, micros int, port int) []byte {
	return fmt.Appendf(nil, "conn\t%d.%06d\tC%017x\t10.47.%d.%d\t%d\t10.0.0.%d\t%d\ttcp\t-\t%.6f\t%d\t%d\tSF",
		1521911720+micros/1_000_000, micros%1_000_000, r.Uint64(), r.IntN(8), r.IntN(250), 1024+r.IntN(60000), r.IntN(250), port,
		r.ExpFloat64(), r.IntN(10_000), r.IntN(100_000))
}

func connCombined(r *rand.Rand, micros int, port int) []byte {
	return fmt.Appendf(nil, `192.0.2.%d - - [10/Oct/2000:%02d:%02d:%02d -0700] "GET /articles/%d?page=2 HTTP/1.1" %d %d "https://example.org/start" "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"`,
		r.IntN(250), 13+micros/3600_000_000, micros/60_000_000%60, micros/1_000_000%60, r.IntN(10_000), 200+port%7, r.IntN(100_000))
}

// pathCase is the query "count, bytes, first and last timestamp by path, hour and port up to a cutoff in the middle", over
// lines of one format.
type pathCase struct {
	name  string
	d     stats.Definition
	lines [][]byte
	rule  stats.Rule
}

func pathCases(n int) []pathCase {
	by := func(path, port, ts string) stats.Statistic {
		return statistic("paths", "", []string{path, "hour", port}, "lines", "count", "bytes", "sum(@bytes)", "first", "min("+ts+")", "last", "max("+ts+")")
	}
	at := func(text string) stats.Rule {
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			panic(err)
		}
		return stats.Rule{Cutoff: t.UnixNano()}
	}
	return []pathCase{
		{"dns", definition("dns", by("_path", "id.resp_p", "ts")), zeekLines(n, 1), at("2018-03-24T17:25:00Z")},
		{"conn", definition("conn", by("_path", "id.resp_p", "ts")), connLines(n, 1, connJSON), at("2018-03-24T18:00:00Z")},
		{"tsv", stats.Definition{
			Protocol: "conn", Timestamp: "ts", Layout: "unix", Stats: []stats.Statistic{by("path", "resp_p", "ts")},
			Format: logline.Format{Name: "tsv", Columns: []string{"path", "ts", "uid", "orig_h", "orig_p", "resp_h", "resp_p", "proto", "service", "duration", "orig_bytes", "resp_bytes", "state"}},
		}, connLines(n, 1, connTSV), stats.Rule{Cutoff: (1521911720 + 3600) * 1e9}},
		{"combined", stats.Definition{
			Protocol: "web", Format: logline.Format{Name: "combined"}, Stats: []stats.Statistic{by("method", "status", "time")},
		}, connLines(n, 1, connCombined), at("2000-10-10T21:00:00Z")},
	}
}

// BenchmarkPath is the way of a line from its text to its row.
func BenchmarkPath(b *testing.B) {
	for _, c := range pathCases(20_000) {
		b.Run(c.name, func(b *testing.B) { benchLines(b, c.d, c.lines, c.rule) })
	}
}

// TestLineAllocates holds that lines whose rows are there allocate nothing.
func TestLineAllocates(t *testing.T) {
	for _, c := range pathCases(1000) {
		tally := newTally(t, compile(t, c.d), c.rule)
		counted := 0
		count := func() {
			counted = 0
			for i, l := range c.lines {
				o, err := tally.Line(int64(i), l)
				if err != nil {
					t.Fatal(err)
				}
				if o == stats.Counted {
					counted++
				}
			}
		}
		count()
		if allocs := testing.AllocsPerRun(10, count); allocs > 0 {
			t.Errorf("%s: %v allocations", c.name, allocs)
		}
		if counted < 300 || counted > 900 {
			t.Errorf("%s: %d of 1000 lines were counted, which is not the middle", c.name, counted)
		}
	}
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
