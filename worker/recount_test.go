package worker

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/logline"
	"github.com/seed-56345083/reprise/internal/stats"
)

// The lines of these tests, and a count of them that shares nothing with the code under test: encoding/json and maps.

var (
	began  = time.Date(2018, 3, 24, 17, 0, 0, 0, time.UTC)
	cutoff = began.Add(time.Hour)
)

func definition() stats.Definition {
	return stats.Definition{
		Protocol: protocol, Format: logline.Format{Name: "json"}, Timestamp: "ts",
		Stats: []stats.Statistic{
			{Name: "queries", By: []string{"minute", "qtype"}, Measures: []stats.Measure{
				{Name: "queries", Func: "count"}, {Name: "answered", Func: "count(rtt)"}, {Name: "bytes", Func: "sum(bytes)"},
			}},
			{Name: "hosts", By: []string{"host"}, Measures: []stats.Measure{
				{Name: "lines", Func: "count"}, {Name: "most", Func: "max(bytes)"},
			}},
		},
	}
}

// record is one line.
type record struct {
	TS    time.Time `json:"ts"`
	Qtype *string   `json:"qtype,omitempty"`
	Host  string    `json:"host"`
	Bytes int64     `json:"bytes"`
	RTT   *float64  `json:"rtt,omitempty"`
	Pad   string    `json:"pad,omitempty"`
}

// makeLines generates n lines of that many hosts; one in fifty each is bad, blank, and after the cutoff.
func makeLines(n, hosts int) []string {
	lines := make([]string, n)
	types := []string{"A", "AAAA", "MX", "TXT"}
	rtt := 0.25
	for i := range lines {
		r := record{TS: began.Add(time.Duration(i%2400) * time.Second), Host: fmt.Sprintf("h%06d", i%hosts), Bytes: int64(i*7919) % 1500}
		if i%9 != 0 {
			r.Qtype = &types[i%len(types)]
		}
		if i%3 == 0 {
			r.RTT = &rtt
		}
		switch i % 50 {
		case 7:
			lines[i] = `{"ts":` + strings.Repeat("x", i%40)
			continue
		case 13:
			continue
		case 29:
			r.TS = cutoff.Add(time.Nanosecond)
		case 31:
			r.TS = cutoff
		}
		lines[i] = encode(r)
	}
	return lines
}

func encode(r record) string {
	b, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func text(lines []string) []byte {
	var b bytes.Buffer
	for _, l := range lines {
		b.WriteString(l)
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// table is statistic and dimensions to measures.
type table map[string]string

type counted struct {
	rows     table
	accounts ledger.Accounts
}

type sums struct{ count, answered, bytes, most int64 }

// recount counts lines as the definition says.
func recount(lines []string) counted {
	c := counted{rows: table{}}
	queries, hosts := map[string]*sums{}, map[string]*sums{}
	at := func(m map[string]*sums, key string) *sums {
		if m[key] == nil {
			m[key] = &sums{most: -1}
		}
		return m[key]
	}
	for _, l := range lines {
		if l == "" {
			c.accounts.Blank++
			continue
		}
		c.accounts.Read++
		var r record
		switch err := json.Unmarshal([]byte(l), &r); {
		case err != nil || len(l) > stats.DefaultMaxLine:
			c.accounts.Rejected++
			continue
		case r.TS.After(cutoff):
			c.accounts.AfterCutoff++
			continue
		}
		c.accounts.Counted++
		qtype := "null"
		if r.Qtype != nil {
			qtype = "=" + *r.Qtype
		}
		q := at(queries, "="+r.TS.UTC().Truncate(time.Minute).Format(time.RFC3339)+"|"+qtype)
		q.count++
		q.bytes += r.Bytes
		if r.RTT != nil {
			q.answered++
		}
		h := at(hosts, "="+r.Host)
		h.count++
		h.most = max(h.most, r.Bytes)
	}
	for key, s := range queries {
		c.rows["queries|"+key] = fmt.Sprint([]int64{s.count, s.answered, s.bytes})
	}
	for key, s := range hosts {
		c.rows["hosts|"+key] = fmt.Sprint([]int64{s.count, s.most})
	}
	return c
}

// tableOf writes a partial as recount writes its own.
func tableOf(p *stats.Partial) table {
	t := table{}
	for r := range p.Rows() {
		key := r.Statistic
		for _, d := range r.Dims {
			if d.Null {
				key += "|null"
			} else {
				key += "|=" + d.Text
			}
		}
		t[key] = fmt.Sprint(r.Values())
	}
	return t
}

// gzipped compresses lines into members of so many lines each; 0: one member.
func gzipped(t testing.TB, lines []string, each int) []byte {
	t.Helper()
	return inPieces(lines, each, func(b *bytes.Buffer, piece []byte) error {
		w := gzip.NewWriter(b)
		if _, err := w.Write(piece); err != nil {
			return err
		}
		return w.Close()
	}, t)
}

// zstandard compresses lines into frames of so many lines each.
func zstandard(t testing.TB, lines []string, each int) []byte {
	t.Helper()
	return inPieces(lines, each, func(b *bytes.Buffer, piece []byte) error {
		w, err := zstd.NewWriter(b)
		if err != nil {
			return err
		}
		if _, err := w.Write(piece); err != nil {
			return err
		}
		return w.Close()
	}, t)
}

func inPieces(lines []string, each int, compress func(*bytes.Buffer, []byte) error, t testing.TB) []byte {
	t.Helper()
	if each == 0 {
		each = len(lines)
	}
	var b bytes.Buffer
	for len(lines) > 0 {
		n := min(each, len(lines))
		if err := compress(&b, text(lines[:n])); err != nil {
			t.Fatal(err)
		}
		lines = lines[n:]
	}
	return b.Bytes()
}
