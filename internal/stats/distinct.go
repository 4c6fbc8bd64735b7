package stats

import (
	"encoding/binary"
	"slices"
	"strconv"

	"github.com/axiomhq/hyperloglog"
	"github.com/cespare/xxhash/v2"
)

const (
	// exactDistinct is how many values a distinct count knows one by one; up to here it is right to the digit.
	exactDistinct = 128
	// registers of a sketch: precision 14, a standard error of 0.8 %.
	registers = 1 << 14
	// maxRank is the largest value of a register at precision 14.
	maxRank = 64 - 14 + 1
)

// distinctColumn estimates how many different values a field has. Up to exactDistinct values it keeps their hashes;
// beyond, a dense HyperLogLog, whose registers are maxima and so depend on the set of values alone. (The sparse form
// of the library does not have that property, so it is not used.)
type distinctColumn struct {
	slot  int
	rows  []distinct
	extra int // bytes behind rows
}

// distinct is one row's: sorted hashes, or the sketch once there are more than exactDistinct.
type distinct struct {
	hashes []uint64
	sketch *hyperloglog.Sketch
}

func (c *distinctColumn) grow() { c.rows = append(c.rows, distinct{}) }

func (c *distinctColumn) add(row int, in *input) {
	if v := in.values[c.slot]; v.Present() {
		c.insert(row, xxhash.Sum64(v.Text))
	}
}

func (c *distinctColumn) insert(row int, hash uint64) {
	d := &c.rows[row]
	if d.sketch != nil {
		d.sketch.InsertHash(hash)
		return
	}
	at, found := slices.BinarySearch(d.hashes, hash)
	if found {
		return
	}
	if len(d.hashes) == exactDistinct {
		c.sketch(row).InsertHash(hash)
		return
	}
	c.extra -= 8 * cap(d.hashes)
	d.hashes = slices.Insert(d.hashes, at, hash)
	c.extra += 8 * cap(d.hashes)
}

// sketch turns the row's hashes into a sketch, if they are not one yet.
func (c *distinctColumn) sketch(row int) *hyperloglog.Sketch {
	d := &c.rows[row]
	if d.sketch == nil {
		d.sketch = hyperloglog.NewNoSparse()
		for _, h := range d.hashes {
			d.sketch.InsertHash(h)
		}
		c.extra += registers - 8*cap(d.hashes)
		d.hashes = nil
	}
	return d.sketch
}

// How a state is written: its first number is the count of hashes that follow, or one of these.
const (
	distinctSparse = exactDistinct + 1 + iota // the registers that are not 0: gap and value each
	distinctPacked                            // all registers, four bits each, relative to a base
)

func (c *distinctColumn) appendState(dst []byte, row int) []byte {
	d := &c.rows[row]
	if d.sketch != nil {
		return appendRegisters(dst, sketchRegisters(d.sketch))
	}
	dst = binary.AppendUvarint(dst, uint64(len(d.hashes)))
	for _, h := range d.hashes {
		dst = binary.BigEndian.AppendUint64(dst, h)
	}
	return dst
}

// sketchHeader is what the library writes before the registers of a dense sketch of precision 14: version, precision,
// base, dense, and their number. A test holds it.
const sketchHeader = "\x02\x0e\x00\x00\x00\x00\x40\x00"

func sketchRegisters(s *hyperloglog.Sketch) []byte {
	b, err := s.AppendBinary(make([]byte, 0, len(sketchHeader)+registers))
	if err != nil || len(b) != len(sketchHeader)+registers {
		panic("hyperloglog wrote another form of a dense sketch") // a changed dependency; tests catch it
	}
	return b[len(sketchHeader):]
}

// appendRegisters takes the shorter of two forms.
func appendRegisters(dst, regs []byte) []byte {
	used := 0
	for _, r := range regs {
		if r != 0 {
			used++
		}
	}
	if used < registers/5 {
		dst = binary.AppendUvarint(dst, distinctSparse)
		dst = binary.AppendUvarint(dst, uint64(used)) //nolint:gosec // not negative
		last := 0
		for i, r := range regs {
			if r != 0 {
				dst = binary.AppendUvarint(dst, uint64(i-last)) //nolint:gosec // ascending
				dst = append(dst, r)
				last = i
			}
		}
		return dst
	}
	base := slices.Min(regs)
	dst = append(binary.AppendUvarint(dst, distinctPacked), base)
	// 15 in a nibble says that the register is base+15 or more, and that the rest follows at the end.
	for i := 0; i < registers; i += 2 {
		dst = append(dst, min(regs[i]-base, 15)<<4|min(regs[i+1]-base, 15))
	}
	for _, r := range regs {
		if r-base >= 15 {
			dst = append(dst, r-base-15)
		}
	}
	return dst
}

func (c *distinctColumn) mergeState(row int, b []byte) ([]byte, error) {
	n, b, err := readUvarint(b)
	if err != nil {
		return nil, err
	}
	switch {
	case n <= exactDistinct:
		if uint64(len(b)) < 8*n {
			return nil, errState
		}
		for ; n > 0; n-- {
			if row >= 0 {
				c.insert(row, binary.BigEndian.Uint64(b))
			}
			b = b[8:]
		}
		return b, nil
	case n > distinctPacked:
		return nil, errState
	}
	image := make([]byte, len(sketchHeader)+registers)
	copy(image, sketchHeader)
	if n == distinctSparse {
		b, err = readSparse(image[len(sketchHeader):], b)
	} else {
		b, err = readPacked(image[len(sketchHeader):], b)
	}
	if err != nil || row < 0 {
		return b, err
	}
	other := hyperloglog.NewNoSparse()
	if err := other.UnmarshalBinary(image); err != nil {
		return nil, errState
	}
	if c.sketch(row).Merge(other) != nil {
		return nil, errState
	}
	return b, nil
}

func readSparse(regs, b []byte) ([]byte, error) {
	used, b, err := readUvarint(b)
	if err != nil {
		return nil, err
	}
	at := uint64(0)
	for ; used > 0; used-- {
		var gap uint64
		if gap, b, err = readUvarint(b); err != nil {
			return nil, err
		}
		if gap >= registers || at+gap >= registers || len(b) == 0 || b[0] > maxRank {
			return nil, errState
		}
		at += gap
		regs[at] = b[0]
		b = b[1:]
	}
	return b, nil
}

func readPacked(regs, b []byte) ([]byte, error) {
	if len(b) < 1+registers/2 {
		return nil, errState
	}
	base, packed, b := b[0], b[1:1+registers/2], b[1+registers/2:]
	for i := range regs {
		nibble := packed[i/2] >> 4
		if i%2 == 1 {
			nibble = packed[i/2] & 15
		}
		rank := int(base) + int(nibble)
		if nibble == 15 {
			if len(b) == 0 {
				return nil, errState
			}
			rank += int(b[0])
			b = b[1:]
		}
		if rank > maxRank {
			return nil, errState
		}
		regs[i] = byte(rank)
	}
	return b, nil
}

func (c *distinctColumn) appendText(dst []byte, row int) []byte {
	d := &c.rows[row]
	if d.sketch != nil {
		return strconv.AppendUint(dst, d.sketch.Estimate(), 10)
	}
	return strconv.AppendInt(dst, int64(len(d.hashes)), 10)
}

func (c *distinctColumn) appendJSON(dst []byte, row int) []byte { return c.appendText(dst, row) }

func (c *distinctColumn) size() int { return 32*cap(c.rows) + c.extra }

func (c *distinctColumn) reset() {
	clear(c.rows)
	c.rows, c.extra = c.rows[:0], 0
}
