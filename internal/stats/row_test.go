package stats_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-56345083/reprise/internal/stats"
)

func raw(s string) json.RawMessage { return json.RawMessage(s) }

// TestMeasures pins what a few lines measure, as CSV prints it.
func TestMeasures(t *testing.T) {
	t.Parallel()
	tests := []struct {
		fn     string
		values []string // of the field n, one a line; "" leaves it out
		want   string
	}{
		{"count", []string{"1", "", "null"}, "3"},
		{"count(n)", []string{"1", "", "null", `""`, `[]`}, "3"},
		{"sum(n)", nil, ""},
		{"sum(n)", []string{"", "null", `"word"`, `{}`}, ""},
		{"sum(n)", []string{"true", "false", "true"}, "2"},
		{"sum(n)", []string{"false"}, "0"},
		{"sum(n)", []string{"9223372036854775807", "9223372036854775807", "1"}, "18446744073709551615"},
		{"sum(n)", []string{"-9223372036854775808", "-9223372036854775808"}, "-18446744073709551616"},
		{"sum(n)", []string{"18446744073709551615", "18446744073709551615", "-1"}, "36893488147419103229"},
		{"sum(n)", []string{"0.1", "0.2"}, "0.30000000000000004"},
		{"sum(n)", []string{"0.1", "0.1", "0.1", "0.1", "0.1", "0.1", "0.1", "0.1", "0.1", "0.1"}, "1"},
		{"sum(n)", []string{"1e16", "1.0", "-1e16"}, "1"},
		{"sum(n)", []string{"1e308", "1e308", "-1e308"}, "1e+308"},
		{"sum(n)", []string{"1e308", "1e308"}, "2.0000000000000000e+308"},
		{"sum(n)", []string{"9007199254740993", "0.5"}, "9007199254740994"},
		{"sum(n)", []string{`"12"`, `"+3"`, `".5"`}, "15.5"},
		{"sum(n)", []string{"0.1", "-0.1"}, "0"},
		{"sum(n)", []string{"1e999", `"Inf"`, `"NaN"`, `"0x1"`, `" 1"`, `"1_0"`, `"-"`, `"."`, `"1e"`}, ""},
		{"min(n)", []string{"2", "10", `"1"`, "true"}, "1"},
		{"max(n)", []string{"2", "10", `"9"`}, "10"},
		{"max(n)", []string{"9007199254740993", "9007199254740992.0"}, "9007199254740993"},
		{"max(n)", []string{"18446744073709551614", "18446744073709551615", "1e19"}, "18446744073709551615"},
		{"min(n)", []string{"0.5", "1e-7"}, "1e-07"},
		{"min(n)", []string{"-0.0", "5"}, "0"},
		{"max(n)", []string{"word"}, ""},
		{"histogram(n, 1, 2.5)", []string{"1", "1.0000001", "2.5", "3", `"x"`, "true", "-9"}, "[2,2,1]"},
		{"distinct(n)", []string{"80", `"80"`, `""`, "null", "", "80.0"}, "3"},
		{"sum(@bytes)", []string{"1"}, "42"},
	}
	for _, test := range tests {
		p := compile(t, definition("web", statistic("s", "", nil, "m", test.fn)))
		lines := []string{}
		for _, v := range test.values {
			switch {
			case v == "":
				lines = append(lines, line())
			case json.Valid([]byte(v)):
				lines = append(lines, line("n", raw(v)))
			default:
				lines = append(lines, line("n", v))
			}
		}
		part := tallyOf(t, p, append(lines, line())...)
		if strings.HasPrefix(test.fn, "count") || test.fn == "sum(@bytes)" {
			part = tallyOf(t, p, lines...) // without the line that only makes a row
		}
		for r := range part.Rows() {
			if got := r.Values()[0]; got != test.want {
				t.Errorf("%s of %q is %s, want %s", test.fn, test.values, got, test.want)
			}
			want := test.want
			if want == "" {
				want = "null"
			}
			if got := string(r.MeasuresJSON()); got != `{"m":`+want+`}` || !json.Valid([]byte(got)) {
				t.Errorf("%s of %q as JSON is %s", test.fn, test.values, got)
			}
		}
	}
}

