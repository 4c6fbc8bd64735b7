package logline

import (
	"bytes"
	"unicode/utf8"
)

// logfmtReader reads key=value pairs, separated by white space, as go-logfmt and Grafana Loki do: the value of a
// bare key, or of a key with nothing after its equals sign, is null; key="" is the empty text. A quoted value may
// hold the escapes of JSON and those of Go's %q, which many loggers use. Where those two are strict, this is
// not: an unquoted value may hold quotes and equals signs (url=/a?b=c). Of repeated keys the last one counts.
// Keys are flat: a dot is a letter like others. A line without any equals sign after a key is no logfmt.
type logfmtReader struct {
	scratch
	keys keys
}

func newLogfmtReader(wanted []want) *logfmtReader {
	r := &logfmtReader{}
	for _, w := range wanted {
		r.keys.add(w.name).value = w.value
	}
	r.keys.index()
	return r
}

func (r *logfmtReader) read(line []byte, values []Value) *BadLine {
	r.reset()
	pairs := 0
	for i := 0; ; {
		for i < len(line) && line[i] <= ' ' {
			i++
		}
		if i == len(line) {
			break
		}
		start := i
		for i < len(line) && line[i] > ' ' && line[i] != '=' {
			if line[i] == '"' {
				return badLogfmtKey
			}
			i++
		}
		if i == start {
			return badLogfmtKey
		}
		e := r.keys.find(line[start:i])
		v := Value{Kind: Null}
		if i < len(line) && line[i] == '=' {
			pairs++
			var bad *BadLine
			if v, i, bad = r.value(line, i+1, e >= 0); bad != nil {
				return bad
			}
		}
		if e >= 0 {
			values[r.keys.entries[e].value] = v
		}
	}
	if pairs == 0 {
		return badLogfmtPair
	}
	return nil
}

// value reads the value at i and returns the place after it.
func (r *logfmtReader) value(line []byte, i int, wanted bool) (Value, int, *BadLine) {
	if i < len(line) && line[i] == '"' {
		return r.quoted(line, i+1, wanted)
	}
	start := i
	for i < len(line) && line[i] > ' ' {
		i++
	}
	if i == start || !wanted {
		return Value{Kind: Null}, i, nil
	}
	return Value{Kind: Text, Text: r.text(line[start:i])}, i, nil
}

// quoted reads the quoted value whose first byte is at i.
func (r *logfmtReader) quoted(line []byte, i int, wanted bool) (Value, int, *BadLine) {
	start, escaped := i, false
	for {
		next := bytes.IndexByte(line[i:], '"')
		if next < 0 {
			return Value{}, 0, badLogfmtQuote
		}
		// The escapes before the quote decide whether it closes the value.
		quote := i + next
		for i < quote {
			back := bytes.IndexByte(line[i:quote], '\\')
			if back < 0 {
				i = quote
				break
			}
			escaped = true
			i += back + 1
			size := escapeSize(line[i:])
			if size == 0 {
				return Value{}, 0, badLogfmtEscape
			}
			i += size
		}
		if i == quote {
			break
		}
	}
	if i+1 < len(line) && line[i+1] > ' ' {
		return Value{}, 0, badLogfmtAfter
	}
	if !wanted {
		return Value{}, i + 1, nil
	}
	raw := line[start:i]
	if !escaped {
		return Value{Kind: Text, Text: r.text(raw)}, i + 1, nil
	}
	return Value{Kind: Text, Text: r.unquote(raw)}, i + 1, nil
}

// escapeSize returns how many bytes after the backslash belong to an escape of JSON or of Go, 0 for none of them.
func escapeSize(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	digits := 0
	switch b[0] {
	case '"', '\\', '/', '\'', 'a', 'b', 'f', 'n', 'r', 't', 'v':
		return 1
	case 'x':
		digits = 2
	case 'u':
		digits = 4
	case 'U':
		digits = 8
	default:
		return 0
	}
	if _, ok := hexRune(b[1:], digits); !ok {
		return 0
	}
	return 1 + digits
}

// unquote decodes the escapes of a quoted value; escapeSize has seen all of them.
func (r *logfmtReader) unquote(raw []byte) []byte {
	start := len(r.buf)
	for {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 {
			r.buf = append(r.buf, raw...)
			return r.cleaned(start)
		}
		r.buf = append(r.buf, raw[:i]...)
		c := raw[i+1]
		rest := raw[i+2:]
		switch c {
		case 'a':
			r.buf = append(r.buf, '\a')
		case 'v':
			r.buf = append(r.buf, '\v')
		case 'x':
			b, _ := hexRune(rest, 2)
			r.buf = append(r.buf, byte(b))
			rest = rest[2:]
		case 'u':
			var u rune
			u, rest = decodeUnicode(rest)
			r.buf = utf8.AppendRune(r.buf, u)
		case 'U':
			u, _ := hexRune(rest, 8)
			r.buf = utf8.AppendRune(r.buf, u)
			rest = rest[8:]
		default:
			r.buf = append(r.buf, simpleEscape(c))
		}
		raw = rest
	}
}
