package logline

// Time is an instant with the precision that it was written with.
type Time struct {
	// Nanos counts nanoseconds since the Unix epoch.
	Nanos int64
	// Digits is the number of digits of the fraction of a second as written, 0 to 9.
	Digits uint8
}

// Append appends the RFC 3339 form in UTC, with exactly Digits digits of the fraction.
func (t Time) Append(dst []byte) []byte { return dst }

// TimeParser reads timestamps of one layout.
type TimeParser struct{ layout string }

// NewTimeParser compiles a layout: "" or rfc3339, unix, unix_ms, or a Go layout.
func NewTimeParser(layout string) (*TimeParser, error) { return &TimeParser{layout: layout}, nil }

// Parse reads one timestamp.
func (t *TimeParser) Parse(v Value) (Time, error) { return Time{}, nil }

// DefaultTimestamp returns the timestamp field of a format, "" where there is none, and its layout.
func DefaultTimestamp(format string) (field, layout string) { return "", "rfc3339" }
