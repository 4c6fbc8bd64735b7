package stats

import (
	"encoding/binary"
	"math"

	"github.com/seed-56345083/reprise/internal/logline"
)

// What a sum has seen, and how its state is written.
const (
	sumInts   = 1 << iota // integers, or the literals true and false
	sumFloats             // floats
	sumWide               // state only: the integers need 128 bits
	sumLarge              // state only: scaled components follow
)

// sumColumn adds numbers up exactly: integers in 128 bits, floats in an expansion (see twoSum). The JSON literals
// true and false count as 1 and 0.
type sumColumn struct {
	slot int
	seen []uint8
	lo   []uint64 // with hi the integers, as two's complement
	hi   []int64
	// The floats of nearly all sums fit into two components; both are there from the column's first float on.
	f0, f1 []float64
	spill  map[int]*spill
}

// spill holds what two components do not.
type spill struct{ small, large expansion }

func (c *sumColumn) grow() {
	c.seen = append(c.seen, 0)
	c.lo = append(c.lo, 0)
	c.hi = append(c.hi, 0)
	if c.f0 != nil {
		c.f0 = append(c.f0, 0)
		c.f1 = append(c.f1, 0)
	}
}

func (c *sumColumn) add(row int, in *input) {
	n := in.number(c.slot)
	switch n.kind {
	case numInt:
		c.addInt(row, n.i)
	case numUint:
		c.lo[row] += uint64(n.i) //nolint:gosec // the bits are meant
		if c.lo[row] < uint64(n.i) {
			c.hi[row]++
		}
		c.seen[row] |= sumInts
	case numFloat:
		c.addFloat(row, n.f)
	default:
		if v := in.values[c.slot]; v.Kind == logline.Bool {
			var one int64
			if len(v.Text) == len("true") {
				one = 1
			}
			c.addInt(row, one)
		}
	}
}

func (c *sumColumn) addInt(row int, v int64) {
	c.hi[row], c.lo[row] = add128(c.hi[row], c.lo[row], v)
	c.seen[row] |= sumInts
}

func (c *sumColumn) addFloat(row int, x float64) {
	c.seen[row] |= sumFloats
	if c.f0 == nil {
		c.f0 = make([]float64, len(c.seen), cap(c.seen))
		c.f1 = make([]float64, len(c.seen), cap(c.seen))
	}
	if math.Abs(x) >= bigFloat {
		s := c.spilled(row)
		s.large = s.large.add(math.Ldexp(x, -bigShift))
		return
	}
	c.addSmall(row, x)
}

// addSmall adds to the two components; what is left over once both are full goes to the spill.
func (c *sumColumn) addSmall(row int, x float64) {
	s, low := twoSum(c.f1[row], x)
	high, mid := twoSum(c.f0[row], s)
	if low != 0 {
		mid, low = twoSum(mid, low)
	}
	c.f0[row], c.f1[row] = high, mid
	if low != 0 {
		p := c.spilled(row)
		p.small = p.small.add(low)
	}
}

func (c *sumColumn) spilled(row int) *spill {
	s := c.spill[row]
	if s == nil {
		if c.spill == nil {
			c.spill = make(map[int]*spill)
		}
		s = &spill{}
		c.spill[row] = s
	}
	return s
}

// parts are the canonical components of the row's floats, in buf where they fit.
func (c *sumColumn) parts(row int, buf []float64) (small, large []float64) {
	if c.f0 == nil {
		return nil, nil
	}
	p := c.spill[row]
	if p == nil {
		return canonical(buf[:0], []float64{c.f0[row], c.f1[row]}), nil
	}
	all := append([]float64{c.f0[row], c.f1[row]}, p.small...)
	return canonical(buf[:0], all), canonical(nil, p.large)
}

func (c *sumColumn) appendState(dst []byte, row int) []byte {
	seen, hi, lo := c.seen[row], c.hi[row], c.lo[row]
	var buf [4]float64
	var small, large []float64
	if seen&sumFloats != 0 {
		if small, large = c.parts(row, buf[:]); len(large) > 0 {
			seen |= sumLarge
		}
	}
	narrow := hi == int64(lo)>>63 //nolint:gosec // the sign bit is meant
	if seen&sumInts != 0 && !narrow {
		seen |= sumWide
	}
	dst = append(dst, seen)
	switch {
	case seen&sumWide != 0:
		dst = binary.BigEndian.AppendUint64(dst, uint64(hi)) //nolint:gosec // the bits are meant
		dst = binary.BigEndian.AppendUint64(dst, lo)
	case seen&sumInts != 0:
		dst = binary.AppendVarint(dst, int64(lo)) //nolint:gosec // narrow says that it fits
	}
	if seen&sumFloats != 0 {
		dst = appendFloats(dst, small)
	}
	if seen&sumLarge != 0 {
		dst = appendFloats(dst, large)
	}
	return dst
}

