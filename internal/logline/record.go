package logline

import (
	"math"
	"strconv"
	"time"
	"unsafe"
)

// Record takes the fields of one line from a [LineParser]. Fields that no statistic asks for are dropped at once, so a
// parser sets whatever it finds. Of repeated fields the last one counts; one that is not set is missing. What is handed
// over is copied: a parser may reuse its buffers. A Record is valid until Parse returns.
type Record struct {
	scratch
	names  keys
	values []Value // of the call of read
	// declared says that names has all fields there are; undeclared, that another one was set in this line.
	declared, undeclared bool
	all                  map[string]Value // nil but for ParseLine, which wants every field
}

// newRecord is for the wanted fields of a consumer that may set the declared ones; nil: any.
func newRecord(declared []string, wanted []want) Record {
	r := Record{declared: declared != nil}
	for _, name := range declared {
		r.names.add(name)
	}
	for _, w := range wanted {
		r.names.add(w.name).value = w.value
	}
	r.names.index()
	return r
}

// begin prepares for the next line.
func (r *Record) begin(values []Value) {
	r.reset()
	r.values, r.undeclared = values, false
}

// Text sets a field to a text. Bytes that are not UTF-8 become U+FFFD. A text that is a number, such as 12 or -0.5e3, is
// summed and compared like one.
func (r *Record) Text(name string, text []byte) {
	if slot := r.slot(name); slot != dropped {
		start := len(r.buf)
		r.buf = appendValid(r.buf, text)
		r.set(slot, name, Text, start)
	}
}

// String is Text for a string.
func (r *Record) String(name, text string) {
	r.Text(name, unsafe.Slice(unsafe.StringData(text), len(text))) // it is copied, and never written to
}

// Int sets a field to an integer.
func (r *Record) Int(name string, n int64) {
	if slot := r.slot(name); slot != dropped {
		start := len(r.buf)
		r.buf = strconv.AppendInt(r.buf, n, 10)
		r.set(slot, name, Number, start)
	}
}

// Float sets a field to a number, or to null where it is infinite or no number.
func (r *Record) Float(name string, f float64) {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		r.Null(name)
		return
	}
	if slot := r.slot(name); slot != dropped {
		format := byte('f')
		if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) { // as JSON has it
			format = 'e'
		}
		start := len(r.buf)
		r.buf = strconv.AppendFloat(r.buf, f, format, -1, 64)
		r.set(slot, name, Number, start)
	}
}

// Bool sets a field to true or false, which are summed as 1 and 0.
func (r *Record) Bool(name string, b bool) {
	if slot := r.slot(name); slot != dropped {
		start := len(r.buf)
		r.buf = strconv.AppendBool(r.buf, b)
		r.set(slot, name, Bool, start)
	}
}

// Time sets a field to an instant, as RFC 3339 in UTC with as many digits of the fraction as it needs: what the
// configuration's layout rfc3339, the default, reads.
func (r *Record) Time(name string, t time.Time) {
	if slot := r.slot(name); slot != dropped {
		start := len(r.buf)
		r.buf = t.UTC().AppendFormat(r.buf, time.RFC3339Nano)
		r.set(slot, name, Text, start)
	}
}

// Null says that the line has a field without a value.
func (r *Record) Null(name string) {
	if slot := r.slot(name); slot != dropped {
		r.set(slot, name, Null, len(r.buf))
	}
}

// What slot says of a field that has no value of its own.
const (
	dropped = -1 // nobody asks for it
	kept    = -2 // it goes to all
)

// slot is the index of a field's value.
func (r *Record) slot(name string) int {
	i := r.names.find(unsafe.Slice(unsafe.StringData(name), len(name)))
	if i < 0 && r.declared {
		r.undeclared = true
	}
	switch {
	case r.all != nil:
		return kept
	case i < 0:
		return dropped
	}
	return r.names.entries[i].value // -1 where it is declared and nobody asks for it
}

// set gives a field what was appended from start on.
func (r *Record) set(slot int, name string, kind Kind, start int) {
	v := Value{Kind: kind}
	if kind != Null {
		v.Text = r.since(start)
	}
	if slot == kept {
		r.all[name] = v
		return
	}
	r.values[slot] = v
}
