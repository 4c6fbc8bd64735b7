package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"
)

// shortCount is the test's own count of a protocol of short lines.
type shortCount struct {
	name    string // of the protocol and of its format
	objects int64
	lines   accounts
	hits    map[shortKey]*shortSums
	high    map[string]*shortSums
	low     map[string]*shortSums // for another definition of the same lines: n < 500
}

type shortKey struct{ hour, name string }

type shortSums struct{ lines, sum, least, most, below, middle, above int64 }

func newShortCount(format string) *shortCount {
	return &shortCount{name: format, hits: map[shortKey]*shortSums{}, high: map[string]*shortSums{}, low: map[string]*shortSums{}}
}

// shortNames are the values of the dimension name.
const shortNames = 60

func (c *shortCount) protocol() string {
	columns := ""
	if c.name == "tsv" {
		columns = "columns: [t, name, n]"
	}
	return fmt.Sprintf(`
  %s:
    format: %s
    %s
    timestamp: t
    layout: unix_ms
    stats:
      hits:
        by: [hour, name]
        measures: {lines: count, n_sum: sum(n), n_min: min(n), n_max: max(n), ns: "histogram(n, 100, 500)"}
      high:
        where: n > 900
        by: [name]
        measures: {lines: count, n_sum: sum(n)}
`, c.name, c.name, columns)
}

// object makes an object of n lines, a few of them odd, and counts them unless the object is one that must fail.
func (c *shortCount) object(random *rand.Rand, n int, counts bool) [][]byte {
	if counts {
		c.objects++
	}
	hours := make([]string, 4)
	first := generatedBegin.Truncate(time.Hour)
	for i := range hours {
		hours[i] = first.Add(time.Duration(i) * time.Hour).Format(time.RFC3339)
	}
	names := make([]string, shortNames)
	for i := range names {
		names[i] = fmt.Sprintf("k%02d", i)
	}
	begin, cutoff := generatedBegin.UnixMilli(), generatedCutoff.UnixMilli()
	lines := make([][]byte, 0, n)
	for range n {
		at := begin + random.Int64N(int64(120*time.Minute/time.Millisecond))
		name, value := names[random.IntN(len(names))], random.Int64N(1000)
		odd := random.IntN(400)
		lines = append(lines, c.line(at, name, value, odd))
		if !counts {
			continue
		}
		switch {
		case odd == 1:
			c.lines.Blank++
			continue
		case odd == 0:
			c.lines.Rejected++
		case at > cutoff:
			c.lines.AfterCutoff++
		default:
			c.lines.Counted++
			c.add(hours[(at-first.UnixMilli())/time.Hour.Milliseconds()], name, value)
		}
		c.lines.Read++
	}
	return lines
}

// line writes a line; 0 and 1 are odd ones: one that does not parse, and an empty one.
func (c *shortCount) line(at int64, name string, value int64, odd int) []byte {
	line := make([]byte, 0, 40)
	switch {
	case odd == 0:
		line = append(line, "{broken"...)
	case odd == 1:
	case c.name == "tsv":
		line = strconv.AppendInt(line, at, 10)
		line = append(append(append(line, '\t'), name...), '\t')
		line = strconv.AppendInt(line, value, 10)
	default:
		line = strconv.AppendInt(append(line, `{"t":`...), at, 10)
		line = append(append(append(line, `,"name":"`...), name...), `","n":`...)
		line = append(strconv.AppendInt(line, value, 10), '}')
	}
	return append(line, '\n')
}

func (c *shortCount) add(hour, name string, value int64) {
	key := shortKey{hour, name}
	if c.hits[key] == nil {
		c.hits[key] = &shortSums{least: value, most: value}
	}
	c.hits[key].add(value)
	for _, narrow := range []struct {
		rows map[string]*shortSums
		ok   bool
	}{{c.high, value > 900}, {c.low, value < 500}} {
		if !narrow.ok {
			continue
		}
		if narrow.rows[name] == nil {
			narrow.rows[name] = &shortSums{least: value, most: value}
		}
		narrow.rows[name].add(value)
	}
}

func (s *shortSums) add(value int64) {
	s.lines++
	s.sum += value
	s.least, s.most = min(s.least, value), max(s.most, value)
	switch {
	case value <= 100:
		s.below++
	case value <= 500:
		s.middle++
	default:
		s.above++
	}
}

// compare holds the rows that the program prints against the count.
func (c *shortCount) compare(s *site, args ...string) {
	s.t.Helper()
	hits := table{columns: []string{"hour", "name", "lines", "n_sum", "n_min", "n_max", "ns"}}
	for key, v := range c.hits {
		hits.rows = append(hits.rows, []string{key.hour, key.name, text(v.lines), text(v.sum), text(v.least), text(v.most),
			fmt.Sprintf("[%d,%d,%d]", v.below, v.middle, v.above)})
	}
	high := table{columns: []string{"name", "lines", "n_sum"}}
	for name, v := range c.high {
		high.rows = append(high.rows, []string{name, text(v.lines), text(v.sum)})
	}
	for name, want := range map[string]table{"hits": hits, "high": high} {
		slices.SortFunc(want.rows, slices.Compare[[]string])
		got := parseCSV(s.t, s.must(append([]string{"stats", c.name, name, "--csv"}, args...)...))
		equal(s.t, c.name+" "+name, got, want, nil)
	}
}
