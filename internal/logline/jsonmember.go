package logline

import (
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
	plain bool // the value is a string without escapes
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

// common is the length of what a and b begin with together.
func common(a, b []byte) int {
	n := min(len(a), len(b))
	i := 0
	for ; i+8 <= n; i += 8 {
		if x := load(a, i) ^ load(b, i); x != 0 {
			return i + bits.TrailingZeros64(x)>>3
		}
	}
	for i < n && a[i] == b[i] {
		i++
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
		var same int
		var closed bool
		if i, same = r.repeated(i, out); l.next > 0 && l.next == len(l.members) && r.line[i-1] == '}' {
			break
		}
		var bad *BadLine
		if i, closed, bad = r.member(i, same, out); bad != nil {
			return 0, bad
		}
		if closed {
			break
		}
	}
	l.remember(r.line, first)
	return i, nil
}

// repeated takes over the members from i on that are as in the last line. It returns the place after them, and how many
// bytes from there on are the same still.
func (r *jsonReader) repeated(i int, out []Value) (next, same int) {
	l := &r.last
	same = common(l.text[l.at:], r.line[i:])
	all := same
	members := l.members[l.next:]
	for k := range members {
		m := &members[k]
		size := m.size
		if size > same {
			break
		}
		if m.want >= 0 {
			if m.again == Missing {
				break
			}
			r.again(m, i+m.key, out)
		}
		l.next++
		i += size
		same -= size
	}
	l.at += all - same
	return i, same
}

// again hands out a value that is as in the last line.
func (r *jsonReader) again(m *member, at int, out []Value) {
	v := Value{Kind: m.again}
	switch m.again {
	case Null:
	case Text:
		v.Text = r.line[at+1 : at+m.value-1]
	default:
		v.Text = r.line[at : at+m.value]
	}
	out[r.root.entries[m.want].value] = v
}

// member reads the member at i, of which so many bytes are as in the last line. It returns the place after it and
// whether it was the last one.
func (r *jsonReader) member(i, same int, out []Value) (next int, closed bool, bad *BadLine) {
	l := &r.last
	if n := skipSpace(r.line, i); n > i { // more space than the last line had after the member before
		l.members[l.next-1].size += n - i
		return n, false, nil
	}
	switch {
	case l.next < len(l.members) && l.members[l.next].key <= same:
		l.at += l.members[l.next].size
	case l.find(r.line[i:]):
		return i, false, nil
	default:
		same = 0
		if bad = r.insert(i); bad != nil {
			return 0, false, bad
		}
	}
	m := &l.members[l.next]
	v := i + m.key
	if v < len(r.line) && r.line[v] <= ' ' { // more space than the last line had there
		v = skipSpace(r.line, v)
		m.key, same = v-i, 0
	}
	end, bad := r.value(m, v, same-m.key, out)
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

// value reads the value at i of a member, of which so many bytes are as in the last line, and returns the place after
// it.
func (r *jsonReader) value(m *member, i, same int, out []Value) (int, *BadLine) {
	b := r.line
	if i >= len(b) {
		return 0, badJSONEnd
	}
	if b[i] != '"' {
		m.plain = false
		if m.want >= 0 {
			return r.other(m, i, out)
		}
		return r.skip(i, 1)
	}
	from := i + 1
	if m.plain && same > 0 { // all that is the same belongs to the string, but for its closing quote
		from = i + min(same, m.value-1)
	}
	end, escaped, bad := stringEnd(b, from)
	if bad != nil {
		return 0, bad
	}
	m.plain = !escaped
	if m.want >= 0 {
		if escaped || !r.root.entries[m.want].flat {
			return r.other(m, i, out)
		}
		text := r.text(b[i+1 : end])
		out[r.root.entries[m.want].value] = Value{Kind: Text, Text: text}
		m.again = Missing
		if len(text) == 0 || &text[0] == &b[i+1] {
			m.again = Text
		}
	}
	return end + 1, nil
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
