package stats

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"time"
	"unicode/utf8"
)

// A row's key is its dimension values in bytes that sort as the values do: a null is 00, a text is 01, the text with
// every 00 followed by FF, and 00 at its end; a time bucket is its minute since 1970, offset by 2^31, as four bytes.
// Row hashes are taken over these bytes and decide which part of a fold a row falls to, so the form never changes.
const (
	keyNull = 0
	keyText = 1
	keyEnd  = 0
	keyZero = 0xff // follows a 00 that belongs to the text
)

// bucket is the width of a time dimension in minutes.
type bucket int64

const (
	minuteBucket bucket = 1
	hourBucket   bucket = 60
	dayBucket    bucket = 24 * 60
)

// bucketOf gives the bucket of a `by` name, or 0 for a field.
func bucketOf(by string) bucket {
	switch by {
	case "minute":
		return minuteBucket
	case "hour":
		return hourBucket
	case "day":
		return dayBucket
	}
	return 0
}

const (
	nanosPerMinute = int64(time.Minute)
	minuteOffset   = 1 << 31 // int64 nanoseconds reach 154 million minutes either way
	timeKeyLen     = 4
)

// floorDiv rounds down, also before 1970.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// start is the minute in which the bucket of a minute begins.
func (w bucket) start(minute int64) int64 {
	switch w {
	case minuteBucket:
		return minute
	case hourBucket:
		return floorDiv(minute, int64(hourBucket)) * int64(hourBucket)
	default:
		return floorDiv(minute, int64(dayBucket)) * int64(dayBucket)
	}
}

func appendTimeKey(dst []byte, minute int64) []byte {
	return binary.BigEndian.AppendUint32(dst, uint32(minute+minuteOffset)) //nolint:gosec // see minuteOffset
}

func appendTextKey(dst, text []byte) []byte {
	dst = append(dst, keyText)
	for {
		i := bytes.IndexByte(text, 0)
		if i < 0 {
			break
		}
		dst = append(append(dst, text[:i+1]...), keyZero)
		text = text[i+1:]
	}
	return append(append(dst, text...), keyEnd)
}

var errKey = errors.New("malformed dimensions")

// readDims takes a key apart. It refuses what appendTimeKey and appendTextKey never write, so that equal dimensions
// cannot come as two keys.
func readDims(dst []Dim, key []byte, by []bucket) ([]Dim, error) {
	for _, w := range by {
		if w != 0 {
			if len(key) < timeKeyLen {
				return nil, errKey
			}
			minute := int64(binary.BigEndian.Uint32(key)) - minuteOffset
			if w.start(minute) != minute {
				return nil, errKey
			}
			dst = append(dst, Dim{Text: formatMinute(minute)})
			key = key[timeKeyLen:]
			continue
		}
		d, rest, err := readTextDim(key)
		if err != nil {
			return nil, err
		}
		dst, key = append(dst, d), rest
	}
	if len(key) != 0 {
		return nil, errKey
	}
	return dst, nil
}

func readTextDim(key []byte) (Dim, []byte, error) {
	if len(key) == 0 || key[0] > keyText {
		return Dim{}, nil, errKey
	}
	if key[0] == keyNull {
		return Dim{Null: true}, key[1:], nil
	}
	key = key[1:]
	var text []byte // only for a text with zeros in it
	for {
		i := bytes.IndexByte(key, keyEnd)
		if i < 0 {
			return Dim{}, nil, errKey
		}
		if i+1 < len(key) && key[i+1] == keyZero {
			text = append(text, key[:i+1]...)
			key = key[i+2:]
			continue
		}
		if text == nil {
			return Dim{Text: string(key[:i])}, key[i+1:], nil
		}
		return Dim{Text: string(append(text, key[:i]...))}, key[i+1:], nil
	}
}

const minuteLayout = "2006-01-02T15:04:05Z"

func formatMinute(minute int64) string {
	return time.Unix(minute*60, 0).UTC().Format(minuteLayout)
}

