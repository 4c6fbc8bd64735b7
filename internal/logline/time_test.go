package logline

import (
	"errors"
	"math"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestTimeParser(t *testing.T) {
	t.Parallel()
	const goMillis = "2006-01-02 15:04:05.000"
	for _, c := range []struct {
		layout, text string
		want         string // as Append prints it, "" for err
		err          error
	}{
		{"", "2018-03-24T17:15:23.533701Z", "2018-03-24T17:15:23.533701Z", nil},
		{"rfc3339", "2018-03-24T17:15:23Z", "2018-03-24T17:15:23Z", nil},
		{"", "2018-03-24t17:15:23z", "2018-03-24T17:15:23Z", nil},
		{"", "2018-03-24 17:15:23.5+00:00", "2018-03-24T17:15:23.5Z", nil},
		{"", "2018-03-24T00:15:23.000-07:30", "2018-03-24T07:45:23.000Z", nil},
		{"", "2018-01-01T00:15:23+23:59", "2017-12-31T00:16:23Z", nil},
		{"", "2018-03-24T17:15:23.1234567899999999Z", "2018-03-24T17:15:23.123456789Z", nil},
		{"", "2018-03-24T17:15:23.000000000000Z", "2018-03-24T17:15:23.000000000Z", nil},
		{"", "2016-02-29T00:00:00Z", "2016-02-29T00:00:00Z", nil},
		{"", "2000-02-29T00:00:00Z", "2000-02-29T00:00:00Z", nil},
		{"", "1900-02-28T23:59:59Z", "1900-02-28T23:59:59Z", nil},
		{"", "1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z", nil},
		{"", "1677-09-21T00:12:43.145224192Z", "1677-09-21T00:12:43.145224192Z", nil},
		{"", "2262-04-11T23:47:16.854775807Z", "2262-04-11T23:47:16.854775807Z", nil},
		{"", "2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z", nil},
		{"", "2017-01-01T05:29:60.250+05:30", "2016-12-31T23:59:59.999Z", nil},
		{"", "1677-09-21T00:12:43.145224191Z", "", ErrTimeRange},
		{"", "2262-04-11T23:47:16.854775808Z", "", ErrTimeRange},
		{"", "0001-01-01T00:00:00Z", "", ErrTimeRange},
		{"", "0000-01-01T00:00:00Z", "", ErrTimeRange},
		{"", "9999-12-31T23:59:59Z", "", ErrTimeRange},
		{"", "2016-12-31T23:59:61Z", "", ErrBadTime},
		{"", "2016-12-31T22:59:60Z", "", ErrBadTime},
		{"", "2016-12-31T23:59:60+01:00", "", ErrBadTime},
		{"", "2018-03-24T17:15:23", "", ErrBadTime},
		{"", "2018-03-24", "", ErrBadTime},
		{"", "", "", ErrBadTime},
		{"", "2018-02-29T00:00:00Z", "", ErrBadTime},
		{"", "1900-02-29T00:00:00Z", "", ErrBadTime},
		{"", "2018-04-31T00:00:00Z", "", ErrBadTime},
		{"", "2018-00-10T00:00:00Z", "", ErrBadTime},
		{"", "2018-13-10T00:00:00Z", "", ErrBadTime},
		{"", "2018-01-00T00:00:00Z", "", ErrBadTime},
		{"", "2018-01-32T00:00:00Z", "", ErrBadTime},
		{"", "2018-03-24T24:00:00Z", "", ErrBadTime},
		{"", "2018-03-24T17:60:00Z", "", ErrBadTime},
		{"", "2018-03-24T17:15:23.Z", "", ErrBadTime},
		{"", "2018-03-24T17:15:23,5Z", "", ErrBadTime},
		{"", "2018-03-24T17:15:23+24:00", "", ErrBadTime},
		{"", "2018-03-24T17:15:23+00:60", "", ErrBadTime},
		{"", "2018-03-24T17:15:23+0000", "", ErrBadTime},
		{"", "2018-03-24T17:15:23Zx", "", ErrBadTime},
		{"", "2018-03-24T17:15:23Z ", "", ErrBadTime},
		{"", "2018-3-24T17:15:23.00Z", "", ErrBadTime},
		{"", "2018-03-24_17:15:23Z", "", ErrBadTime},
		{"", "x018-03-24T17:15:23Z", "", ErrBadTime},
		{"", "1521911723.533701", "", ErrBadTime},

		{"unix", "1521911723.533701", "2018-03-24T17:15:23.533701Z", nil},
		{"unix", "1521911723", "2018-03-24T17:15:23Z", nil},
		{"unix", "1521911723.5337010001", "2018-03-24T17:15:23.533701000Z", nil},
		{"unix", "0", "1970-01-01T00:00:00Z", nil},
		{"unix", "-0.0", "1970-01-01T00:00:00.0Z", nil},
		{"unix", "-1.5", "1969-12-31T23:59:58.5Z", nil},
		{"unix", "-0.0000000009", "1970-01-01T00:00:00.000000000Z", nil},
		{"unix", "00001", "1970-01-01T00:00:01Z", nil},
		{"unix", "1.521911723533701e9", "2018-03-24T17:15:23.533701Z", nil},
		{"unix", "1.5E+2", "1970-01-01T00:02:30Z", nil},
		{"unix", "15e-1", "1970-01-01T00:00:01.5Z", nil},
		{"unix", "1e-400", "1970-01-01T00:00:00.000000000Z", nil},
		{"unix", "0e99999999999999999999", "1970-01-01T00:00:00Z", nil},
		{"unix", "9223372036.854775807", "2262-04-11T23:47:16.854775807Z", nil},
		{"unix", "-9223372036.854775808", "1677-09-21T00:12:43.145224192Z", nil},
		{"unix", "9223372036.854775808", "", ErrTimeRange},
		{"unix", "-9223372036.854775809", "", ErrTimeRange},
		{"unix", "1e10", "", ErrTimeRange},
		{"unix", "1e99999999999999999999", "", ErrTimeRange},
		{"unix", "99999999999999999999999999", "", ErrTimeRange},
		{"unix", "", "", ErrBadTime},
		{"unix", "-", "", ErrBadTime},
		{"unix", "+1", "", ErrBadTime},
		{"unix", ".5", "", ErrBadTime},
		{"unix", "1.", "", ErrBadTime},
		{"unix", "1.e5", "", ErrBadTime},
		{"unix", "1e", "", ErrBadTime},
		{"unix", "1e+", "", ErrBadTime},
		{"unix", "1e5x", "", ErrBadTime},
		{"unix", " 1", "", ErrBadTime},
		{"unix", "1 ", "", ErrBadTime},
		{"unix", "0x10", "", ErrBadTime},
		{"unix", "NaN", "", ErrBadTime},
		{"unix", "2018-03-24T17:15:23Z", "", ErrBadTime},

		{"unix_ms", "1521911723533", "2018-03-24T17:15:23.533Z", nil},
		{"unix_ms", "1521911723533.701", "2018-03-24T17:15:23.533701Z", nil},
		{"unix_ms", "1521911723533.7012345678", "2018-03-24T17:15:23.533701234Z", nil},
		{"unix_ms", "-1", "1969-12-31T23:59:59.999Z", nil},
		{"unix_ms", "5", "1970-01-01T00:00:00.005Z", nil},
		{"unix_ms", "1.521911723533e12", "2018-03-24T17:15:23.533Z", nil},
		{"unix_ms", "15219117235e2", "2018-03-24T17:15:23.5Z", nil},
		{"unix_ms", "9223372036854.775807", "2262-04-11T23:47:16.854775807Z", nil},
		{"unix_ms", "9223372036854.775808", "", ErrTimeRange},

		{layoutCLF, "10/Oct/2000:13:55:36 -0700", "2000-10-10T20:55:36Z", nil},
		{layoutCLF, "29/Feb/2016:23:59:59 +0530", "2016-02-29T18:29:59Z", nil},
		{layoutCLF, "31/Dec/2016:23:59:60 +0000", "2016-12-31T23:59:59Z", nil},
		{layoutCLF, "10/oct/2000:13:55:36 -0700", "", ErrBadTime},
		{layoutCLF, "31/Sep/2000:13:55:36 -0700", "", ErrBadTime},
		{layoutCLF, "10/Oct/2000:13:55:36 -07:00", "", ErrBadTime},
		{layoutCLF, "10/Oct/2000:13:55:36", "", ErrBadTime},
		{layoutCLF, "10/Oct/2000:13:55:36 Z0700", "", ErrBadTime},
		{layoutCLF, "x0/Oct/2000:13:55:36 -0700", "", ErrBadTime},

		{goMillis, "2018-03-24 17:15:23.533", "2018-03-24T17:15:23.533Z", nil},
		{goMillis, "2018-03-24 17:15:23.000", "2018-03-24T17:15:23.000Z", nil},
		{goMillis, "2018-03-24 17:15:23", "", ErrBadTime},
		{"2006-01-02 15:04:05,999", "2018-03-24 17:15:23,5337", "2018-03-24T17:15:23.5337Z", nil},
		{"2006-01-02 15:04:05.999", "2018-03-24 17:15:23", "2018-03-24T17:15:23Z", nil},
		{"2006-01-02 15:04:05.999", "2018-03-24 17:15:23.00", "2018-03-24T17:15:23.00Z", nil},
		{"2006-01-02 15:04:05", "2018-03-24 17:15:23.120", "2018-03-24T17:15:23.120Z", nil},
		{"02.01.2006 15.04.05", "24.03.2018 17.00.00", "2018-03-24T17:00:00Z", nil},
		{"02.01.2006 15:04:05.000000", "24.03.2018 17:00:00.000000", "2018-03-24T17:00:00.000000Z", nil},
		{"02.01.2006 15:04:05.9", "24.03.2018 17:00:00.25", "2018-03-24T17:00:00.25Z", nil},
		{time.RFC1123Z, "Sat, 24 Mar 2018 17:15:23 +0100", "2018-03-24T16:15:23Z", nil},
		{time.RFC1123, "Sat, 24 Mar 2018 17:15:23 GMT", "2018-03-24T17:15:23Z", nil},
		{time.RFC1123, "Sat, 24 Mar 2018 17:15:23 CET", "", ErrBadTime},
		{time.ANSIC, "Sat Mar 24 17:15:23 2018", "2018-03-24T17:15:23Z", nil},
		{"2006-01-02 03:04:05 PM", "2018-03-24 05:15:23 PM", "2018-03-24T17:15:23Z", nil},
		{"2006-01-02T15:04", "9999-03-24T17:15", "", ErrTimeRange},
	} {
		t.Run(c.layout+"/"+c.text, func(t *testing.T) {
			t.Parallel()
			p, err := NewTimeParser(c.layout)
			if err != nil {
				t.Fatal(err)
			}
			for _, kind := range []Kind{Text, Number} {
				got, err := p.Parse(Value{Kind: kind, Text: []byte(c.text)})
				if !errors.Is(err, c.err) {
					t.Fatalf("error %v, want %v", err, c.err)
				}
				if err == nil && got.String() != c.want {
					t.Errorf("got %s, want %s", got, c.want)
				}
			}
		})
	}
}

func TestTimeParserKinds(t *testing.T) {
	t.Parallel()
	p, err := NewTimeParser("unix")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []Value{{}, {Kind: Null}, {Kind: Bool, Text: []byte("true")}, {Kind: Composite, Text: []byte("[1]")}} {
		if _, err := p.Parse(v); !errors.Is(err, ErrNoTime) {
			t.Errorf("kind %d: %v", v.Kind, err)
		}
	}
}

func TestNewTimeParserRefuses(t *testing.T) {
	t.Parallel()
	for layout, want := range map[string]string{
		"RFC3339":             "has no year",
		"iso8601":             "",
		"yyyy-MM-dd HH:mm:ss": "has no year",
		"%Y-%m-%d":            "has no year",
		"Jan _2 15:04:05":     "has no year",
		"2006-01-02":          "has no hour",
		"2006 15:04:05":       "has no month",
		"2006-01 15:04":       "has no month",
		"15:04:05":            "has no year",
		"2006-01-02 15":       "has no minute",
		"2006-01-02 03:04:05": "has no hour",
		" ":                   "has no year",
	} {
		_, err := NewTimeParser(layout)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "layout: "+strconv.Quote(layout)) {
			t.Errorf("%q: got %v, want %s", layout, err, want)
		}
	}
}

