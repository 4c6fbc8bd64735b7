package logline

// TimeReader is a TimeParser that is quicker for timestamps like the one before: lines of a log lie in the same minute
// mostly, and then only the seconds are read. It belongs to one goroutine; it gives what the TimeParser gives.
type TimeReader struct {
	parser *TimeParser

	// What the last text began with, up to its seconds, what followed the fraction, and the start of that minute in
	// nanoseconds. known is false where there is none.
	known  bool
	date   [16]byte // 2018-03-24T17:15, or 10/Oct/2000:13:5
	units  byte     // the last digit of the minute of a CLF text
	zone   [6]byte  // " -0700" of a CLF text
	minute int64
}

// NewTimeReader compiles a layout, see [NewTimeParser].
func NewTimeReader(layout string) (*TimeReader, error) {
	p, err := NewTimeParser(layout)
	if err != nil {
		return nil, err
	}
	return &TimeReader{parser: p}, nil
}

// Parse is [TimeParser.Parse].
func (r *TimeReader) Parse(v Value) (Time, error) {
	if v.Kind == Text {
		switch r.parser.kind {
		case kindRFC3339:
			if t, ok := r.rfc3339(v.Text); ok {
				return t, nil
			}
		case kindCLF:
			if t, ok := r.clf(v.Text); ok {
				return t, nil
			}
		}
	}
	t, err := r.parser.Parse(v)
	if err == nil {
		r.remember(v.Text, t)
	}
	return t, err
}

// remember takes over the minute of a timestamp, unless the ends of the range may lie in it.
func (r *TimeReader) remember(b []byte, t Time) {
	kind := r.parser.kind
	if kind != kindCLF && (kind != kindRFC3339 || b[len(b)-1] != 'Z') || t.Nanos <= -1<<62 || t.Nanos >= 1<<62 {
		return
	}
	const minute = 60 * nanosPerSecond // offsets are whole minutes, too
	r.known, r.minute = true, t.Nanos-(t.Nanos%minute+minute)%minute
	copy(r.date[:], b)
	if r.parser.kind == kindCLF {
		r.units = b[16]
		copy(r.zone[:], b[20:])
	}
}

// rfc3339 reads a text of the minute before, in UTC, with up to eight digits of the fraction.
func (r *TimeReader) rfc3339(b []byte) (Time, bool) {
	last := len(b) - 1
	if !r.known || last < 19 || last > 28 || [16]byte(b) != r.date || b[16] != ':' || b[last] != 'Z' {
		return Time{}, false
	}
	second := two(b, 17)
	if second > 59 {
		return Time{}, false
	}
	t := Time{Nanos: r.minute + int64(second)*nanosPerSecond}
	if last == 19 {
		return t, true
	}
	n := last - 20
	if b[19] != '.' || n == 0 {
		return Time{}, false
	}
	// The eight bytes before the Z, those that are none of the fraction's taken for zeros.
	x := load(b, last-8)
	before := uint64(1)<<(64-8*n) - 1
	x = x&^before | ones*'0'&before
	if !eightAreDigits(x) {
		return Time{}, false
	}
	t.Nanos += int64(eightDigits(x)) * fractionUnits[n]
	t.Digits = uint8(n)
	return t, true
}

// fractionUnits are the nanoseconds of the last digit of a fraction of so many digits.
var fractionUnits = [9]int64{1e9, 1e8, 1e7, 1e6, 1e5, 1e4, 1e3, 100, 10}

// eightAreDigits reports whether all eight bytes are decimal digits.
func eightAreDigits(x uint64) bool { return ((x+ones*0x46)|(x-ones*'0'))&highs == 0 }

// eightDigits is the number that eight digits write, the first one in the lowest byte.
func eightDigits(x uint64) uint64 {
	x = (x & (ones * 0x0f)) * (1 + 10<<8) >> 8
	x = (x & 0x00ff00ff00ff00ff) * (1 + 100<<16) >> 16
	return (x & 0x0000ffff0000ffff) * (1 + 10000<<32) >> 32
}

// clf reads a text of the minute before with the same offset.
func (r *TimeReader) clf(b []byte) (Time, bool) {
	if !r.known || len(b) != 26 || [16]byte(b) != r.date || b[16] != r.units || b[17] != ':' || [6]byte(b[20:]) != r.zone {
		return Time{}, false
	}
	second := two(b, 18)
	return Time{Nanos: r.minute + int64(second)*nanosPerSecond}, second < 60
}
