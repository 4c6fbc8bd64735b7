package logline

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// lineCase is one line and what must come of it: the values as show prints them, or why there are none.
type lineCase struct {
	name   string
	line   string
	number int64 // 0 is turned into 1; -1 stands for line 0
	want   string
	bad    error
}

// show prints values so that kinds are told apart: text quoted by ”, null and missing by name, the rest as written.
func show(values []Value) string {
	parts := make([]string, len(values))
	for i, v := range values {
		switch v.Kind {
		case Missing:
			parts[i] = "missing"
		case Null:
			parts[i] = "null"
		case Text:
			parts[i] = "'" + string(v.Text) + "'"
		case Number:
			parts[i] = "number " + string(v.Text)
		case Bool:
			parts[i] = "bool " + string(v.Text)
		case Composite:
			parts[i] = "composite " + string(v.Text)
		}
	}
	return strings.Join(parts, " | ")
}

func runLines(t *testing.T, f Format, fields []string, cases []lineCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, err := NewParser(f, fields)
			if err != nil {
				t.Fatal(err)
			}
			none, err := NewParser(f, nil)
			if err != nil {
				t.Fatal(err)
			}
			number := c.number
			switch number {
			case 0:
				number = 1
			case -1:
				number = 0
			}
			values := make([]Value, len(fields))
			// Twice: what the first time leaves in the buffers must not show.
			for range 2 {
				err = p.Parse(number, []byte(c.line), values)
				if !errors.Is(err, c.bad) {
					t.Fatalf("%q: error %v, want %v", c.line, err, c.bad)
				}
				if err == nil && show(values) != c.want {
					t.Fatalf("%q:\n got %s\nwant %s", c.line, show(values), c.want)
				}
			}
			if again := none.Parse(number, []byte(c.line), nil); !errors.Is(again, c.bad) {
				t.Fatalf("%q: error %v without fields, %v with them", c.line, again, c.bad)
			}
		})
	}
}

// checkParse runs what must hold for every line of every format, and returns the values.
func checkParse(t *testing.T, f Format, fields []string, number int64, line []byte) ([]Value, error) {
	t.Helper()
	p, err := NewParser(f, fields)
	if err != nil {
		t.Fatal(err)
	}
	none, err := NewParser(f, nil)
	if err != nil {
		t.Fatal(err)
	}
	values := make([]Value, len(fields))
	before := slices.Clone(line)
	err = p.Parse(number, line, values)
	if !bytes.Equal(before, line) {
		t.Fatalf("%q was written to: %q", before, line)
	}
	if again := none.Parse(number, line, nil); !errors.Is(again, err) {
		t.Fatalf("%q: %v with fields, %v without", line, err, again)
	}
	if err != nil {
		if bad := (*BadLine)(nil); !errors.Is(err, ErrBlank) && !errors.As(err, &bad) {
			t.Fatalf("%q: error %v of type %T", line, err, err)
		}
		return nil, err
	}
	for i, v := range values {
		switch {
		case v.Kind > Composite:
			t.Fatalf("%q: %s is of kind %d", line, fields[i], v.Kind)
		case !v.Present() && v.Text != nil:
			t.Fatalf("%q: %s is not present but has text %q", line, fields[i], v.Text)
		case !utf8.Valid(v.Text):
			t.Fatalf("%q: %s is not UTF-8: %q", line, fields[i], v.Text)
		}
	}
	first := show(values)
	if err := p.Parse(number, line, values); err != nil || show(values) != first {
		t.Fatalf("%q: %s, then %s (%v)", line, first, show(values), err)
	}
	return values, nil
}

func TestParserLines(t *testing.T) {
	t.Parallel()
	f := Format{Name: "csv", Columns: []string{"a", "b"}, Header: true, Comment: "#"}
	runLines(t, f, []string{"b", "a", "b"}, []lineCase{
		{name: "same field twice", line: "1,2", want: "'2' | '1' | '2'"},
		{name: "carriage return", line: "1,2\r", want: "'2' | '1' | '2'"},
		{name: "two carriage returns", line: "1,2\r\r", want: "'2\r' | '1' | '2\r'"},
		{name: "empty", line: "", bad: ErrBlank},
		{name: "white space", line: " \t\v\f\r", bad: ErrBlank},
		{name: "comment", line: "#fields a,b,c", bad: ErrBlank},
		{name: "header", line: "a,b", number: -1, bad: ErrBlank},
		{name: "malformed header", line: `"a`, number: -1, bad: ErrBlank},
		{name: "no header later", line: "a,b", number: 7, want: "'b' | 'a' | 'b'"},
		{name: "mark later", line: "\xef\xbb\xbf1,2", want: "'2' | '\ufeff1' | '2'"},
	})
	f = Format{Name: "csv", Columns: []string{"a", "b"}, Comment: "#"}
	runLines(t, f, []string{"a"}, []lineCase{
		{name: "mark", line: "\xef\xbb\xbf1,2", number: -1, want: "'1'"},
		{name: "mark alone", line: "\xef\xbb\xbf\r", number: -1, bad: ErrBlank},
		{name: "mark and comment", line: "\xef\xbb\xbf#", number: -1, bad: ErrBlank},
		{name: "mark and quote", line: "\xef\xbb\xbf\"1\",2", number: -1, want: "'1'"},
		{name: "half a mark", line: "\xef\xbb1,2", number: -1, want: "'\ufffd\ufffd1'"},
	})
}

