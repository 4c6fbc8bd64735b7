package stats

import (
	"encoding/binary"
	"math"

	"github.com/seed-56345083/reprise/internal/logline"
)

// extremeColumn keeps the smallest or the largest number of a field, exactly: integers stay integers, and of equal
// values the integer is kept, so that the result does not depend on the order.
type extremeColumn struct {
	slot int
	max  bool
	kind []uint8
	bits []uint64 // of the int64, uint64 or float64
}

func (c *extremeColumn) grow() {
	c.kind = append(c.kind, numNone)
	c.bits = append(c.bits, 0)
}

func (c *extremeColumn) get(row int) num {
	n := num{kind: c.kind[row]}
	if n.kind == numFloat {
		n.f = math.Float64frombits(c.bits[row])
	} else {
		n.i = int64(c.bits[row]) //nolint:gosec // the bits are meant
	}
	return n
}

func (c *extremeColumn) add(row int, in *input) {
	if n := in.number(c.slot); n.kind != numNone {
		c.take(row, *n)
	}
}

func (c *extremeColumn) take(row int, n num) {
	if c.kind[row] != numNone {
		d := n.compare(c.get(row))
		if c.max {
			d = -d
		}
		if d > 0 || d == 0 && n.kind >= c.kind[row] {
			return
		}
	}
	c.kind[row] = n.kind
	if n.kind == numFloat {
		c.bits[row] = math.Float64bits(n.f)
	} else {
		c.bits[row] = uint64(n.i) //nolint:gosec // the bits are meant
	}
}

func (c *extremeColumn) appendState(dst []byte, row int) []byte {
	n := c.get(row)
	dst = append(dst, n.kind)
	switch n.kind {
	case numInt:
		dst = binary.AppendVarint(dst, n.i)
	case numUint, numFloat:
		dst = binary.BigEndian.AppendUint64(dst, c.bits[row])
	}
	return dst
}

func (c *extremeColumn) mergeState(row int, b []byte) ([]byte, error) {
	if len(b) == 0 {
		return nil, errState
	}
	n := num{kind: b[0]}
	b = b[1:]
	switch n.kind {
	case numNone:
		return b, nil
	case numInt:
		var err error
		if n.i, b, err = readVarint(b); err != nil {
			return nil, err
		}
	case numUint, numFloat:
		if len(b) < 8 {
			return nil, errState
		}
		bits := binary.BigEndian.Uint64(b)
		n.i, n.f = int64(bits), math.Float64frombits(bits) //nolint:gosec // the bits are meant
		if n.kind == numFloat && (math.IsNaN(n.f) || math.IsInf(n.f, 0)) {
			return nil, errState
		}
		b = b[8:]
	default:
		return nil, errState
	}
	if row >= 0 {
		c.take(row, n)
	}
	return b, nil
}

func (c *extremeColumn) appendText(dst []byte, row int) []byte { return c.get(row).append(dst) }

func (c *extremeColumn) appendJSON(dst []byte, row int) []byte {
	return orNull(dst, c.appendText(dst, row))
}

func (c *extremeColumn) size() int { return cap(c.kind) + 8*cap(c.bits) }
func (c *extremeColumn) reset()    { c.kind, c.bits = c.kind[:0], c.bits[:0] }

// momentColumn keeps the earliest or latest timestamp, with the precision it was written in; of equal ones the most
// precise.
type momentColumn struct {
	max    bool
	nanos  []int64
	digits []uint8 // digits of the fraction + 1; 0 is missing
}

func (c *momentColumn) grow() {
	c.nanos = append(c.nanos, 0)
	c.digits = append(c.digits, 0)
}

func (c *momentColumn) add(row int, in *input) { c.take(row, in.ts.Nanos, in.ts.Digits+1) }

func (c *momentColumn) take(row int, nanos int64, digits uint8) {
	have := c.nanos[row]
	switch {
	case c.digits[row] == 0, nanos != have && nanos > have == c.max:
		c.nanos[row], c.digits[row] = nanos, digits
	case nanos == have && digits > c.digits[row]:
		c.digits[row] = digits
	}
}

// maxDigits is the finest precision of a timestamp: nanoseconds.
const maxDigits = 9

// units are, by the digits of a fraction, the nanoseconds of the last one, and how many of them there can be at most.
var units = [maxDigits + 1]unit{of(1e9), of(1e8), of(1e7), of(1e6), of(1e5), of(1e4), of(1e3), of(1e2), of(1e1), of(1)}

type unit struct{ nanos, most int64 }

func of(nanos int64) unit { return unit{nanos, math.MaxInt64 / nanos} }

func (c *momentColumn) appendState(dst []byte, row int) []byte {
	d := c.digits[row]
	if d == 0 {
		return append(dst, 0)
	}
	// Most timestamps are whole in their own precision and then need fewer bytes.
	if unit := units[d-1].nanos; unit > 1 && c.nanos[row]%unit == 0 {
		return binary.AppendVarint(append(dst, d|0x10), c.nanos[row]/unit)
	}
	return binary.AppendVarint(append(dst, d), c.nanos[row])
}

func (c *momentColumn) mergeState(row int, b []byte) ([]byte, error) {
	if len(b) == 0 || b[0]&^0x1f != 0 {
		return nil, errState
	}
	d, scaled := b[0]&0xf, b[0]&0x10 != 0
	b = b[1:]
	if d == 0 && !scaled {
		return b, nil
	}
	if d == 0 || d > maxDigits+1 {
		return nil, errState
	}
	nanos, b, err := readVarint(b)
	if err != nil {
		return nil, err
	}
	if scaled {
		unit := &units[d-1]
		if nanos > unit.most || nanos < -unit.most {
			return nil, errState
		}
		nanos *= unit.nanos
	}
	if row >= 0 {
		c.take(row, nanos, d)
	}
	return b, nil
}

func (c *momentColumn) appendText(dst []byte, row int) []byte {
	if c.digits[row] == 0 {
		return dst
	}
	return logline.Time{Nanos: c.nanos[row], Digits: c.digits[row] - 1}.Append(dst)
}

func (c *momentColumn) appendJSON(dst []byte, row int) []byte {
	if c.digits[row] == 0 {
		return append(dst, "null"...)
	}
	return append(c.appendText(append(dst, '"'), row), '"')
}

func (c *momentColumn) size() int { return 8*cap(c.nanos) + cap(c.digits) }
func (c *momentColumn) reset()    { c.nanos, c.digits = c.nanos[:0], c.digits[:0] }
