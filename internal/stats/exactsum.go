package stats

import (
	"math"
	"math/big"
)

// Sums of floats are kept exactly, as a few floats whose mathematical sum is the sum of all that was added (Shewchuk's
// expansions). So a sum depends neither on the order of the lines nor on how they were cut into objects, and it is
// rounded once, when it is printed.

// twoSum gives s = RN(a+b) and the error t, so that s+t is exactly a+b. It holds for any finite a and b whose sum does
// not overflow.
func twoSum(a, b float64) (s, t float64) {
	s = a + b
	bb := s - a
	t = (a - (s - bb)) + (b - bb)
	return s, t
}

// bigFloat is the magnitude from which values are added up on their own, scaled down by 2^bigShift: no sum of less
// than 2^63 values can then overflow on the way, and a sum that comes back into range is right.
const (
	bigFloat = 0x1p960
	bigShift = 128
)

// expansion is an exact sum of any length, for the rows that need more than a sumColumn's two components.
type expansion []float64

// add adds one value. The number of components stays below 40, because they do not overlap.
func (e expansion) add(x float64) expansion {
	n := 0
	for _, y := range e {
		s, t := twoSum(x, y)
		if t != 0 {
			e[n] = t
			n++
		}
		x = s
	}
	e = e[:n]
	if x != 0 {
		e = append(e, x)
	}
	return e
}

// exactPrecision in bits holds any sum of float64 exactly: 2^1024 down to 2^-1074, and 2^64 of them.
const exactPrecision = 2176

// exact adds components up without rounding.
func exact(components []float64) *big.Float {
	sum := new(big.Float).SetPrec(exactPrecision)
	var x big.Float
	for _, c := range components {
		if !math.IsNaN(c) && !math.IsInf(c, 0) { // only a forged state gets here, and must not panic
			sum.Add(sum, x.SetFloat64(c))
		}
	}
	return sum
}

// canonical appends to dst the one expansion of the sum of components: s1 = RN(sum), s2 = RN(sum-s1), and so on.
func canonical(dst, components []float64) []float64 {
	switch len(components) {
	case 0:
		return dst
	case 1:
		if components[0] != 0 {
			dst = append(dst, components[0])
		}
		return dst
	case 2:
		s, t := twoSum(components[0], components[1])
		if s != 0 {
			dst = append(dst, s)
			if t != 0 {
				dst = append(dst, t)
			}
		}
		return dst
	}
	sum := exact(components)
	for sum.Sign() != 0 {
		f, _ := sum.Float64()
		dst = append(dst, f)
		sum.Sub(sum, new(big.Float).SetFloat64(f))
	}
	return dst
}

// add128 adds a signed 64-bit integer to a 128-bit one.
func add128(hi int64, lo uint64, v int64) (int64, uint64) {
	sum := lo + uint64(v) //nolint:gosec // two's complement is meant
	hi += v >> 63
	if sum < lo {
		hi++
	}
	return hi, sum
}

// big128 is a 128-bit integer as a big one.
func big128(hi int64, lo uint64) *big.Int {
	v := new(big.Int).Lsh(big.NewInt(hi), 64)
	return v.Add(v, new(big.Int).SetUint64(lo))
}

// total is integers plus floats plus scaled floats, exactly.
func total(hi int64, lo uint64, small, large []float64) *big.Float {
	sum := new(big.Float).SetPrec(exactPrecision).SetInt(big128(hi, lo))
	sum.Add(sum, exact(small))
	if len(large) > 0 {
		l := exact(large)
		sum.Add(sum, l.SetMantExp(l, bigShift))
	}
	return sum
}

// appendTotal prints the sum rounded once to a float64. A sum beyond float64 is printed with 17 digits: a number still.
func appendTotal(dst []byte, sum *big.Float) []byte {
	f, _ := sum.Float64()
	if math.IsInf(f, 0) {
		return sum.Append(dst, 'e', 16)
	}
	if f == 0 {
		f = 0
	}
	return appendFloat(dst, f)
}
