package e2e_test

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// recount is the test's own count of a protocol: plain maps, filled from records that were never a line.
type recount struct {
	d     dialect
	hits  map[[2]string]*sums
	slow  map[[2]string]*sums
	lines accounts
	all   bool // no cutoff: the lines are counted live
}

type sums struct {
	lines, users, size   int64
	sum, least, most     int64 // of bytes
	millis, maxMillis    int64
	below100, below500   int64
	above                int64
	hosts                map[string]bool
	first, last          time.Time
	durations, firstSeen bool
}

func newRecount(d dialect) *recount {
	return &recount{d: d, hits: map[[2]string]*sums{}, slow: map[[2]string]*sums{}}
}

// add counts one line as the generator meant it. size is its length without the newline.
func (c *recount) add(r record, what fault, size int) {
	if what == blank {
		c.lines.Blank++
		return
	}
	c.lines.Read++
	switch {
	case what != none:
		c.lines.Rejected++
		return
	case !c.all && r.at.After(generatedCutoff):
		c.lines.AfterCutoff++
		return
	}
	c.lines.Counted++
	at(c.hits, r.at.Truncate(time.Minute), number(r.status)).add(r, size)
	if c.d.plain && r.status >= 500 || !c.d.plain && r.millis > 500 {
		at(c.slow, r.at.Truncate(time.Hour), r.host).add(r, size)
	}
}

func at(rows map[[2]string]*sums, bucket time.Time, name string) *sums {
	key := [2]string{bucket.Format(time.RFC3339), name}
	s := rows[key]
	if s == nil {
		s = &sums{least: math.MaxInt64, maxMillis: -1, hosts: map[string]bool{}}
		rows[key] = s
	}
	return s
}

func (s *sums) add(r record, size int) {
	s.lines++
	s.size += int64(size)
	s.sum += r.bytes
	s.least, s.most = min(s.least, r.bytes), max(s.most, r.bytes)
	s.hosts[r.host] = true
	if r.user != "" {
		s.users++
	}
	if !s.firstSeen || r.at.Before(s.first) {
		s.first = r.at
	}
	if !s.firstSeen || r.at.After(s.last) {
		s.last = r.at
	}
	s.firstSeen = true
	if r.millis < 0 {
		return
	}
	s.durations = true
	s.millis += r.millis
	s.maxMillis = max(s.maxMillis, r.millis)
	switch {
	case r.millis <= 100:
		s.below100++
	case r.millis <= 500:
		s.below500++
	default:
		s.above++
	}
}

// tables are what the statistics must be, and how far they may be off.
func (c *recount) tables() (hits, slow table) {
	host, stamp := "host", rfc3339Millis
	hits.columns = []string{"minute", "status", "lines", "users", "bytes_sum", "bytes_min", "bytes_max", "size", "hosts", "first", "last"}
	if c.d.plain {
		host = "remote_addr"
	} else {
		hits.columns = append(hits.columns, "dur_sum", "dur_max", "durs")
	}
	if c.d.seconds {
		stamp = time.RFC3339
	}
	slow.columns = []string{"hour", host, "lines", "bytes_sum"}
	for key, s := range c.hits {
		row := []string{key[0], key[1], text(s.lines), text(s.users), text(s.sum), text(s.least), text(s.most), text(s.size),
			text(int64(len(s.hosts))), s.first.Format(stamp), s.last.Format(stamp)}
		if !c.d.plain {
			sum, most := "", ""
			if s.durations {
				sum = strconv.FormatFloat(float64(s.millis)/1000, 'g', -1, 64)
				most = strconv.FormatFloat(float64(s.maxMillis)/1000, 'g', -1, 64)
			}
			row = append(row, sum, most, fmt.Sprintf("[%d,%d,%d]", s.below100, s.below500, s.above))
		}
		hits.rows = append(hits.rows, row)
	}
	for key, s := range c.slow {
		slow.rows = append(slow.rows, []string{key[0], key[1], text(s.lines), text(s.sum)})
	}
	for _, t := range []table{hits, slow} {
		slices.SortFunc(t.rows, func(a, b []string) int { return slices.Compare(a[:2], b[:2]) })
	}
	return hits, slow
}

func text(n int64) string { return strconv.FormatInt(n, 10) }

// compare holds the rows that the program prints against the recount.
func (c *recount) compare(s *site) {
	s.t.Helper()
	hits, slow := c.tables()
	got := parseCSV(s.t, s.must("stats", c.d.name, "hits", "--csv"))
	equal(s.t, c.d.name+" hits", got, hits, map[string]float64{"dur_sum": floatTolerance, "hosts": distinctTolerance})
	equal(s.t, c.d.name+" slow", parseCSV(s.t, s.must("stats", c.d.name, "slow", "--csv")), slow, nil)
}

// object makes n lines of one object and counts them, unless the object is one that will not be read to its end.
func (c *recount) object(g *generator, n int, newline string, counts bool) [][]byte {
	lines := make([][]byte, 0, n+1)
	if c.d.header != "" {
		lines = append(lines, []byte(c.d.header+newline))
		if counts {
			c.lines.Blank++
		}
	}
	for range n {
		line, r, what := g.line(c.d)
		if counts {
			c.add(r, what, len(line))
		}
		lines = append(lines, []byte(line+newline))
	}
	return lines
}

// TestRecountItself keeps the oracle honest: a few records whose sums anybody can check.
func TestRecountItself(t *testing.T) {
	t.Parallel()
	c := newRecount(dialects()[0])
	for i, what := range []fault{none, none, broken, blank, none} {
		c.add(record{at: generatedCutoff.Add(time.Duration(i-3) * time.Millisecond), host: "h", status: 200, bytes: 1 << 48, millis: int64(400 * i)}, what, 10)
	}
	hits, slow := c.tables()
	var b bytes.Buffer
	for _, rows := range []table{hits, slow} {
		for _, row := range rows.rows {
			b.WriteString(strings.Join(row, " ") + "\n")
		}
	}
	const want = "2026-03-01T00:09:00Z 200 2 0 562949953421312 281474976710656 281474976710656 20 1 2026-03-01T00:09:59.997Z 2026-03-01T00:09:59.998Z 0.4 0.4 [1,1,0]\n"
	if b.String() != want || c.lines != (accounts{Read: 4, Counted: 2, AfterCutoff: 1, Rejected: 1, Blank: 1}) {
		t.Errorf("%s%+v", b.String(), c.lines)
	}
}
