package logline

import "strings"

// maxDepth is how deep objects and arrays may nest, the outermost included: encoding/json's limit.
const maxDepth = 10000

// jsonReader reads one JSON object per line, in one pass. It refuses what encoding/json.Valid refuses, and values
// other than objects.
//
// A field is looked up as written first ("id.orig_h" is one key), then, where it has dots, as a path through
// nested objects ({"id":{"orig_h":…}}); arrays are not entered. The key as written wins wherever it stands in
// the line, null included. Of repeated keys the last one counts, and replaces all that an earlier one held.
type jsonReader struct {
	scratch
	root keys
	// dotted lists the values of fields with dots, which may be found twice. What is found on a path waits in
	// paths, so that the key as written can still win.
	dotted []int
	paths  []Value
	nested bool // something may be in paths

	line []byte // of the call of read
	last lastLine
	// open holds one bit for each bracket that skip has entered, 1 for an object.
	open [(maxDepth + 63) / 64]uint64
}

func newJSONReader(wanted []want) *jsonReader {
	r := &jsonReader{}
	size := 0
	for _, w := range wanted {
		r.root.add(w.name).value = w.value
		size = max(size, w.value+1)
		if !strings.Contains(w.name, ".") {
			continue
		}
		r.dotted = append(r.dotted, w.value)
		k := &r.root
		parts := strings.Split(w.name, ".")
		for i, part := range parts {
			e := k.add(part)
			if i == len(parts)-1 {
				e.value = w.value
				break
			}
			e.clears = append(e.clears, w.value)
			if e.below == nil {
				e.below = &keys{}
			}
			k = e.below
		}
	}
	r.paths = make([]Value, size)
	r.root.index()
	return r
}

func (r *jsonReader) read(line []byte, values []Value) *BadLine {
	r.reset()
	if r.nested {
		clear(r.paths)
		r.nested = false
	}
	r.line = line
	i := skipSpace(line, 0)
	if line[i] != '{' { // a line that is not blank has something here, control characters included
		return badJSONTop
	}
	i, bad := r.top(i+1, values)
	if bad == nil && skipSpace(line, i) < len(line) {
		bad = badJSONAfter
	}
	if bad != nil {
		r.last.forget()
		return bad
	}
	if r.nested {
		for _, v := range r.dotted {
			if values[v].Kind == Missing {
				values[v] = r.paths[v]
			}
		}
	}
	return nil
}

// object reads the object whose first byte after the brace is at i, the depth-th of those around it, and returns
// the place after its closing brace. Values of the keys in k go to out. It calls itself for objects on the path of
// a wanted field only, so the stack is bounded by the configuration and not by the line.
func (r *jsonReader) object(i int, k *keys, out []Value, depth int) (int, *BadLine) {
	if depth > maxDepth {
		return 0, badJSONDepth
	}
	b := r.line
	if i = skipSpace(b, i); i < len(b) && b[i] == '}' {
		return i + 1, nil
	}
	for closed := false; !closed; {
		e, v, bad := r.key(i, k)
		if bad != nil {
			return 0, bad
		}
		if e >= 0 {
			i, bad = r.wanted(v, &k.entries[e], out, depth)
		} else {
			i, bad = r.skip(v, depth)
		}
		if bad != nil {
			return 0, bad
		}
		if i, closed, bad = gapEnd(b, i); bad != nil {
			return 0, bad
		}
	}
	return i, nil
}

// key reads the key at i and the colon after it, and returns its entry in k, -1 where nobody wants it, and the place
// of the value. There is a byte there.
func (r *jsonReader) key(i int, k *keys) (entry, value int, bad *BadLine) {
	b := r.line
	switch {
	case i >= len(b):
		return 0, 0, badJSONEnd
	case b[i] != '"':
		return 0, 0, badJSONKey
	}
	start := i + 1
	end, escaped, bad := stringEnd(b, start)
	if bad != nil {
		return 0, 0, bad
	}
	entry = -1
	if escaped {
		entry = r.findEscaped(k, b[start:end])
	} else if k.maybe[sketch(end-start, b[start])] {
		entry = k.find(b[start:end])
	}
	value, bad = afterColon(b, end+1)
	return entry, value, bad
}

// findEscaped is find for a key that is written with escapes.
func (r *jsonReader) findEscaped(k *keys, raw []byte) int {
	start := len(r.buf)
	e := k.find(r.unescape(raw))
	r.buf = r.buf[:start]
	return e
}

// wanted reads the value at i of a key in demand, and returns the place after it.
func (r *jsonReader) wanted(i int, e *keyEntry, out []Value, depth int) (int, *BadLine) {
	b := r.line
	for _, v := range e.clears {
		r.paths[v] = Value{}
	}
	if b[i] == '"' {
		end, escaped, bad := stringEnd(b, i+1)
		if bad != nil {
			return 0, bad
		}
		if e.value >= 0 {
			raw := b[i+1 : end]
			if escaped {
				raw = r.unescape(raw)
			} else {
				raw = r.text(raw)
			}
			out[e.value] = Value{Kind: Text, Text: raw}
		}
		return end + 1, nil
	}
	var end int
	var bad *BadLine
	if b[i] == '{' && e.below != nil {
		r.nested = true
		end, bad = r.object(i+1, e.below, r.paths, depth+1)
	} else {
		end, bad = r.skip(i, depth)
	}
	if bad != nil {
		return 0, bad
	}
	if e.value >= 0 {
		out[e.value] = r.literal(b[i:end])
	}
	return end, nil
}

// literal makes a value of anything but a string, as written.
func (r *jsonReader) literal(raw []byte) Value {
	switch raw[0] {
	case 'n':
		return Value{Kind: Null}
	case 't', 'f':
		return Value{Kind: Bool, Text: raw}
	case '{', '[':
		return Value{Kind: Composite, Text: r.text(raw)}
	}
	return Value{Kind: Number, Text: raw}
}