// appendDimsKey is the inverse of readDims.
func appendDimsKey(dst []byte, dims []Dim, by []bucket) ([]byte, error) {
	if len(dims) != len(by) {
		return nil, errKey
	}
	for i, w := range by {
		switch {
		case w != 0:
			t, err := time.Parse(minuteLayout, dims[i].Text)
			if err != nil || dims[i].Null || len(dims[i].Text) != len(minuteLayout) {
				return nil, errKey
			}
			minute := floorDiv(t.Unix(), 60)
			if w.start(minute)*60 != t.Unix() || minute < -minuteOffset || minute >= minuteOffset {
				return nil, errKey
			}
			dst = appendTimeKey(dst, minute)
		case dims[i].Null:
			dst = append(dst, keyNull)
		default:
			dst = appendTextKey(dst, []byte(dims[i].Text))
		}
	}
	return dst, nil
}

const hexDigits = "0123456789abcdef"

// appendJSONString writes a text as a JSON string. Bytes that are no UTF-8 become lone surrogates (byte 80 is \udc80),
// so that no two texts are one; other readers of the table see U+FFFD there.
func appendJSONString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	plain := 0 // up to here, s is written
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < 0x7f {
			i++
			continue
		}
		n := 1
		if c >= utf8.RuneSelf {
			var r rune
			if r, n = utf8.DecodeRuneInString(s[i:]); r != utf8.RuneError || n > 1 {
				i += n
				continue
			}
		}
		dst = append(dst, s[plain:i]...)
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < utf8.RuneSelf:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		default:
			dst = append(dst, '\\', 'u', 'd', 'c', hexDigits[c>>4], hexDigits[c&15])
		}
		i += n
		plain = i
	}
	return append(append(dst, s[plain:]...), '"')
}

// readDimsJSON reads an array of strings and nulls as appendJSONString writes them, and as other writers of JSON do.
func readDimsJSON(b []byte) ([]Dim, error) {
	var dims []Dim
	b = bytes.TrimSpace(b)
	if len(b) < 2 || b[0] != '[' || b[len(b)-1] != ']' {
		return nil, errKey
	}
	b = bytes.TrimSpace(b[1 : len(b)-1])
	for len(b) > 0 {
		var d Dim
		if b[0] == '"' {
			var err error
			if d.Text, b, err = readJSONString(b); err != nil {
				return nil, err
			}
		} else if rest, ok := bytes.CutPrefix(b, []byte("null")); ok {
			d.Null, b = true, rest
		} else {
			return nil, errKey
		}
		dims = append(dims, d)
		if b = bytes.TrimSpace(b); len(b) == 0 {
			break
		}
		if b[0] != ',' || len(b) == 1 {
			return nil, errKey
		}
		if b = bytes.TrimSpace(b[1:]); len(b) == 0 {
			return nil, errKey
		}
	}
	return dims, nil
}

// readJSONString reads the string at the head of b.
func readJSONString(b []byte) (string, []byte, error) {
	var text strings.Builder
	for b = b[1:]; len(b) > 0; {
		switch c := b[0]; {
		case c == '"':
			return text.String(), b[1:], nil
		case c != '\\':
			text.WriteByte(c)
			b = b[1:]
		case len(b) >= 2 && b[1] == 'u':
			var err error
			if b, err = readUnicodeEscape(&text, b); err != nil {
				return "", nil, err
			}
		case len(b) >= 2 && strings.IndexByte(`"\/bfnrt`, b[1]) >= 0:
			text.WriteByte("\"\\/\b\f\n\r\t"[strings.IndexByte(`"\/bfnrt`, b[1])])
			b = b[2:]
		default:
			return "", nil, errKey
		}
	}
	return "", nil, errKey
}

func readUnicodeEscape(text *strings.Builder, b []byte) ([]byte, error) {
	r, ok := hex4(b)
	if !ok {
		return nil, errKey
	}
	b = b[6:]
	switch {
	case r >= 0xdc80 && r <= 0xdcff: // a byte, see appendJSONString
		text.WriteByte(byte(r))
	case r >= 0xd800 && r < 0xdc00:
		low, ok := hex4(b)
		if !ok || low < 0xdc00 || low > 0xdfff {
			return nil, errKey
		}
		text.WriteRune(0x10000 + (r-0xd800)<<10 + (low - 0xdc00))
		b = b[6:]
	case r >= 0xdc00 && r <= 0xdfff:
		return nil, errKey
	default:
		text.WriteRune(r)
	}
	return b, nil
}

// hex4 reads \uXXXX at the head of b.
func hex4(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range b[2:6] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
