package stats

import (
	"math"
	"strconv"
	"unsafe"

	"github.com/seed-56345083/reprise/internal/logline"
)

// The kinds of a number. Their order decides nothing but the encoding, so they must keep their values.
const (
	numNone   uint8 = iota // not a number
	numInt                 // an integer in int64, in i
	numUint                // an integer above int64 and in uint64, in i as its bits
	numFloat               // anything else that is finite, in f
	numUnread              // not looked at yet for this line
)

// num is a field's number. Integers stay integers as far as 64 bits go, so that identifiers and byte counts are
// compared and added to the digit.
type num struct {
	f    float64
	i    int64
	kind uint8
}

// numberOf reads a text as a number: an optional sign, digits, an optional fraction and exponent. A text without
// '.', 'e' and 'E' is an integer while it fits into 64 bits. Infinities, NaN, hexadecimal and blanks are no numbers.
func numberOf(b []byte) num {
	if len(b) == 0 {
		return num{}
	}
	i, neg := 0, false
	if b[0] == '-' || b[0] == '+' {
		neg = b[0] == '-'
		i++
	}
	var u uint64
	var digits int
	for ; i < len(b) && b[i]-'0' <= 9; i++ {
		u = u*10 + uint64(b[i]-'0')
		digits++
	}
	if i == len(b) && digits > 0 {
		if digits <= 18 {
			if neg {
				return num{kind: numInt, i: -int64(u)} //nolint:gosec // below 10^18
			}
			return num{kind: numInt, i: int64(u)} //nolint:gosec // below 10^18
		}
		return longInteger(b, neg)
	}
	if !floatTail(b[i:], digits > 0) {
		return num{}
	}
	return floatOf(b)
}

// floatTail reports whether the rest of a text after its leading digits is a fraction and an exponent.
func floatTail(b []byte, digits bool) bool {
	i := 0
	if i < len(b) && b[i] == '.' {
		for i++; i < len(b) && b[i]-'0' <= 9; i++ {
			digits = true
		}
	}
	if !digits {
		return false
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '-' || b[i] == '+') {
			i++
		}
		start := i
		for ; i < len(b) && b[i]-'0' <= 9; i++ {
		}
		if i == start {
			return false
		}
	}
	return i == len(b)
}

// longInteger reads 19 digits and more; b is known to be a sign and digits.
func longInteger(b []byte, neg bool) num {
	s := unsafe.String(&b[0], len(b)) // strconv keeps nothing of it
	if v, err := strconv.ParseInt(s, 10, 64); err == nil {
		return num{kind: numInt, i: v}
	}
	if !neg {
		if s[0] == '+' {
			s = s[1:]
		}
		if v, err := strconv.ParseUint(s, 10, 64); err == nil {
			return num{kind: numUint, i: int64(v)} //nolint:gosec // the bits are meant
		}
	}
	return floatOf(b)
}

func floatOf(b []byte) num {
	f, err := strconv.ParseFloat(unsafe.String(&b[0], len(b)), 64)
	if err != nil || math.IsInf(f, 0) {
		return num{}
	}
	if f == 0 {
		f = 0 // -0.0 and 0.0 are one value, or a merge would depend on its order
	}
	return num{kind: numFloat, f: f}
}

// numberIn is the number of a field, or none.
func numberIn(v logline.Value) num {
	if v.Kind == logline.Number || v.Kind == logline.Text {
		return numberOf(v.Text)
	}
	return num{}
}

// float gives the nearest float64.
func (n num) float() float64 {
	switch n.kind {
	case numInt:
		return float64(n.i)
	case numUint:
		return float64(uint64(n.i)) //nolint:gosec // the bits are meant
	default:
		return n.f
	}
}

// compare orders numbers by their exact value. Both must be numbers.
func (n num) compare(m num) int {
	switch {
	case n.kind == numFloat && m.kind == numFloat:
		return cmp(n.f, m.f)
	case n.kind == numFloat:
		return -m.compareFloat(n.f)
	case m.kind == numFloat:
		return n.compareFloat(m.f)
	case n.kind != m.kind: // a numUint is above every numInt
		return cmp(n.kind, m.kind)
	case n.kind == numInt:
		return cmp(n.i, m.i)
	default:
		return cmp(uint64(n.i), uint64(m.i)) //nolint:gosec // the bits are meant
	}
}

// compareFloat compares an integer with a finite float without rounding either.
func (n num) compareFloat(f float64) int {
	if n.kind == numInt && n.i >= -1<<53 && n.i <= 1<<53 {
		return cmp(float64(n.i), f)
	}
	const two63, two64 = 1 << 63, 1 << 64
	switch {
	case f >= two64:
		return -1
	case f < -two63:
		return 1
	}
	// The integer part of f fits into 64 bits; what is cut off decides only between equals.
	whole := math.Floor(f)
	var w num
	if whole >= two63 {
		w = num{kind: numUint, i: int64(uint64(whole))} //nolint:gosec // the bits are meant
	} else {
		w = num{kind: numInt, i: int64(whole)}
	}
	if c := n.compare(w); c != 0 || f == whole {
		return c
	}
	return -1
}

func cmp[T int64 | uint64 | uint8 | float64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// append prints the number: integers as integers, floats as the shortest text that reads back as the same.
func (n num) append(dst []byte) []byte {
	switch n.kind {
	case numInt:
		return strconv.AppendInt(dst, n.i, 10)
	case numUint:
		return strconv.AppendUint(dst, uint64(n.i), 10) //nolint:gosec // the bits are meant
	case numFloat:
		return appendFloat(dst, n.f)
	}
	return dst
}

// appendFloat prints a finite float as JSON does: with an exponent only where it is very small or large.
func appendFloat(dst []byte, f float64) []byte {
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, 64)
}