// TestRow pins keys, days and the order of rows.
func TestRow(t *testing.T) {
	t.Parallel()
	p := compile(t, definition("web",
		statistic("hits", "", []string{"host", "hour"}, "hits", "count", "first", "min(ts)"),
		statistic("hosts", "", []string{"host"}, "hits", "count")))
	part := tallyOf(t, p, line("host", "b"), line("host", "a\"\n\u00e9"), line("host", ""), line("host", nil), line(), line("host", raw(`80`)), line("host", "80"), line("host", raw(`[1, "x"]`)))
	var got []string
	for r := range part.Rows() {
		got = append(got, r.Key()+" "+r.Day()+" "+string(r.MeasuresJSON()))
	}
	want := []string{
		`["2018-03-24T17:00:00Z",null] 2018-03-24 {"hits":2,"first":"2018-03-24T17:15:20.865716Z"}`,
		`["2018-03-24T17:00:00Z",""] 2018-03-24 {"hits":1,"first":"2018-03-24T17:15:20.865716Z"}`,
		`["2018-03-24T17:00:00Z","80"] 2018-03-24 {"hits":2,"first":"2018-03-24T17:15:20.865716Z"}`,
		`["2018-03-24T17:00:00Z","[1, \"x\"]"] 2018-03-24 {"hits":1,"first":"2018-03-24T17:15:20.865716Z"}`,
		`["2018-03-24T17:00:00Z","a\"\u000a` + "\u00e9" + `"] 2018-03-24 {"hits":1,"first":"2018-03-24T17:15:20.865716Z"}`,
		`["2018-03-24T17:00:00Z","b"] 2018-03-24 {"hits":1,"first":"2018-03-24T17:15:20.865716Z"}`,
		`[null] - {"hits":2}`, `[""] - {"hits":1}`, `["80"] - {"hits":2}`, `["[1, \"x\"]"] - {"hits":1}`, `["a\"\u000a` + "\u00e9" + `"] - {"hits":1}`, `["b"] - {"hits":1}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestLongKey cuts keys that a table could not hold, between characters, and keeps them apart.
func TestLongKey(t *testing.T) {
	t.Parallel()
	p := compile(t, definition("web", statistic("hits", "", []string{"path"}, "hits", "count")))
	keys := map[string]bool{}
	for _, path := range []string{strings.Repeat("a", 896), strings.Repeat("a", 897), strings.Repeat("a", 2000), strings.Repeat("a", 2000) + "b",
		"x" + strings.Repeat("é", 1000), strings.Repeat("é", 1000), strings.Repeat("\u65e5", 1000)} {
		for r := range tallyOf(t, p, line("path", path)).Rows() {
			key := r.Key()
			if long := len(r.DimsJSON()) > 900; len(key) > 900 || long && (len(key) < 797+64 || len(key) > 800+64) {
				t.Errorf("key of %d bytes for %d", len(key), len(r.DimsJSON()))
			}
			if !utf8.ValidString(key) || keys[key] {
				t.Errorf("key %q", key)
			}
			keys[key] = true
		}
	}
}

// TestRawBytes keeps texts apart that are no UTF-8, also through JSON.
func TestRawBytes(t *testing.T) {
	t.Parallel()
	d := definition("web", statistic("hits", "", []string{"path"}, "hits", "count"))
	d.Format.Name = "logfmt"
	p := compile(t, d)
	part := tallyOf(t, p, "ts=2018-03-24T17:15:20Z path=\x80", "ts=2018-03-24T17:15:20Z path=\xff", "ts=2018-03-24T17:15:20Z path=\xed\xb2\x80", "ts=2018-03-24T17:15:20Z path=\ufffd")
	got := p.NewPartial()
	var keys []string
	for r := range part.Rows() {
		if !utf8.ValidString(r.Key()) {
			t.Errorf("key %q is no UTF-8", r.Key())
		}
		keys = append(keys, r.Key())
		if err := got.MergeRow(r.Statistic, r.DimsJSON(), r.State()); err != nil {
			t.Fatal(err)
		}
	}
	if part.Len() == 4 && !slices.Contains(keys, `["\udc80"]`) {
		t.Errorf("keys %q", keys)
	}
	if got.Encoded() != part.Encoded() {
		t.Error("rows through JSON are other rows")
	}
}

func TestWriters(t *testing.T) {
	t.Parallel()
	p := compile(t, definition("web",
		statistic("hits", "", []string{"host", "minute"}, "hits", "count", "size", "sum(n)", "sizes", "histogram(n, 1)"),
		statistic("total", "", nil, "hits", "count")))
	part := tallyOf(t, p, line("host", `a,"b"`, "n", 1.5), line("host", nil), line("host", "", "n", 2))
	var csv, js, none, total strings.Builder
	for w, f := range map[*strings.Builder]func() error{
		&csv:   func() error { return stats.WriteCSV(&csv, part, "hits") },
		&js:    func() error { return stats.WriteJSON(&js, part, "hits") },
		&none:  func() error { return stats.WriteJSON(&none, p.NewPartial(), "hits") },
		&total: func() error { return stats.WriteJSON(&total, part, "total") },
	} {
		if err := f(); err != nil {
			t.Fatal(w, err)
		}
	}
	for _, test := range [][2]string{
		{csv.String(), "host,minute,hits,size,sizes\n,2018-03-24T17:15:00Z,1,,\"[0,0]\"\n,2018-03-24T17:15:00Z,1,2,\"[0,1]\"\n\"a,\"\"b\"\"\",2018-03-24T17:15:00Z,1,1.5,\"[0,1]\"\n"},
		{js.String(), "[\n{\"host\":null,\"minute\":\"2018-03-24T17:15:00Z\",\"hits\":1,\"size\":null,\"sizes\":[0,0]},\n" +
			"{\"host\":\"\",\"minute\":\"2018-03-24T17:15:00Z\",\"hits\":1,\"size\":2,\"sizes\":[0,1]},\n" +
			"{\"host\":\"a,\\\"b\\\"\",\"minute\":\"2018-03-24T17:15:00Z\",\"hits\":1,\"size\":1.5,\"sizes\":[0,1]}\n]\n"},
		{none.String(), "[]\n"},
		{total.String(), "[\n{\"hits\":3}\n]\n"},
	} {
		if diff := cmp.Diff(test[1], test[0]); diff != "" {
			t.Error(diff)
		}
	}
	if !json.Valid([]byte(js.String())) {
		t.Error("no valid JSON")
	}
}
