package logline

import (
	"bytes"
	"math/bits"
)

// tsvReader reads tab-separated cells, as Zeek and CloudFront write them: there are no quotes and no escapes, a
// cell is what stands between two tabs. A cell that is empty or only "-" is null. A line must have exactly as many
// cells as there are columns.
type tsvReader struct {
	scratch
	at []int // for each column the index of its value, -1 for none
}

func newTSVReader(columns []string, wanted []want) (*tsvReader, error) {
	at, err := positions(formatTSV, columns, wanted)
	if err != nil {
		return nil, err
	}
	return &tsvReader{at: at}, nil
}

func (r *tsvReader) read(line []byte, values []Value) *BadLine {
	r.reset()
	start := 0
	last := len(r.at) - 1
	for column, v := range r.at {
		end := tabFrom(line, start)
		if (end == len(line)) != (column == last) {
			return badTSVColumns
		}
		if v >= 0 {
			values[v] = r.dashed(line[start:end])
		}
		start = end + 1
	}
	return nil
}

// tabFrom returns the place of the next tab from i on, the length of the line where there is none. Cells are short: eight
// bytes a turn are quicker than a call of bytes.IndexByte.
func tabFrom(line []byte, i int) int {
	for ; i+8 <= len(line); i += 8 {
		x := load(line, i) ^ ones*'\t'
		if m := (x - ones) &^ x & highs; m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
	}
	for i < len(line) && line[i] != '\t' {
		i++
	}
	return i
}

// dashed makes a value of a cell of a format that writes "-" for what is not there.
func (s *scratch) dashed(cell []byte) Value {
	if len(cell) == 0 || len(cell) == 1 && cell[0] == '-' {
		return Value{Kind: Null}
	}
	return Value{Kind: Text, Text: s.text(cell)}
}

// csvReader reads comma-separated cells after RFC 4180: a cell may be quoted, a quote inside is doubled, spaces
// belong to the cell. A record is one line, so a quote that stays open is an error, and so are a quote in an
// unquoted cell and a line with more or fewer cells than columns. An empty cell is null, a quoted empty one ("")
// is the empty text.
type csvReader struct {
	scratch
	at []int
}

func newCSVReader(columns []string, wanted []want) (*csvReader, error) {
	at, err := positions(formatCSV, columns, wanted)
	if err != nil {
		return nil, err
	}
	return &csvReader{at: at}, nil
}

func (r *csvReader) read(line []byte, values []Value) *BadLine {
	r.reset()
	for column := 0; ; column++ {
		if column >= len(r.at) {
			return badCSVColumns
		}
		v := r.at[column]
		var end int
		if len(line) > 0 && line[0] == '"' {
			closing, doubled, bad := quotedCell(line)
			if bad != nil {
				return bad
			}
			if v >= 0 {
				values[v] = Value{Kind: Text, Text: r.undouble(line[1:closing], doubled)}
			}
			end = closing + 1
		} else {
			if end = bytes.IndexByte(line, ','); end < 0 {
				end = len(line)
			}
			if bytes.IndexByte(line[:end], '"') >= 0 {
				return badCSVBare
			}
			if v >= 0 {
				values[v] = Value{Kind: Null}
				if end > 0 {
					values[v] = Value{Kind: Text, Text: r.text(line[:end])}
				}
			}
		}
		if end == len(line) {
			if column+1 < len(r.at) {
				return badCSVColumns
			}
			return nil
		}
		line = line[end+1:]
	}
}

// quotedCell returns the place of the quote that closes the cell at the start of line, and whether there are
// doubled quotes in it. A comma or the end of the line follows.
func quotedCell(line []byte) (closing int, doubled bool, bad *BadLine) {
	for i := 1; ; i += 2 {
		next := bytes.IndexByte(line[i:], '"')
		if next < 0 {
			return 0, false, badCSVQuote
		}
		i += next
		switch {
		case i+1 == len(line) || line[i+1] == ',':
			return i, doubled, nil
		case line[i+1] != '"':
			return 0, false, badCSVAfter
		}
		doubled = true
	}
}

// undouble returns the inside of a quoted cell.
func (r *csvReader) undouble(raw []byte, doubled bool) []byte {
	if !doubled {
		return r.text(raw)
	}
	start := len(r.buf)
	for len(raw) > 0 {
		i := bytes.IndexByte(raw, '"')
		if i < 0 {
			i = len(raw) - 1
		}
		r.buf = append(r.buf, raw[:i+1]...)
		raw = raw[min(i+2, len(raw)):]
	}
	return r.cleaned(start)
}
