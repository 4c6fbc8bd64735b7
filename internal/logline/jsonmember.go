package logline

import (
	"bytes"
	"math/bits"
	"slices"
)

// The lines of a log resemble each other: the same keys in the same order, and half of the values and more as in the
// line before. So the reader keeps the last line and where its members were. What a line has in common with it, from
// the start of a member on, was checked then and is compared only, eight bytes a turn; just what differs is read byte
// by byte. Nothing but speed depends on it: equal bytes from the start of a member on are read to the same end.

// Bounds of what is remembered. They keep the memory small, and the cost of a line that resembles nothing.
const (
	maxLast    = 16 << 10 // bytes of a line
	maxMembers = 128
	// lookAhead is how many members of the last line may be missing in a row: those after them are found again.
	lookAhead = 8
)

// lastLine is the line before, with the members of its object.
type lastLine struct {
	text    []byte
	first   int // where the first member begins
	members []member

	// While a line is read, its members take the places of those of the last one.
	next int // the first member that is still the last line's
	at   int // where that one begins in text
}

// member is one key with its value, by the lengths of its parts.
type member struct {
	key   int  // bytes from the quote of the key to the value
	value int  // bytes of the value
	size  int  // bytes from the quote of the key to the next key, or to the end of the closing brace
	want  int  // the entry among the wanted keys, -1 for none
	text  bool // the value is a string
	plain bool // and has no escapes
	// again is the kind of a wanted value that can be handed out again as its bytes are, without looking at them; else
	// Missing.
	again Kind
}

// forget is for a line that is not to be remembered.
func (l *lastLine) forget() { l.text, l.members, l.first = l.text[:0], l.members[:0], 0 }

// remember takes over a line whose members are there already, and begin at first.
func (l *lastLine) remember(line []byte, first int) {
	l.members = l.members[:l.next]
	if len(line) > maxLast || len(l.members) > maxMembers {
		l.forget()
		return
	}
	l.text, l.first = append(l.text[:0], line...), first
}

// find looks for the member whose key stands at the head of b, and drops those before it, which b does not have.
func (l *lastLine) find(b []byte) bool {
	at := l.at
	for k := l.next; k < min(l.next+lookAhead, len(l.members)); k++ {
		m := &l.members[k]
		if key := l.text[at : at+m.key]; len(b) >= len(key) && string(b[:len(key)]) == string(key) {
			l.members = slices.Delete(l.members, l.next, k)
			l.at = at
			return true
		}
		at += m.size
	}
	return false
}

// commonEnd is the first place in b, from i on, where it is not as a is from k on.
func commonEnd(b []byte, i int, a []byte, k int) int {
	for i+8 <= len(b) && k+8 <= len(a) {
		if x := load(b, i) ^ load(a, k); x != 0 {
			return i + bits.TrailingZeros64(x)>>3
		}
		i, k = i+8, k+8
	}
	for i < len(b) && k < len(a) && b[i] == a[k] {
		i, k = i+1, k+1
	}
	return i
}

// plainEnd returns the place after the quote that closes the string of which i is within; 0 where it has escapes, or is
// wrong, or near the end of the line.
func plainEnd(b []byte, i int) int {
	for ; i+8 <= len(b); i += 8 {
		if m := specials(load(b, i)); m != 0 {
			if i += bits.TrailingZeros64(m) >> 3; b[i] == '"' {
				return i + 1
			}
			break
		}
	}
	return 0
}

// digitsOnlyEnd returns the place after the digits at i, 0 where they are not how a number begins.
func digitsOnlyEnd(b []byte, i int) int {
	start := i
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	if i == start || b[start] == '0' && i > start+1 {
		return 0
	}
	return i
}

// top reads the object of the line, whose first byte after the brace is at i, and returns the place after its closing
// brace. The members of the last line become those of this one on the way.
func (r *jsonReader) top(i int, out []Value) (int, *BadLine) {
	l := &r.last
	if i = skipSpace(r.line, i); i < len(r.line) && r.line[i] == '}' {
		l.forget()
		return i + 1, nil
	}
	first := i
	l.next, l.at = 0, l.first
	for {
		var until int
		var closed bool
		if i, until = r.alike(i, out); l.next > 0 && l.next == len(l.members) && r.line[i-1] == '}' {
			break
		}
		var bad *BadLine
		if i, closed, bad = r.member(i, until, out); bad != nil {
			return 0, bad
		}
		if closed {
			break
		}
	}
	l.remember(r.line, first)
	return i, nil
}

// alike takes over the members from i on while they are as in the last line, or differ only in a number or in the text
// of a string. It returns the place after them, and that up to which the line is as the last one still. What it cannot do
// it leaves to member, which reads anything.
func (r *jsonReader) alike(i int, out []Value) (next, until int) {
	b, text, members := r.line, r.last.text, r.last.members
	shift, k := i-r.last.at, r.last.next // between the places here and in the last line
	for {
		until = commonEnd(b, i, text, i-shift)
		for ; k < len(members); k++ {
			m := &members[k]
			if i+m.size > until {
				break
			}
			if m.want >= 0 {
				if m.again == Missing {
					break
				}
				r.again(m, i, out)
			}
			i += m.size
		}
		if k == len(members) {
			break
		}
		m := &members[k]
		v, end := i+m.key, 0
		if m.plain && until > v {
			end = plainEnd(b, min(until, v+m.value-1))
		} else if !m.plain && until >= v {
			end = digitsOnlyEnd(b, v)
		}
		if end == 0 || end+1 >= len(b) || b[end] != ',' || b[end+1] != '"' ||
			m.want >= 0 && !r.changed(m, b[v:end], out) {
			break
		}
		shift += end + 1 - i - m.size
		m.value, m.size = end-v, end+1-i
		i = end + 1
		k++
	}
	r.last.at, r.last.next = i-shift, k
	return i, until
}

