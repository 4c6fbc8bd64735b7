package stats

import (
	"encoding/binary"
	"errors"
	"strconv"
)

// column holds one measure of all rows of a table, flat. Rows are numbered from 0 in the order they came.
type column interface {
	// grow adds a row with nothing measured.
	grow()
	// add measures a line. It allocates nothing once the row has seen its kind of value.
	add(row int, in *input)
	// appendState appends the row's exact state: equal for equal content, whatever the order it came in.
	appendState(dst []byte, row int) []byte
	// mergeState merges a state at the head of b into the row and returns the rest; row -1 only skips it. It must
	// neither panic nor allocate more than the state is long, whatever the bytes.
	mergeState(row int, b []byte) (rest []byte, err error)
	// appendText appends the value as CSV prints it, nothing where it is missing.
	appendText(dst []byte, row int) []byte
	// appendJSON appends the value as JSON.
	appendJSON(dst []byte, row int) []byte
	// size is about how many bytes of memory the column holds.
	size() int
	// reset drops the rows and keeps the memory.
	reset()
}

// errState is wrapped into ErrBlob by those who know which blob or row it was.
var errState = errors.New("malformed state")

// readUvarint is binary.Uvarint for the head of b. Most numbers have one byte.
func readUvarint(b []byte) (uint64, []byte, error) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint64(b[0]), b[1:], nil
	}
	return readLongUvarint(b)
}

func readLongUvarint(b []byte) (uint64, []byte, error) {
	v, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, nil, errState
	}
	return v, b[n:], nil
}

// readVarint is binary.Varint for the head of b.
func readVarint(b []byte) (int64, []byte, error) {
	u, b, err := readUvarint(b)
	return int64(u>>1) ^ -int64(u&1), b, err //nolint:gosec // the bits are meant
}

// countColumn counts lines, or lines in which a field is present.
type countColumn struct {
	slot int // -1 counts every line
	n    []uint64
}

func (c *countColumn) grow() { c.n = append(c.n, 0) }

func (c *countColumn) add(row int, in *input) {
	if c.slot < 0 || in.values[c.slot].Present() {
		c.n[row]++
	}
}

func (c *countColumn) appendState(dst []byte, row int) []byte {
	return binary.AppendUvarint(dst, c.n[row])
}

func (c *countColumn) mergeState(row int, b []byte) ([]byte, error) {
	v, b, err := readUvarint(b)
	if err == nil && row >= 0 {
		c.n[row] += v
	}
	return b, err
}

func (c *countColumn) appendText(dst []byte, row int) []byte {
	return strconv.AppendUint(dst, c.n[row], 10)
}

func (c *countColumn) appendJSON(dst []byte, row int) []byte { return c.appendText(dst, row) }
func (c *countColumn) size() int                             { return 8 * cap(c.n) }
func (c *countColumn) reset()                                { c.n = c.n[:0] }

// histogramColumn counts values by bucket: bucket i has the values above bound i-1 and at or below bound i (as "le"
// in Prometheus), the last one those above every bound.
type histogramColumn struct {
	slot   int
	bounds []float64
	n      []uint64 // len(bounds)+1 a row
}

func (h *histogramColumn) width() int { return len(h.bounds) + 1 }

func (h *histogramColumn) grow() {
	for range h.width() {
		h.n = append(h.n, 0)
	}
}

func (h *histogramColumn) add(row int, in *input) {
	v := in.number(h.slot)
	if v.kind == numNone {
		return
	}
	i := 0
	if v.kind == numFloat {
		for i < len(h.bounds) && v.f > h.bounds[i] {
			i++
		}
	} else {
		for i < len(h.bounds) && v.compareFloat(h.bounds[i]) > 0 {
			i++
		}
	}
	h.n[row*h.width()+i]++
}

func (h *histogramColumn) row(row int) []uint64 { return h.n[row*h.width() : (row+1)*h.width()] }

func (h *histogramColumn) appendState(dst []byte, row int) []byte {
	for _, n := range h.row(row) {
		dst = binary.AppendUvarint(dst, n)
	}
	return dst
}

func (h *histogramColumn) mergeState(row int, b []byte) ([]byte, error) {
	for i := range h.width() {
		v, rest, err := readUvarint(b)
		if err != nil {
			return nil, err
		}
		if row >= 0 {
			h.n[row*h.width()+i] += v
		}
		b = rest
	}
	return b, nil
}

func (h *histogramColumn) appendText(dst []byte, row int) []byte { return h.appendJSON(dst, row) }

func (h *histogramColumn) appendJSON(dst []byte, row int) []byte {
	dst = append(dst, '[')
	for i, n := range h.row(row) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendUint(dst, n, 10)
	}
	return append(dst, ']')
}

func (h *histogramColumn) size() int { return 8 * cap(h.n) }
func (h *histogramColumn) reset()    { h.n = h.n[:0] }
