package logline

import (
	"bytes"
	"unicode/utf8"
)

// scratch is the memory of a reader for text that is not in the line as it should be handed out. It is emptied at
// each line and grows to what the worst line needed. Growing while a line is read leaves earlier views intact:
// they keep the old array.
type scratch struct{ buf []byte }

func (s *scratch) reset() { s.buf = s.buf[:0] }

// text returns raw itself where it is valid UTF-8, else a copy in which each invalid byte is U+FFFD.
func (s *scratch) text(raw []byte) []byte {
	if ascii(raw) || utf8.Valid(raw) {
		return raw
	}
	start := len(s.buf)
	s.buf = appendValid(s.buf, raw)
	return s.since(start)
}

// ascii reports whether all of raw is ASCII, as most of what is wanted is. It is quicker than utf8.Valid for short texts.
func ascii(raw []byte) bool {
	n := len(raw)
	if n < 8 {
		var all byte
		for _, c := range raw {
			all |= c
		}
		return all < utf8.RuneSelf
	}
	all := load(raw, n-8)
	for i := 0; i+8 < n; i += 8 {
		all |= load(raw, i)
	}
	return all&highs == 0
}

// since returns what was appended from start on, and lets nobody append to it.
func (s *scratch) since(start int) []byte { return s.buf[start:len(s.buf):len(s.buf)] }

// cleaned is since for bytes that were decoded from escapes and may be no UTF-8 only now.
func (s *scratch) cleaned(start int) []byte {
	if raw := s.since(start); !utf8.Valid(raw) {
		return s.text(raw)
	}
	return s.since(start)
}

// appendValid appends raw with one U+FFFD for each byte that is not part of valid UTF-8, as encoding/json does.
func appendValid(dst, raw []byte) []byte {
	if utf8.Valid(raw) {
		return append(dst, raw...)
	}
	for len(raw) > 0 {
		r, size := utf8.DecodeRune(raw)
		dst = utf8.AppendRune(dst, r)
		raw = raw[size:]
	}
	return dst
}

// unescape decodes the escapes of a JSON string whose syntax was checked. A surrogate that is not half of a pair
// becomes U+FFFD.
func (s *scratch) unescape(raw []byte) []byte {
	start := len(s.buf)
	for {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 || i+1 >= len(raw) {
			s.buf = appendValid(s.buf, raw)
			return s.since(start)
		}
		s.buf = appendValid(s.buf, raw[:i])
		c := raw[i+1]
		raw = raw[i+2:]
		if c == 'u' {
			var r rune
			r, raw = decodeUnicode(raw)
			s.buf = utf8.AppendRune(s.buf, r)
			continue
		}
		s.buf = append(s.buf, simpleEscape(c))
	}
}

// simpleEscape returns the byte that a backslash and c stand for in JSON: c itself but for the control letters.
func simpleEscape(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

// decodeUnicode decodes what follows \u, with the second half where it is a surrogate pair, and returns the rest.
func decodeUnicode(raw []byte) (rune, []byte) {
	r, ok := hexRune(raw, 4)
	if !ok {
		return utf8.RuneError, raw
	}
	raw = raw[4:]
	if r < 0xd800 || r > 0xdfff {
		return r, raw
	}
	if r < 0xdc00 && len(raw) >= 6 && raw[0] == '\\' && raw[1] == 'u' {
		if low, ok := hexRune(raw[2:], 4); ok && low >= 0xdc00 && low <= 0xdfff {
			return (r-0xd800)<<10 | (low - 0xdc00) + 0x10000, raw[6:]
		}
	}
	return utf8.RuneError, raw
}

// hexRune reads exactly n hexadecimal digits at the start of raw.
func hexRune(raw []byte, n int) (rune, bool) {
	if len(raw) < n {
		return 0, false
	}
	var r uint32
	for _, c := range raw[:n] {
		d, ok := hexDigit(c)
		if !ok {
			return 0, false
		}
		r = r<<4 | uint32(d)
	}
	return rune(r), true
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