func appendFloats(dst []byte, fs []float64) []byte {
	dst = append(dst, byte(len(fs))) // below 45: components do not overlap
	for _, f := range fs {
		dst = binary.BigEndian.AppendUint64(dst, math.Float64bits(f))
	}
	return dst
}

func (c *sumColumn) mergeState(row int, b []byte) ([]byte, error) {
	if len(b) == 0 || b[0] >= sumLarge<<1 {
		return nil, errState
	}
	seen := b[0]
	b = b[1:]
	var hi int64
	var lo uint64
	switch {
	case seen&sumWide != 0:
		if len(b) < 16 {
			return nil, errState
		}
		hi, lo = int64(binary.BigEndian.Uint64(b)), binary.BigEndian.Uint64(b[8:]) //nolint:gosec // the bits are meant
		b = b[16:]
	case seen&sumInts != 0:
		v, rest, err := readVarint(b)
		if err != nil {
			return nil, err
		}
		hi, lo, b = v>>63, uint64(v), rest //nolint:gosec // two's complement is meant
	}
	if row >= 0 {
		sum := c.lo[row] + lo
		c.hi[row] += hi
		if sum < lo {
			c.hi[row]++
		}
		c.lo[row] = sum
		c.seen[row] |= seen & (sumInts | sumFloats)
	}
	return c.mergeFloats(row, seen, b)
}

func (c *sumColumn) mergeFloats(row int, seen uint8, b []byte) ([]byte, error) {
	var err error
	if seen&sumFloats != 0 {
		if row >= 0 {
			c.addFloat(row, 0) // makes the columns
		}
		b, err = readFloats(b, func(f float64) {
			if row >= 0 {
				c.addSmall(row, f)
			}
		})
	}
	if err == nil && seen&sumLarge != 0 {
		b, err = readFloats(b, func(f float64) {
			if row >= 0 {
				s := c.spilled(row)
				s.large = s.large.add(f)
			}
		})
	}
	return b, err
}

// readFloats refuses what could overflow when it is added: no sum of less than 2^40 lines gets there.
func readFloats(b []byte, add func(float64)) ([]byte, error) {
	if len(b) == 0 || len(b)-1 < 8*int(b[0]) {
		return nil, errState
	}
	n := int(b[0])
	b = b[1:]
	for range n {
		f := math.Float64frombits(binary.BigEndian.Uint64(b))
		if math.IsNaN(f) || math.Abs(f) > 0x1p1000 {
			return nil, errState
		}
		add(f)
		b = b[8:]
	}
	return b, nil
}

// appendText prints the sum: nothing where nothing was added, an integer where only integers were, else the float
// nearest to the exact sum.
func (c *sumColumn) appendText(dst []byte, row int) []byte {
	seen := c.seen[row]
	if seen == 0 {
		return dst
	}
	hi, lo := c.hi[row], c.lo[row]
	var buf [4]float64
	small, large := c.parts(row, buf[:])
	switch {
	case seen == sumInts && hi == int64(lo)>>63: //nolint:gosec // the sign bit is meant
		return num{kind: numInt, i: int64(lo)}.append(dst) //nolint:gosec // it fits
	case seen == sumInts:
		return big128(hi, lo).Append(dst, 10)
	case hi == 0 && lo == 0 && len(large) == 0:
		if len(small) == 0 {
			return append(dst, '0')
		}
		return appendFloat(dst, small[0]) // canonical: the first is the rounded sum
	}
	return appendTotal(dst, total(hi, lo, small, large))
}

func (c *sumColumn) appendJSON(dst []byte, row int) []byte {
	return orNull(dst, c.appendText(dst, row))
}

// orNull turns a missing value into JSON's null.
func orNull(before, after []byte) []byte {
	if len(after) == len(before) {
		return append(before, "null"...)
	}
	return after
}

func (c *sumColumn) size() int {
	n := cap(c.seen) + 8*(cap(c.lo)+cap(c.hi)+cap(c.f0)+cap(c.f1))
	const entry = 120 // a map's slot, the spill and a few components
	return n + entry*len(c.spill)
}

func (c *sumColumn) reset() {
	c.seen, c.lo, c.hi = c.seen[:0], c.lo[:0], c.hi[:0]
	if c.f0 != nil {
		c.f0, c.f1 = c.f0[:0], c.f1[:0]
	}
	clear(c.spill)
}