func TestParserPanicsOnWrongLength(t *testing.T) {
	t.Parallel()
	p, err := NewParser(Format{Name: "json"}, []string{"a"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	_ = p.Parse(0, []byte("{}"), nil)
}

func TestNewParserRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		format Format
		field  string
		want   string
	}{
		{"column", Format{Name: "csv", Columns: []string{"a", "b"}}, "c", `field "c": format csv does not have it; there are a, b`},
		{"tsv column", Format{Name: "tsv", Columns: []string{"a", "b"}}, "A", `field "A": format tsv does not have it; there are a, b`},
		{"group", Format{Name: "regex", Pattern: `(?P<a>x)(y)(?P<b>z)`}, "c", `field "c": format regex does not have it; there are a, b`},
		{"combined", Format{Name: "combined"}, "ip", `field "ip": format combined does not have it; there are remote_addr, user, time, method, path, status, bytes, referer, user_agent`},
		{"no name", Format{Name: "json"}, "", `field: number 1 has no name`},
		{"no UTF-8", Format{Name: "json"}, "a\xff", `field "a\xff": not UTF-8, no line can have it`},
		{"format", Format{Name: "xml"}, "a", `format: "xml" is not known; use one of json, logfmt, tsv, csv, regex, combined, go`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := NewParser(c.format, []string{c.field})
			if err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		format Format
		want   string // a part of the error, "" for none
	}{
		{"json", Format{Name: "json"}, ""},
		{"logfmt", Format{Name: "logfmt"}, ""},
		{"combined", Format{Name: "combined"}, ""},
		{"tsv", Format{Name: "tsv", Columns: []string{"a"}, Comment: "#", Header: true}, ""},
		{"csv", Format{Name: "csv", Columns: []string{"a", "b"}}, ""},
		{"regex", Format{Name: "regex", Pattern: `(?<a>.)`}, ""},
		{"no name", Format{}, "format: missing; set it to one of json,"},
		{"other name", Format{Name: "JSON"}, `format: "JSON" is not known; use one of json,`},
		{"no columns", Format{Name: "tsv"}, "columns: missing; format tsv needs"},
		{"unnamed column", Format{Name: "csv", Columns: []string{"a", ""}}, "columns: number 2 has no name"},
		{"repeated column", Format{Name: "csv", Columns: []string{"a", "b", "a"}}, `columns: "a" is both number 1 and number 3`},
		{"column not UTF-8", Format{Name: "csv", Columns: []string{"\xff"}}, "not UTF-8"},
		{"foreign columns", Format{Name: "json", Columns: []string{"a"}}, "columns: only for tsv and csv; remove it from format json"},
		{"foreign header", Format{Name: "regex", Pattern: `(?P<a>.)`, Header: true}, "header: only for tsv and csv"},
		{"foreign comment", Format{Name: "combined", Comment: "#"}, "comment: only for tsv and csv"},
		{"foreign pattern", Format{Name: "csv", Columns: []string{"a"}, Pattern: "x"}, "pattern: only for regex; remove it from format csv"},
		{"no pattern", Format{Name: "regex"}, "pattern: missing"},
		{"bad pattern", Format{Name: "regex", Pattern: "(?P<a>"}, "pattern: error parsing regexp"},
		{"pattern that breaks out", Format{Name: "regex", Pattern: "(?P<a>x)|y)|(z"}, "pattern: error parsing regexp"},
		{"no groups", Format{Name: "regex", Pattern: "a(b)"}, "pattern: no named group"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := c.format.Validate()
			switch {
			case c.want == "" && err != nil:
				t.Errorf("got %v", err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// Counting allocations needs the process for itself, so this test alone does not run beside others.
func TestParseDoesNotAllocate(t *testing.T) {
	for _, c := range []struct {
		format Format
		fields []string
		line   string
	}{
		{Format{Name: "json"}, []string{"a", "id.orig_h", "b.c"},
			`{"a":"x \"y\" \u00e9","id":{"orig_h":"h"},"n":[1,2,{"x":[]}],"b":{"c":"` + "\xff" + `"},"\u0061":1}`},
		{Format{Name: "logfmt"}, []string{"a", "b"}, "a=1 b=\"\\\"\xff\" c"},
		{Format{Name: "tsv", Columns: []string{"a", "b"}}, []string{"b", "a"}, "1\t\xff"},
		{Format{Name: "csv", Columns: []string{"a", "b"}}, []string{"b", "a"}, `"""",` + "\xff"},
		{Format{Name: "combined"}, combinedFields(), `h - - [t] "GET /\x41 HTTP/1.1" 200 1 "-" "\""`},
	} {
		p, err := NewParser(c.format, c.fields)
		if err != nil {
			t.Fatal(err)
		}
		good, bad := []byte(c.line), []byte("\"")
		values := make([]Value, len(c.fields))
		allocs := testing.AllocsPerRun(100, func() {
			if err := p.Parse(1, good, values); err != nil {
				t.Fatal(err)
			}
			if err := p.Parse(1, bad, values); err == nil {
				t.Fatalf("%q is accepted", bad)
			}
		})
		if allocs != 0 {
			t.Errorf("%s: %g allocations for two lines", c.format.Name, allocs)
		}
	}
}
