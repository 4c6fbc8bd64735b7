package demo

import (
	"maps"
	"slices"
	"strconv"
	"time"
)

// counts are the expected statistics, one table each. Everything in them is an integer (times and delays are in
// microseconds), so that they merge in any order and are exact.
type counts struct {
	dnsQueries, dnsFailures, webTraffic, webPages, appRequests, appSlow table
}

func newCounts() *counts {
	return &counts{newTable(), newTable(), newTable(), newTable(), newTable(), newTable()}
}

func (c *counts) tables() []*table {
	return []*table{&c.dnsQueries, &c.dnsFailures, &c.webTraffic, &c.webPages, &c.appRequests, &c.appSlow}
}

func (c *counts) merge(d *counts) {
	theirs := d.tables()
	for i, t := range c.tables() {
		t.merge(theirs[i])
	}
}

// table is one statistic.
type table struct {
	rows map[key]*row
	seen map[sight]struct{}
}

// key names a row: the time bucket in microseconds, and indexes into the words of the dimensions; null for none.
type key struct {
	time int64
	a, b int32
}

const null = -1

// sight is one value of a distinct count in one row.
type sight struct {
	key
	who int32
}

func newTable() table { return table{map[key]*row{}, map[sight]struct{}{}} }

// row gives the row of a key, and notes that who was seen in it.
func (t *table) row(k key, who int) *row {
	r := t.rows[k]
	if r == nil {
		r = &row{}
		t.rows[k] = r
	}
	t.seen[sight{k, int32(who)}] = struct{}{} //nolint:gosec // a few thousand
	return r
}

func (t *table) merge(u *table) {
	for k, theirs := range u.rows {
		if ours := t.rows[k]; ours != nil {
			ours.merge(theirs)
		} else {
			t.rows[k] = theirs
		}
	}
	maps.Copy(t.seen, u.seen)
}

// row is what any of the statistics needs of a row.
type row struct {
	lines  int64
	with   int64 // lines that have the field in question
	length int64 // sum of the lines' bytes
	value  extent
	moment extent
	hist   [6]int64
}

func (r *row) merge(s *row) {
	r.lines += s.lines
	r.with += s.with
	r.length += s.length
	r.value.merge(s.value)
	r.moment.merge(s.moment)
	for i, n := range s.hist {
		r.hist[i] += n
	}
}

// bucket counts a value in the histogram of these upper bounds.
func (r *row) bucket(v int64, bounds ...int64) {
	i := 0
	for i < len(bounds) && v > bounds[i] {
		i++
	}
	r.hist[i]++
}

// extent is the number of values, their sum and their ends.
type extent struct{ n, sum, least, most int64 }

func (e *extent) add(v int64) { e.merge(extent{1, v, v, v}) }

func (e *extent) merge(f extent) {
	switch {
	case f.n == 0:
		return
	case e.n == 0:
		*e = f
		return
	}
	e.n += f.n
	e.sum += f.sum
	e.least = min(e.least, f.least)
	e.most = max(e.most, f.most)
}

// Kind says how a value is compared.
type Kind string

// The kinds of a measure's value.
const (
	KindExact    Kind = "exact"    // character by character: counts, integers, timestamps, histograms
	KindFloat    Kind = "float"    // to 1e-9 of the value
	KindDistinct Kind = "distinct" // to 3 % of the value, or to 1
)

// Expected is one statistic as a replay must give it.
type Expected struct {
	Protocol, Statistic string
	Columns             []string   // dimensions first
	Kinds               []Kind     // of the measures
	Rows                [][]string // sorted by their dimensions; a missing value is empty
}

// Dims is the number of dimensions.
func (e Expected) Dims() int { return len(e.Columns) - len(e.Kinds) }

// statistic says how one table is printed.
type statistic struct {
	protocol, name string
	dims           []string
	words          func(key) []string
	measures       []measure
}

// measure prints one value of a row; seen is its distinct count.
type measure struct {
	name string
	kind Kind
	text func(r *row, seen int64) string
}

func (t *table) expected(s statistic) Expected {
	e := Expected{Protocol: s.protocol, Statistic: s.name, Columns: slices.Clone(s.dims)}
	for _, m := range s.measures {
		e.Columns = append(e.Columns, m.name)
		e.Kinds = append(e.Kinds, m.kind)
	}
	seen := map[key]int64{}
	for s := range t.seen {
		seen[s.key]++
	}
	for k, r := range t.rows {
		cells := s.words(k)
		for _, m := range s.measures {
			cells = append(cells, m.text(r, seen[k]))
		}
		e.Rows = append(e.Rows, cells)
	}
	slices.SortFunc(e.Rows, func(a, b []string) int { return slices.Compare(a[:len(s.dims)], b[:len(s.dims)]) })
	return e
}

// The measures as they print.

func lines(name string) measure {
	return measure{name, KindExact, func(r *row, _ int64) string { return strconv.FormatInt(r.lines, 10) }}
}

func with(name string) measure {
	return measure{name, KindExact, func(r *row, _ int64) string { return strconv.FormatInt(r.with, 10) }}
}

func distinct(name string) measure {
	return measure{name, KindDistinct, func(_ *row, seen int64) string { return strconv.FormatInt(seen, 10) }}
}

// whole prints a part of the values as an integer, empty where there is none.
func whole(name string, part func(extent) int64) measure {
	return measure{name, KindExact, func(r *row, _ int64) string {
		if r.value.n == 0 {
			return ""
		}
		return strconv.FormatInt(part(r.value), 10)
	}}
}

// seconds prints a part of the values, in microseconds, as seconds.
func seconds(name string, part func(extent) int64) measure {
	return measure{name, KindFloat, func(r *row, _ int64) string {
		if r.value.n == 0 {
			return ""
		}
		return string(appendSeconds(nil, part(r.value)))
	}}
}

// moment prints the first or last timestamp in a Go layout.
func moment(name, layout string, part func(extent) int64) measure {
	return measure{name, KindExact, func(r *row, _ int64) string {
		return time.UnixMicro(part(r.moment)).UTC().Format(layout)
	}}
}

// histogram prints the first n buckets as a JSON array.
func histogram(name string, n int) measure {
	return measure{name, KindExact, func(r *row, _ int64) string {
		b := []byte{'['}
		for i, v := range r.hist[:n] {
			if i > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendInt(b, v, 10)
		}
		return string(append(b, ']'))
	}}
}

func sum(e extent) int64   { return e.sum }
func least(e extent) int64 { return e.least }
func most(e extent) int64  { return e.most }

// Timestamps as min and max print them.
const (
	layoutMicros  = "2006-01-02T15:04:05.000000Z"
	layoutSeconds = "2006-01-02T15:04:05Z"
)

// bucketText is the start of a time bucket as a dimension.
func bucketText(micros int64) string { return time.UnixMicro(micros).UTC().Format(layoutSeconds) }

// word is a dimension's value; a missing one is empty.
func word(words []string, i int32) string {
	if i == null {
		return ""
	}
	return words[i]
}

// expected gives all statistics, in the order of Config.
func (c *counts) expected() []Expected {
	return slices.Concat(c.dns(), c.web(), c.app())
}
