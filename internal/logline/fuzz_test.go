package logline

import (
	"bytes"
	"encoding/csv"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func FuzzJSON(f *testing.F) {
	for _, seed := range []string{
		`{}`, ` {"a":1} `, `{"a":"x","id.orig_h":"y"}`, `{"id":{"orig_h":1,"x":[{"y":{}}]}}`,
		`{"b":{"c":{"d":"\u00e9\ud83d\ude00\ud83d"}}}`, `{"b":1,"b.c":{"d":2},"b":{"c":null}}`,
		`{"a":-0.1e+5,"b":[true,false,null,"\\\"\/\b\f\n\r\t"]}`, `{"\u0061":{"b":"\x"}}`, "{\"a\":\"\xff\xc3\"}",
		`{"a":{"b":[[[{"c":[]}]]]},"a.b":0}`, `{"a":"unclosed`, `{"a":1}x`, `[1]`, `{"a":01}`, `{"key with space":"x"}`, "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(compareJSON)
}

func FuzzLogfmt(f *testing.F) {
	for _, seed := range []string{
		"a=1 b=2", `msg="x \"y\" \\" a`, `a="\u00e9\xff\U0001f600\ud83d\ude00"`, "a= b= =", "words", `a="x`, `a="x"y`, "\xff=\xff",
		`a=1 a="" a`, "a\x00b=1",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		_, _ = checkParse(t, Format{Name: "logfmt"}, []string{"a", "msg", "b.c"}, 1, line)
	})
}

// FuzzCSV holds the reader against encoding/csv, which is as strict.
func FuzzCSV(f *testing.F) {
	for _, seed := range []string{"1,2,3", `"1","a,b",""`, `"""",,"x""y"`, `"1`, `1"2,,`, `"1"x,,`, ",,", ",", "\xff,\"\xff\",", "a,b,c\r"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		values, err := checkParse(t, Format{Name: "csv", Columns: []string{"a", "b", "c"}}, []string{"a", "b", "c"}, 1, line)
		text := strings.TrimSuffix(string(line), "\r")
		if strings.ContainsAny(text, "\r\n") || errors.Is(err, ErrBlank) {
			return // encoding/csv treats these in its own way
		}
		r := csv.NewReader(strings.NewReader(text))
		r.FieldsPerRecord = 3
		record, wantErr := r.Read()
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%q: %v, encoding/csv says %v", line, err, wantErr)
		}
		for i := range values {
			if want := string(appendValid(nil, []byte(record[i]))); string(values[i].Text) != want {
				t.Fatalf("%q: cell %d is %q, want %q", line, i, values[i].Text, want)
			}
		}
	})
}

func FuzzTSV(f *testing.F) {
	for _, seed := range []string{"1\t2\t3", "-\t\t", "#x", "1\t2", "\xff\t\x00\t\r", "\xef\xbb\xbf1\t2\t3"} {
		f.Add([]byte(seed), int64(0))
		f.Add([]byte(seed), int64(1))
	}
	f.Fuzz(func(t *testing.T, line []byte, number int64) {
		values, err := checkParse(t, Format{Name: "tsv", Columns: []string{"a", "b", "c"}, Comment: "#"},
			[]string{"a", "b", "c"}, number, line)
		text := strings.TrimSuffix(string(line), "\r")
		if number == 0 {
			text = strings.TrimPrefix(text, "\ufeff")
		}
		cells := strings.Split(text, "\t")
		if errors.Is(err, ErrBlank) {
			if strings.Trim(text, " \t\r\n\v\f") != "" && !strings.HasPrefix(text, "#") {
				t.Fatalf("%q is no blank line", line)
			}
			return
		}
		if (err == nil) != (len(cells) == 3) {
			t.Fatalf("%q has %d cells: %v", line, len(cells), err)
		}
		for i := range values {
			want := string(appendValid(nil, []byte(cells[i])))
			if want == "-" {
				want = ""
			}
			if string(values[i].Text) != want || values[i].Present() != (want != "") {
				t.Fatalf("%q: cell %d is %q, want %q", line, i, values[i].Text, want)
			}
		}
	})
}

func FuzzCombined(f *testing.F) {
	for _, seed := range []string{
		`h - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.1" 200 12 "-" "ua"`, `h - u s [t] "-" - -`,
		`h - - [t] "GET /\"\x41\ HTTP/1.1" 200 1 "\q" "\\" "more" 1`, "h - - [t] \"\x16\xff\" 400 0", `h - - [t] "x\"`, "h - -[ [", "x",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		values, err := checkParse(t, Format{Name: "combined"}, combinedFields(), 1, line)
		if err == nil && values[method].Kind != values[path].Kind {
			t.Fatalf("%q: %s", line, show(values))
		}
	})
}

