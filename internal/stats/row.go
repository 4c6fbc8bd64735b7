package stats

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"unicode/utf8"
)

// Dim is the value of one dimension.
type Dim struct {
	Text string
	Null bool // the field was missing or null; Text is empty
}

// Row is one combination of dimension values with its measures. It is a view: valid until its partial changes.
type Row struct {
	Statistic string
	Dims      []Dim // in the order of Program.Columns

	table *table
	row   int
}

func (t *table) view(row int) Row {
	dims, err := readDims(make([]Dim, 0, len(t.stat.by)), t.key(row), t.stat.buckets)
	if err != nil {
		panic("stats: a table holds a malformed key") // keys are checked on their way in
	}
	return Row{Statistic: t.stat.name, Dims: dims, table: t, row: row}
}

// timeFirst gives the dimensions as a sort key has them: the time bucket first, so that a range of keys is a range
// of time.
func (s *statistic) timeFirst(dims []Dim) []Dim {
	if s.time <= 0 {
		return dims
	}
	return slices.Concat(dims[s.time:s.time+1], dims[:s.time], dims[s.time+1:])
}

// byOrder is the inverse of timeFirst.
func (s *statistic) byOrder(dims []Dim) []Dim {
	if s.time <= 0 || len(dims) <= s.time {
		return dims
	}
	return slices.Concat(dims[1:s.time+1], dims[:1], dims[s.time+1:])
}

// Hash is the hash that Partial.Hashes gives for the row.
func (r Row) Hash() uint64 { return r.table.hashes[r.row] }

// DimsJSON gives the dimension values as a JSON array of strings and nulls, the time bucket first. Bytes that are no
// UTF-8 are lone surrogates in it, so that MergeRow gives them back.
func (r Row) DimsJSON() []byte {
	b := []byte{'['}
	for i, d := range r.table.stat.timeFirst(r.Dims) {
		if i > 0 {
			b = append(b, ',')
		}
		if d.Null {
			b = append(b, "null"...)
		} else {
			b = appendJSONString(b, d.Text)
		}
	}
	return append(b, ']')
}

// A sort key holds up to 1,024 bytes in DynamoDB.
const (
	maxKey  = 900
	headKey = 800
)

// Key is the row's sort key in a table: DimsJSON up to 900 bytes, else its first 800, cut between characters, and the
// hex SHA-256 of the whole.
func (r Row) Key() string {
	return string(keyOf(r.DimsJSON()))
}

// keyOf cuts dimensions as JSON to the length of a key.
func keyOf(dims []byte) []byte {
	if len(dims) <= maxKey {
		return dims
	}
	cut := headKey
	for !utf8.RuneStart(dims[cut]) {
		cut--
	}
	sum := sha256.Sum256(dims)
	return hex.AppendEncode(dims[:cut:cut], sum[:])
}

// dayLen is the length of the date at the head of a time bucket.
const dayLen = len("2006-01-02")

// Day is the UTC day of the row's time bucket, "2018-03-24", or "-" where it has none.
func (r Row) Day() string {
	at := r.table.stat.time
	if at < 0 {
		return "-"
	}
	return r.Dims[at].Text[:dayLen]
}

// Values are the measures as CSV prints them, in the order of Program.Columns; a missing value is empty. Integers are
// exact, floats the shortest text that reads back as the same, timestamps RFC 3339 in UTC, a histogram is a JSON array
// of counts.
func (r Row) Values() []string {
	values := make([]string, len(r.table.cols))
	var buf []byte
	for i, c := range r.table.cols {
		buf = c.appendText(buf[:0], r.row)
		values[i] = string(buf)
	}
	return values
}

// MeasuresJSON gives a readable object of measure name to value, null where it is missing.
func (r Row) MeasuresJSON() []byte { return r.table.appendMeasures(nil, r.row) }

func (t *table) appendMeasures(dst []byte, row int) []byte {
	return append(t.appendMembers(append(dst, '{'), row, false), '}')
}

// appendMembers appends the members of an object, after a comma where there are more before them.
func (t *table) appendMembers(dst []byte, row int, more bool) []byte {
	for i, c := range t.cols {
		if more || i > 0 {
			dst = append(dst, ',')
		}
		dst = c.appendJSON(append(dst, t.stat.measures[i].label...), row)
	}
	return dst
}

// State is the exact state of the measures, for MergeRow: versioned, and the same for the same content.
func (r Row) State() []byte { return r.table.appendState(nil, r.row) }

func (t *table) appendState(dst []byte, row int) []byte {
	dst = binary.BigEndian.AppendUint32(append(dst, stateVersion), t.stat.shape)
	for _, c := range t.cols {
		dst = c.appendState(dst, row)
	}
	return dst
}
