package logline

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// The layouts that have a name.
const (
	layoutRFC3339 = "rfc3339"
	layoutUnix    = "unix"
	layoutUnixMS  = "unix_ms"
	layoutCLF     = "02/Jan/2006:15:04:05 -0700"
)

// What can be wrong with a timestamp. As with [BadLine] the texts are static.
var (
	ErrNoTime    = errors.New("timestamp: the field is missing, null, or neither text nor number")
	ErrBadTime   = errors.New("timestamp: not in the configured layout")
	ErrTimeRange = errors.New("timestamp: outside of the years 1677 to 2262")
)

// TimeParser reads timestamps of one layout. It has no state: any number of goroutines may share one.
type TimeParser struct {
	layout string
	kind   timeKind
	// fixed is the number of digits of the fraction that a Go layout always has, -1 where the text decides.
	fixed int
	// dotted says that a dot or comma in the layout may stand before digits other than the fraction's.
	dotted bool
	// named says that the layout has a zone's abbreviation and no offset.
	named bool
}

type timeKind uint8

const (
	kindRFC3339 timeKind = iota
	kindSeconds
	kindMillis
	kindCLF
	kindGo
)

// DefaultTimestamp returns the field that is the timestamp of a format unless the configuration names another, ""
// where it has to, and its layout.
func DefaultTimestamp(format string) (field, layout string) {
	if format == formatCombined {
		return "time", layoutCLF
	}
	return "", layoutRFC3339
}

// NewTimeParser compiles a layout:
//
//   - "" or "rfc3339": 2018-03-24T17:15:23.533701Z with any number of digits in the fraction and any offset; t, z
//     and a space for T are accepted. The offset is required.
//   - "unix" and "unix_ms": seconds or milliseconds since the Unix epoch, as a decimal number that may have a sign,
//     a fraction and an exponent.
//   - a layout of Go's package time, "02/Jan/2006:15:04:05 -0700"; without a zone it is UTC. It must have year,
//     month, day, hour and minute, or it is refused here.
func NewTimeParser(layout string) (*TimeParser, error) {
	switch layout {
	case "", layoutRFC3339:
		return &TimeParser{layout: layoutRFC3339, kind: kindRFC3339}, nil
	case layoutUnix:
		return &TimeParser{layout: layout, kind: kindSeconds}, nil
	case layoutUnixMS:
		return &TimeParser{layout: layout, kind: kindMillis}, nil
	case layoutCLF:
		return &TimeParser{layout: layout, kind: kindCLF}, nil
	}
	if err := validateLayout(layout); err != nil {
		return nil, err
	}
	return newGoTimeParser(layout), nil
}

// validateLayout writes two instants down and reads them again: what the layout leaves out is not read back. The
// second one is in the afternoon, which tells a twelve-hour clock without AM and PM.
func validateLayout(layout string) error {
	for _, t := range []time.Time{
		time.Date(2021, time.November, 23, 10, 47, 38, 0, time.UTC),
		time.Date(1987, time.February, 5, 21, 13, 52, 0, time.UTC),
	} {
		got, err := time.ParseInLocation(layout, t.Format(layout), time.UTC)
		wrong := ""
		switch {
		case err != nil:
			wrong = "cannot be read back"
		case got.Year() != t.Year():
			wrong = "has no year (2006)"
		case got.Month() != t.Month() || got.Day() != t.Day():
			wrong = "has no month (01, Jan) or day (02)"
		case got.Hour() != t.Hour():
			wrong = "has no hour (15, or 03 with PM)"
		case got.Minute() != t.Minute():
			wrong = "has no minute (04)"
		}
		if wrong != "" {
			return fmt.Errorf("layout: %q %s; use rfc3339, unix, unix_ms, or a layout of Go's package time "+
				"such as %q", layout, wrong, "2006-01-02 15:04:05.000")
		}
	}
	return nil
}