// again hands out a value that is as in the last line.
func (r *jsonReader) again(m *member, i int, out []Value) {
	v := Value{Kind: m.again}
	from, to := i+m.key, i+m.key+m.value
	switch m.again {
	case Null:
	case Text:
		v.Text = r.line[from+1 : to-1]
	default:
		v.Text = r.line[from:to]
	}
	out[r.root.entries[m.want].value] = v
}

// changed hands out a wanted value that is a plain string or a number. It does not where more than that is wanted.
func (r *jsonReader) changed(m *member, raw []byte, out []Value) bool {
	e := &r.root.entries[m.want]
	if !e.flat {
		return false
	}
	if !m.plain {
		m.again = Number
		out[e.value] = Value{Kind: Number, Text: raw}
		return true
	}
	raw = raw[1 : len(raw)-1]
	text := r.text(raw)
	out[e.value] = Value{Kind: Text, Text: text}
	m.again = Missing
	if len(raw) == 0 || &text[0] == &raw[0] {
		m.again = Text
	}
	return true
}

// member reads the member at i, which is as in the last line up to until. It returns the place after it and whether it was
// the last one.
func (r *jsonReader) member(i, until int, out []Value) (next int, closed bool, bad *BadLine) {
	l := &r.last
	if n := skipSpace(r.line, i); n > i { // more space than the last line had after the member before
		l.members[l.next-1].size += n - i
		return n, false, nil
	}
	switch {
	case l.next < len(l.members) && i+l.members[l.next].key <= until:
		l.at += l.members[l.next].size
	case l.find(r.line[i:]):
		return i, false, nil
	default:
		until = i
		if bad = r.insert(i); bad != nil {
			return 0, false, bad
		}
	}
	m := &l.members[l.next]
	v := i + m.key
	if v < len(r.line) && r.line[v] <= ' ' { // more space than the last line had there
		v = skipSpace(r.line, v)
		m.key, until = v-i, i
	}
	end, bad := r.value(m, v, until, out)
	if bad != nil {
		return 0, false, bad
	}
	if next, closed, bad = gapEnd(r.line, end); bad != nil {
		return 0, false, bad
	}
	m.value, m.size = end-v, next-i
	l.next++
	return next, closed, nil
}

// insert makes a member of the key at i, which is not where the last line had it.
func (r *jsonReader) insert(i int) *BadLine {
	l := &r.last
	entry, v, bad := r.key(i, &r.root)
	if bad == nil {
		if l.next > maxMembers { // too many to be remembered
			l.next = maxMembers
			l.members = l.members[:l.next]
		}
		l.members = slices.Insert(l.members, l.next, member{key: v - i, want: entry})
	}
	return bad
}

// value reads the value at i of a member, which is as in the last line up to until, and returns the place after it.
func (r *jsonReader) value(m *member, i, until int, out []Value) (int, *BadLine) {
	b := r.line
	if i >= len(b) {
		return 0, badJSONEnd
	}
	if b[i] != '"' {
		m.text, m.plain = false, false
		if m.want >= 0 {
			return r.other(m, i, out)
		}
		return r.skip(i, 1)
	}
	from := i + 1
	if m.text && until > from { // all that is the same belongs to the string, but for its closing quote
		if until = min(until, i+m.value-1); m.plain {
			from = until
		} else {
			from = outsideEscape(b, from, until)
		}
	}
	end, escaped, bad := stringEnd(b, from)
	if bad != nil {
		return 0, bad
	}
	escaped = escaped || !m.plain && bytes.IndexByte(b[i:from], '\\') >= 0
	m.text, m.plain = true, !escaped
	if m.want >= 0 && (escaped || !r.changed(m, b[i:end+1], out)) {
		return r.other(m, i, out)
	}
	return end + 1, nil
}

// outsideEscape returns a place at or before i from which the string that begins at start can be read on: no escape
// reaches from before it to behind it.
func outsideEscape(b []byte, start, i int) int {
	const longest = len(`\uffff`)
	if near := max(start, i-longest); bytes.IndexByte(b[near:i], '\\') >= 0 {
		return start
	}
	return i
}

// other reads a wanted value that is no plain string.
func (r *jsonReader) other(m *member, i int, out []Value) (int, *BadLine) {
	e := &r.root.entries[m.want]
	end, bad := r.wanted(i, e, out, 1)
	m.again = Missing
	if bad == nil && e.flat && r.line[i] != '"' && out[e.value].Kind != Composite {
		m.again = out[e.value].Kind
	}
	return end, bad
}
