package logline

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// Constants for looking at eight bytes at once.
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// load returns the eight bytes of b from i on, the first one lowest. They must be there: it does not check, every caller
// has i+8 <= len(b) as the condition of its loop, and no i is below 0. With checks (a slice of eight bytes, or an array of
// them) reading JSON takes 12 % longer, and a whole replay of plain objects 6 % more CPU.
func load(b []byte, i int) uint64 {
	return binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(b)), i))[:])
}

// stringEnd returns the place of the quote that closes the string whose first byte is at i, and whether there are
// escapes in it. Control characters and bad escapes are refused. It takes eight bytes a turn.
func stringEnd(b []byte, i int) (end int, escaped bool, bad *BadLine) {
	for ; i+8 <= len(b); i += 8 {
		if m := specials(load(b, i)); m != 0 {
			i += bits.TrailingZeros64(m) >> 3
			if b[i] == '"' {
				return i, false, nil
			}
			break
		}
	}
	return stringEndSlow(b, i)
}

// specials marks the high bit of the first byte of x that is a quote, a backslash or a control character; marks
// above the lowest one mean nothing.
func specials(x uint64) uint64 {
	// x^2 brings the quote (0x22) to 0x20, next to the controls below it, and takes the space out of their range,
	// so one comparison finds both. A borrow can only cross upwards from a true find.
	q := x ^ ones*0x02
	s := x ^ ones*'\\'
	return ((q-ones*0x21)&^q | (s-ones)&^s) & highs
}

// stringEndSlow is stringEnd from the first escape on, and for the last bytes of a line.
func stringEndSlow(b []byte, i int) (end int, escaped bool, bad *BadLine) {
	for i < len(b) {
		switch c := b[i]; {
		case c == '"':
			return i, escaped, nil
		case c == '\\':
			escaped = true
			if i, bad = escapeEnd(b, i+1); bad != nil {
				return 0, false, bad
			}
			for i+8 <= len(b) {
				m := specials(load(b, i))
				if m != 0 {
					i += bits.TrailingZeros64(m) >> 3
					break
				}
				i += 8
			}
		case c < ' ':
			return 0, false, badJSONControl
		default:
			i++
		}
	}
	return 0, false, badJSONString
}

// escapeEnd checks the escape whose byte after the backslash is at i, and returns the place after it.
func escapeEnd(b []byte, i int) (int, *BadLine) {
	if i >= len(b) {
		return 0, badJSONString
	}
	switch b[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1, nil
	case 'u':
		if _, ok := hexRune(b[i+1:], 4); ok {
			return i + 5, nil
		}
	}
	return 0, badJSONEscape
}

// skipSpace returns the first place from i on that is no JSON white space.
func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\r' || b[i] == '\n') {
		i++
	}
	return i
}

// afterColon returns the place of the value that follows the key which ended before i. There is a byte there.
func afterColon(b []byte, i int) (int, *BadLine) {
	if i >= len(b) || b[i] != ':' {
		if i = skipSpace(b, i); i >= len(b) || b[i] != ':' {
			return 0, badJSONColon
		}
	}
	i++
	if i < len(b) && b[i] > ' ' {
		return i, nil
	}
	if i = skipSpace(b, i); i >= len(b) {
		return 0, badJSONEnd
	}
	return i, nil
}

// gapEnd reads what follows the value that ended before i: a comma, and then it returns the place of the next key, or
// the brace that closes the object, and then the place after it.
func gapEnd(b []byte, i int) (next int, closed bool, bad *BadLine) {
	if i+1 < len(b) && b[i] == ',' && b[i+1] == '"' {
		return i + 1, false, nil
	}
	if i = skipSpace(b, i); i >= len(b) {
		return 0, false, badJSONEnd
	}
	switch b[i] {
	case '}':
		return i + 1, true, nil
	case ',':
		return skipSpace(b, i+1), false, nil
	}
	return 0, false, badJSONComma
}