// Parse reads one timestamp, given as text or as a number whatever the layout. The errors are [ErrNoTime],
// [ErrBadTime] and [ErrTimeRange] themselves.
//
// Digits beyond the ninth of a fraction are cut off. With rfc3339 the leap second 23:59:60 UTC becomes the last
// nanosecond before midnight, which keeps it in its day; any other second 60 is an error.
func (t *TimeParser) Parse(v Value) (Time, error) {
	if v.Kind != Text && v.Kind != Number {
		return Time{}, ErrNoTime
	}
	switch t.kind {
	case kindSeconds:
		return parseDecimal(v.Text, 0)
	case kindMillis:
		return parseDecimal(v.Text, 3)
	case kindCLF:
		return parseCLF(v.Text)
	case kindGo:
		return t.parseGo(v.Text)
	}
	return parseRFC3339(v.Text)
}

func newGoTimeParser(layout string) *TimeParser {
	t := &TimeParser{layout: layout, kind: kindGo, fixed: -1}
	t.named = strings.Contains(layout, "MST") && !strings.Contains(layout, "-07") && !strings.Contains(layout, "Z07")
	for i := 0; i+1 < len(layout); i++ {
		if layout[i] != '.' && layout[i] != ',' {
			continue
		}
		rest := layout[i+1:]
		run := len(rest) - len(strings.TrimLeft(rest, rest[:1]))
		ends := run == len(rest) || rest[run] < '0' || rest[run] > '9'
		switch {
		case rest[0] == '0' && ends:
			t.fixed = min(run, maxDigits)
		case rest[0] == '9' && ends:
		case rest[0] >= '0' && rest[0] <= '9' || rest[0] == '_':
			t.dotted = true
		}
	}
	return t
}

// parseGo reads a timestamp with the standard library.
func (t *TimeParser) parseGo(b []byte) (Time, error) {
	got, err := time.ParseInLocation(t.layout, string(b), time.UTC)
	if err != nil {
		return Time{}, ErrBadTime
	}
	if t.named {
		// The library takes an abbreviation that it does not know for UTC; better no time than a wrong one.
		if name, offset := got.Zone(); offset == 0 && name != "UTC" && name != "GMT" && name != "Z" {
			return Time{}, ErrBadTime
		}
	}
	parsed, err := makeTime(got.Unix(), int64(got.Nanosecond()))
	if err != nil {
		return Time{}, err
	}
	parsed.Digits = t.digits(b, int64(got.Nanosecond()))
	return parsed, nil
}

// digits finds out how many digits the fraction was written with: those after a dot or comma that spell nanos. A
// fraction of zeros is told from other digits after dots by the layout alone, so there it is taken for none if the
// layout has such.
func (t *TimeParser) digits(b []byte, nanos int64) uint8 {
	if t.fixed >= 0 {
		return uint8(t.fixed)
	}
	if nanos == 0 && t.dotted {
		return 0
	}
	for i := 1; i < len(b); i++ {
		if b[i-1] != '.' && b[i-1] != ',' {
			continue
		}
		end := min(digitsEnd(b, i), i+maxDigits)
		var n int64
		for k := range maxDigits {
			n *= 10
			if i+k < end {
				n += int64(b[i+k] - '0')
			}
		}
		if end > i && n == nanos {
			return uint8(end - i)
		}
	}
	return 0
}

// makeTime puts seconds and nanoseconds (0 to 999,999,999) since the epoch together.
func makeTime(seconds, nanos int64) (Time, error) {
	// 1677-09-21T00:12:43.145224192Z and 2262-04-11T23:47:16.854775807Z are the ends.
	const limit = 9_223_372_036
	switch {
	case seconds > limit || seconds == limit && nanos > 854_775_807,
		seconds < -limit-1 || seconds == -limit-1 && nanos < 145_224_192:
		return Time{}, ErrTimeRange
	case seconds < 0:
		// One second up and down again: the product alone may be just below the range.
		return Time{Nanos: (seconds+1)*nanosPerSecond + (nanos - nanosPerSecond)}, nil
	}
	return Time{Nanos: seconds*nanosPerSecond + nanos}, nil
}
