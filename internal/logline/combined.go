package logline

import "bytes"

// The fields of combined, in the order of combinedReader.at.
const (
	remoteAddr = iota
	user
	clock
	method
	path
	status
	size
	referer
	userAgent
)

func combinedFields() []string {
	return []string{"remote_addr", "user", "time", "method", "path", "status", "bytes", "referer", "user_agent"}
}

// combinedReader reads the combined log format of Apache and nginx, and the common log format, which ends after
// the bytes (referer and user_agent are missing then):
//
//	192.0.2.7 - frank [10/Oct/2000:13:55:36 -0700] "GET /a.gif?b=c HTTP/1.0" 200 2326 "http://ref/" "Mozilla/4.08"
//
// What follows the user agent, after a space, is ignored: many configurations append to the format. "-" is null.
// The request is method, path (the target as sent, query included) and protocol; where a client sent something
// else, both fields are missing and the line counts all the same. Escapes in quoted fields (\" \\ \xhh and the
// control letters) are decoded; an unknown one stays as it is.
type combinedReader struct {
	scratch
	at [userAgent + 1]int // for each field the index of its value, -1 for none
}

func newCombinedReader(wanted []want) (*combinedReader, error) {
	at, err := positions(formatCombined, combinedFields(), wanted)
	if err != nil {
		return nil, err
	}
	r := &combinedReader{}
	copy(r.at[:], at)
	return r, nil
}

func (r *combinedReader) read(line []byte, values []Value) *BadLine {
	r.reset()
	line, bad := r.client(line, values)
	if bad != nil {
		return bad
	}
	end := bytes.IndexByte(line, ']')
	if end < 1 {
		return badCombinedTime
	}
	r.set(values, clock, line[:end])
	line = line[end+1:]

	if len(line) < 2 || line[0] != ' ' || line[1] != '"' {
		return badCombinedRequest
	}
	request, escaped, line, ok := quotedField(line[1:])
	if !ok {
		return badCombinedRequest
	}
	r.request(values, request, escaped)

	if line, bad = r.numbers(line, values); bad != nil {
		return bad
	}
	return r.tail(line, values)
}

// set hands out a field as written.
func (r *combinedReader) set(values []Value, field int, raw []byte) {
	if v := r.at[field]; v >= 0 {
		values[v] = r.dashed(raw)
	}
}

// client reads address, identity and user up to the bracket of the time. A user may hold spaces, so the bracket
// is looked for rather than the third space.
func (r *combinedReader) client(line []byte, values []Value) ([]byte, *BadLine) {
	addr := bytes.IndexByte(line, ' ')
	if addr < 1 {
		return nil, badCombinedClient
	}
	rest := line[addr+1:]
	ident := bytes.IndexByte(rest, ' ')
	if ident < 1 {
		return nil, badCombinedClient
	}
	rest = rest[ident+1:]
	end := bytes.IndexByte(rest, '[')
	for end > 0 && rest[end-1] != ' ' {
		next := bytes.IndexByte(rest[end+1:], '[')
		if next < 0 {
			return nil, badCombinedClient
		}
		end += 1 + next
	}
	if end < 2 {
		return nil, badCombinedClient
	}
	r.set(values, remoteAddr, line[:addr])
	r.set(values, user, rest[:end-1])
	return rest[end+1:], nil
}

// request takes method and path out of the quoted request.
func (r *combinedReader) request(values []Value, raw []byte, escaped bool) {
	space := bytes.IndexByte(raw, ' ')
	last := bytes.LastIndexByte(raw, ' ')
	if space < 1 || last <= space+1 || !bytes.HasPrefix(raw[last+1:], []byte("HTTP/")) || !token(raw[:space]) {
		return
	}
	if v := r.at[method]; v >= 0 {
		values[v] = Value{Kind: Text, Text: raw[:space]}
	}
	if v := r.at[path]; v >= 0 {
		values[v] = Value{Kind: Text, Text: r.unquote(raw[space+1:last], escaped)}
	}
}

// token reports whether b can be a method: visible ASCII without separators, as RFC 9110 has it.
func token(b []byte) bool {
	for _, c := range b {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), c) < 0 {
			return false
		}
	}
	return true
}

// numbers reads " status bytes" and returns what follows.
func (r *combinedReader) numbers(line []byte, values []Value) ([]byte, *BadLine) {
	if len(line) < 2 || line[0] != ' ' {
		return nil, badCombinedStatus
	}
	line = line[1:]
	end := digitsEnd(line, 0)
	if end == 0 && line[0] == '-' {
		end = 1
	} else if end != 3 {
		return nil, badCombinedStatus
	}
	if end == len(line) || line[end] != ' ' {
		return nil, badCombinedStatus
	}
	r.set(values, status, line[:end])
	line = line[end+1:]

	end = digitsEnd(line, 0)
	if end == 0 && len(line) > 0 && line[0] == '-' {
		end = 1
	}
	if end == 0 || end < len(line) && line[end] != ' ' {
		return nil, badCombinedBytes
	}
	r.set(values, size, line[:end])
	return line[end:], nil
}

// tail reads what combined has and common has not.
func (r *combinedReader) tail(line []byte, values []Value) *BadLine {
	if blank(line) {
		return nil
	}
	for _, field := range [...]int{referer, userAgent} {
		if len(line) < 2 || line[1] != '"' {
			return badCombinedTail
		}
		raw, escaped, rest, ok := quotedField(line[1:])
		if !ok {
			return badCombinedTail
		}
		if v := r.at[field]; v >= 0 {
			switch {
			case len(raw) == 1 && raw[0] == '-':
				values[v] = Value{Kind: Null}
			default:
				values[v] = Value{Kind: Text, Text: r.unquote(raw, escaped)}
			}
		}
		line = rest
		if len(line) > 0 && line[0] != ' ' {
			return badCombinedTail
		}
	}
	return nil
}

// quotedField returns the inside of the quoted field at the start of line, whether there are escapes in it, and
// what follows the closing quote.
func quotedField(line []byte) (raw []byte, escaped bool, rest []byte, ok bool) {
	i := 1
	for {
		next := bytes.IndexByte(line[i:], '"')
		if next < 0 {
			return nil, false, nil, false
		}
		back := bytes.IndexByte(line[i:i+next], '\\')
		if back < 0 {
			i += next
			return line[1:i], escaped, line[i+1:], true
		}
		escaped = true
		i += back + 2
		if i > len(line) {
			return nil, false, nil, false
		}
	}
}

// unquote decodes the escapes that Apache and nginx write.
func (r *combinedReader) unquote(raw []byte, escaped bool) []byte {
	if !escaped {
		return r.text(raw)
	}
	start := len(r.buf)
	for {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 || i+1 == len(raw) {
			r.buf = append(r.buf, raw...)
			return r.cleaned(start)
		}
		r.buf = append(r.buf, raw[:i]...)
		c := raw[i+1]
		raw = raw[i+2:]
		switch c {
		case '"', '\\', 'b', 'f', 'n', 'r', 't':
			r.buf = append(r.buf, simpleEscape(c))
		case 'v':
			r.buf = append(r.buf, '\v')
		case 'x':
			if b, ok := hexRune(raw, 2); ok {
				r.buf = append(r.buf, byte(b))
				raw = raw[2:]
				continue
			}
			r.buf = append(r.buf, '\\', c)
		default:
			r.buf = append(r.buf, '\\', c)
		}
	}
}