// skip returns the place after the value at i, having checked all of it; depth objects are open around it. It
// needs no recursion: what is open inside is one bit each.
func (r *jsonReader) skip(i, depth int) (int, *BadLine) {
	b := r.line
	if c := b[i]; c-'0' <= 9 {
		return numberEnd(b, i)
	} else if c != '{' && c != '[' {
		return scalarEnd(b, i)
	}
	var bad *BadLine
	inside := 0 // brackets open inside the value
	for {
		// A value begins at i.
		c := b[i]
		if c != '{' && c != '[' {
			if i, bad = scalarEnd(b, i); bad != nil {
				return 0, bad
			}
		} else {
			if depth+inside >= maxDepth {
				return 0, badJSONDepth
			}
			if i = skipSpace(b, i+1); i >= len(b) {
				return 0, badJSONEnd
			}
			if b[i] != c+2 { // '}' follows '{' by two, and ']' follows '['
				r.push(inside, c == '{')
				inside++
				if c == '{' {
					if i, bad = keyEnd(b, i); bad != nil {
						return 0, bad
					}
				}
				continue
			}
			i++
		}
		// A value has ended before i: close what ends with it.
		for {
			if inside == 0 {
				return i, nil
			}
			object := r.isObject(inside - 1)
			if i = skipSpace(b, i); i >= len(b) {
				return 0, badJSONEnd
			}
			if b[i] == ',' {
				if i = skipSpace(b, i+1); i >= len(b) {
					return 0, badJSONEnd
				}
				if object {
					if i, bad = keyEnd(b, i); bad != nil {
						return 0, bad
					}
				}
				break
			}
			if object && b[i] != '}' || !object && b[i] != ']' {
				return 0, badJSONComma
			}
			i++
			inside--
		}
	}
}

// push notes that the bracket number n is open.
func (r *jsonReader) push(n int, object bool) {
	bit := uint64(1) << (n & 63)
	if object {
		r.open[n>>6] |= bit
	} else {
		r.open[n>>6] &^= bit
	}
}

// isObject reports whether the open bracket number n is one of an object.
func (r *jsonReader) isObject(n int) bool { return r.open[n>>6]>>(n&63)&1 != 0 }

// keyEnd checks the key at i and its colon, and returns the place of the value.
func keyEnd(b []byte, i int) (int, *BadLine) {
	if b[i] != '"' {
		return 0, badJSONKey
	}
	end, _, bad := stringEnd(b, i+1)
	if bad != nil {
		return 0, bad
	}
	return afterColon(b, end+1)
}

// scalarEnd returns the place after the string, number or literal at i.
func scalarEnd(b []byte, i int) (int, *BadLine) {
	switch c := b[i]; c {
	case '"':
		end, _, bad := stringEnd(b, i+1)
		return end + 1, bad
	case 't':
		if len(b)-i >= 4 && string(b[i:i+4]) == "true" {
			return i + 4, nil
		}
	case 'f':
		if len(b)-i >= 5 && string(b[i:i+5]) == "false" {
			return i + 5, nil
		}
	case 'n':
		if len(b)-i >= 4 && string(b[i:i+4]) == "null" {
			return i + 4, nil
		}
	default:
		if c == '-' || '0' <= c && c <= '9' {
			return numberEnd(b, i)
		}
	}
	return 0, badJSONValue
}

// numberEnd returns the place after the number at i, checked against JSON's grammar. What follows the number is
// for the caller to judge.
func numberEnd(b []byte, i int) (int, *BadLine) {
	if b[i] == '-' {
		i++
	}
	first := i
	i = digitsEnd(b, i)
	if i == first || b[first] == '0' && i > first+1 {
		return 0, badJSONNumber
	}
	if i < len(b) && b[i] == '.' {
		first = i + 1
		if i = digitsEnd(b, first); i == first {
			return 0, badJSONNumber
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		first = i
		if i = digitsEnd(b, i); i == first {
			return 0, badJSONNumber
		}
	}
	return i, nil
}

// digitsEnd returns the first place from i on that is no decimal digit.
func digitsEnd(b []byte, i int) int {
	for ; i+8 <= len(b); i += 8 {
		// A digit's bytes become 0 to 9 here; adding 0x76 lifts all others to the high bit, or they have it.
		x := load(b, i) ^ ones*'0'
		if m := ((x + ones*0x76) | x) & highs; m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
	}
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	return i
}