func FuzzRegex(f *testing.F) {
	for _, seed := range []string{"INFO [1] x", "INFO x", "", "x", "\xff [] y"} {
		f.Add(`(?P<a>\S+)(?: \[(?P<b>\d*)\])? (?P<c>.*)`, []byte(seed))
		f.Add(`(?P<a>x)|y\Qz`, []byte(seed))
		f.Add(`(?i)(?P<a>[a-f]+)(?s:.(?P<b>[[:alpha:]]))?(?m:^|$)(?U:(?P<c>x*))`, []byte(seed))
	}
	f.Fuzz(func(t *testing.T, pattern string, line []byte) {
		format := Format{Name: "regex", Pattern: pattern}
		if len(pattern) > 100 || format.Validate() != nil {
			return
		}
		re, err := compilePattern(pattern)
		if err != nil {
			t.Fatal(err)
		}
		var fields []string
		for _, name := range re.SubexpNames() {
			if name != "" {
				fields = append(fields, name)
			}
		}
		values, err := checkParse(t, format, fields, 1, line)
		// A line that matches as a whole is found by the pattern without anchors, and what that finds to be
		// all of the line matches as a whole.
		text := bytes.TrimSuffix(line, []byte("\r"))
		loose, err2 := regexp.Compile(pattern)
		if err2 != nil {
			t.Fatalf("%s is refused: %v", pattern, err2)
		}
		if err == nil && !loose.Match(text) {
			t.Fatalf("%s does not match %q anywhere", pattern, line)
		}
		if at := loose.FindIndex(text); at != nil && at[0] == 0 && at[1] == len(text) && errors.Is(err, badRegexMatch) {
			t.Fatalf("%s matches all of %q", pattern, line)
		}
		for i := range values {
			if v := values[i]; v.Kind != Missing && !bytes.Contains(appendValid(nil, text), v.Text) {
				t.Fatalf("%s on %q: %s is %q", pattern, line, fields[i], v.Text)
			}
		}
	})
}

// FuzzTime holds the layouts against package time and exact arithmetic.
func FuzzTime(f *testing.F) {
	for _, seed := range []string{
		"2018-03-24T17:15:23.533701Z", "2016-12-31T23:59:60Z", "2018-03-24 17:15:23-07:00", "1521911723.533701", "-1.5e-3",
		"10/Oct/2000:13:55:36 -0700", "9223372036.854775808", "1e99", "2018-03-24 17:15:23.000", "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		checkDecimal(t, string(text), 0)
		checkDecimal(t, string(text), 3)
		compareTime(t, string(text), "", normalRFC3339(text), "2006-01-02T15:04:05.999999999Z07:00")
		compareTime(t, string(text), layoutCLF, string(text), layoutCLF)
		sameTimes(t, "", "2018-03-24T17:15:23.5Z", string(text), "2018-03-24T17:15:23.5Z", string(text))
		sameTimes(t, layoutCLF, "10/Oct/2000:13:55:36 -0700", string(text), "10/Oct/2000:13:55:36 -0700", string(text))
		p, err := NewTimeParser("2006-01-02 15:04:05.999")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := p.Parse(Value{Kind: Text, Text: text}); err == nil && got.Digits > maxDigits {
			t.Fatalf("%q: %d digits", text, got.Digits)
		}
	})
}

// normalRFC3339 turns what is accepted beyond package time into what that accepts.
func normalRFC3339(text []byte) string {
	b := []byte(strings.ToUpper(string(text)))
	if len(b) > 10 && b[10] == ' ' {
		b[10] = 'T'
	}
	return string(b)
}

// compareTime parses text with our layout and normal with package time. It leaves out what differs on purpose: leap
// seconds, and where package time is looser.
func compareTime(t *testing.T, text, layout, normal, goLayout string) {
	t.Helper()
	p, err := NewTimeParser(layout)
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.Parse(Value{Kind: Text, Text: []byte(text)})
	if strings.Contains(text, ":60") || !utf8.ValidString(text) {
		return
	}
	want, wantErr := time.Parse(goLayout, normal)
	switch {
	case err == nil && wantErr != nil:
		t.Fatalf("%q is accepted, package time says %v", text, wantErr)
	case err == nil && !time.Unix(0, got.Nanos).Equal(want):
		t.Fatalf("%q: %s, want %s", text, got, want)
	case err != nil && wantErr == nil && layout == "":
		inRange := want.Year() > 1677 && want.Year() < 2262
		again := want.Format("2006-01-02T15:04:05")
		if inRange && strings.HasPrefix(normal, again) && !strings.Contains(normal, ",") && !strings.Contains(normal, "24:") {
			t.Fatalf("%q is refused with %v, package time says %s", text, err, want)
		}
	}
}
