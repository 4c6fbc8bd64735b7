package stats

import (
	"bytes"
	"encoding/binary"
	"iter"
	"unsafe"
)

// TableRow is a row as a table keeps it. Its slices are valid until the next one.
type TableRow struct {
	Statistic string
	Day       string // as Row.Day
	Key       []byte // as Row.Key
	Dims      []byte // as Row.DimsJSON where Key is cut; else nil, because Key is it
	Measures  []byte // as Row.MeasuresJSON
	State     []byte // as Row.State
}

// TableRows gives the rows by statistic in the definition's order, and those of each in about the order of (Day, Key): a table
// that is sorted by these takes them up so for the least. It allocates once for each minute, not for each row.
func (p *Partial) TableRows() iter.Seq[TableRow] {
	return func(yield func(TableRow) bool) {
		order := p.order
		p.order = nil // the loop's body may use the partial
		defer func() { p.order = order }()
		for _, t := range p.tables {
			w := tableWriter{table: t, ends: make([]int, len(t.stat.by))}
			order = t.tableOrder(order)
			for _, r := range order {
				if !yield(w.write(r.row)) {
					return
				}
			}
		}
	}
}

// tableWriter writes the rows of one statistic, one after the other.
type tableWriter struct {
	table                 *table
	dims, measures, state []byte
	ends                  []int  // of the dimensions in the row's key
	minute                int64  // of the time in text
	text                  string // a time bucket, "" before the first row
}

func (w *tableWriter) write(row int) TableRow {
	t := w.table
	w.dims = w.appendDims(w.dims[:0], t.key(row))
	w.measures = t.appendMeasures(w.measures[:0], row)
	w.state = t.appendState(w.state[:0], row)
	r := TableRow{Statistic: t.stat.name, Day: "-", Key: w.dims, Measures: w.measures, State: w.state}
	if t.stat.time >= 0 {
		r.Day = w.text[:dayLen]
	}
	if len(w.dims) > maxKey {
		r.Key, r.Dims = keyOf(w.dims), w.dims
	}
	return r
}

// appendDims writes the dimensions of a key as Row.DimsJSON does.
func (w *tableWriter) appendDims(dst, key []byte) []byte {
	at := 0
	for i, b := range w.table.stat.buckets {
		if b != 0 {
			at += timeKeyLen
		} else {
			at += textDimLen(key[at:])
		}
		w.ends[i] = at
	}
	dst = append(dst, '[')
	first := w.table.stat.time
	if first >= 0 {
		dst = append(w.appendDim(dst, key, first), ',')
	}
	for i := range w.ends {
		if i != first {
			dst = append(w.appendDim(dst, key, i), ',')
		}
	}
	if len(w.ends) > 0 {
		dst = dst[:len(dst)-1]
	}
	return append(dst, ']')
}

// appendDim writes one dimension of a key.
func (w *tableWriter) appendDim(dst, key []byte, dim int) []byte {
	start := 0
	if dim > 0 {
		start = w.ends[dim-1]
	}
	b := key[start:w.ends[dim]]
	if w.table.stat.buckets[dim] != 0 {
		if minute := int64(binary.BigEndian.Uint32(b)) - minuteOffset; w.text == "" || minute != w.minute {
			w.minute, w.text = minute, formatMinute(minute)
		}
		return append(append(append(dst, '"'), w.text...), '"')
	}
	if b[0] == keyNull {
		return append(dst, "null"...)
	}
	b = b[1 : len(b)-1]
	if bytes.IndexByte(b, 0) >= 0 {
		b = bytes.ReplaceAll(b, []byte{0, keyZero}, []byte{0})
	}
	return appendJSONString(dst, unsafe.String(unsafe.SliceData(b), len(b))) // read, not kept
}