func TestDefaultTimestamp(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"json", "logfmt", "tsv", "csv", "regex", "combined"} {
		field, layout := DefaultTimestamp(format)
		if (field != "") != (format == "combined") {
			t.Errorf("%s: field %q", format, field)
		}
		if _, err := NewTimeParser(layout); err != nil {
			t.Errorf("%s: %v", format, err)
		}
	}
}

// Append and the calendar are held against package time over the whole range.
func TestTimeAppend(t *testing.T) {
	t.Parallel()
	layouts := [...]string{
		"2006-01-02T15:04:05Z", "2006-01-02T15:04:05.0Z", "2006-01-02T15:04:05.00Z", "2006-01-02T15:04:05.000Z",
		"2006-01-02T15:04:05.0000Z", "2006-01-02T15:04:05.00000Z", "2006-01-02T15:04:05.000000Z",
		"2006-01-02T15:04:05.0000000Z", "2006-01-02T15:04:05.00000000Z", "2006-01-02T15:04:05.000000000Z",
	}
	check := func(nanos int64, step int) {
		for digits := 0; digits < len(layouts); digits += step {
			layout := layouts[digits]
			got := Time{Nanos: nanos, Digits: uint8(digits)}.String()
			if want := time.Unix(0, nanos).UTC().Format(layout); got != want {
				t.Fatalf("%d with %d digits: %s, want %s", nanos, digits, got, want)
			}
		}
		text := Time{Nanos: nanos, Digits: 9}.String()
		if got, err := parseRFC3339([]byte(text)); err != nil || got.Nanos != nanos || got.Digits != 9 {
			t.Fatalf("%s: %d, %v; want %d", text, got.Nanos, err, nanos)
		}
	}
	for _, nanos := range []int64{0, 1, -1, math.MinInt64, math.MaxInt64, math.MinInt64 + 1, -nanosPerSecond, nanosPerSecond - 1} {
		check(nanos, 1)
	}
	// A step of a little more than a day meets nearly every date of the range at changing times.
	const step = 25 * 3600 * nanosPerSecond
	for nanos := int64(math.MinInt64); nanos < math.MaxInt64-step; nanos += step + 987_654_321 {
		check(nanos, 9)
	}
	if got := (Time{Digits: 200}).String(); got != "1970-01-01T00:00:00.000000000Z" {
		t.Errorf("too many digits: %s", got)
	}
}

// checkDecimal holds parseDecimal against exact arithmetic.
func checkDecimal(t *testing.T, text string, shift int) {
	t.Helper()
	got, err := parseDecimal([]byte(text), shift)
	_, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	if n, convErr := strconv.Atoi(exponent); exponent != "" && (convErr != nil || n > 400 || n < -400) {
		return // more than big.Rat should be asked to write out
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok || errors.Is(err, ErrBadTime) {
		if err == nil {
			t.Fatalf("%q is accepted", text)
		}
		return
	}
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(maxDigits-shift)), nil)
	r.Mul(r, new(big.Rat).SetInt(scale))
	want := new(big.Int).Quo(r.Num(), r.Denom())
	if want.IsInt64() != (err == nil) {
		t.Fatalf("%q: %v, want %s ns", text, err, want)
	}
	if err == nil && got.Nanos != want.Int64() {
		t.Fatalf("%q: %d ns, want %s", text, got.Nanos, want)
	}
}
