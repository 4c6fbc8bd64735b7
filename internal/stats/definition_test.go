package stats_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-56345083/reprise/internal/logline"
	"github.com/seed-56345083/reprise/internal/stats"
)

func TestDefinitionRoundTrip(t *testing.T) {
	t.Parallel()
	d := dnsDefinition()
	d.Layout, d.MaxLine = "rfc3339", 4096
	got, err := stats.DecodeDefinition(d.Encode())
	if err != nil {
		t.Fatal(err)
	}
	want := d
	want.Aggregator = stats.Version
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if d.Hash() != got.Hash() || len(d.Hash()) != 64 {
		t.Errorf("hash %s became %s", d.Hash(), got.Hash())
	}
	if !strings.Contains(string(d.Encode()), `"where":"rcode != 0"`) {
		t.Errorf("not readable: %s", d.Encode())
	}
	got.Stats[0].Measures[0].Func = "count(x)"
	if d.Hash() == got.Hash() {
		t.Error("another measure has the same hash")
	}
}

// TestDefinitionGolden holds the text that generations keep, and with it the hash.
func TestDefinitionGolden(t *testing.T) {
	t.Parallel()
	const want = `{"protocol":"web","format":{"name":"json"},"timestamp":"ts","stats":[{"name":"hits","where":"status >= 500","by":["hour","path"],"measures":[{"name":"hits","func":"count"}]}],"aggregator":1}`
	d := definition("web", statistic("hits", "status >= 500", []string{"hour", "path"}, "hits", "count"))
	if got := string(d.Encode()); got != want {
		t.Errorf("the text of a definition changed; generations that exist keep the old one:\n%s", got)
	}
}

func TestDecodeDefinitionErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"protocol":"web"}`:                             "needs aggregator 0",
		`{"protocol":"web","aggregator":2,"new":true}`:   "needs aggregator 2",
		`{"protocol":"web","aggregator":1,"other":true}`: `unknown field "other"`,
		`{`: "unexpected end",
	} {
		_, err := stats.DecodeDefinition([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
		if strings.Contains(want, "aggregator") && !errors.Is(err, stats.ErrVersion) {
			t.Errorf("%s: %v is not ErrVersion", text, err)
		}
	}
}

func TestCompileErrors(t *testing.T) {
	t.Parallel()
	count := []string{"lines", "count"}
	one := func(where string, by []string, measures ...string) stats.Definition {
		return definition("web", statistic("hits", where, by, measures...))
	}
	many := definition("web")
	for i := range stats.MaxStatistics + 1 {
		many.Stats = append(many.Stats, statistic(fmt.Sprint("s", i), "", nil, count...))
	}
	edit := func(f func(*stats.Definition)) stats.Definition {
		d := one("", nil, count...)
		f(&d)
		return d
	}
	tests := []struct {
		d    stats.Definition
		want string
	}{
		{one("", nil, "n", "cuont(x)"), `protocol web: statistic hits: measures: n: "cuont(x)": there is no function cuont; did you mean count?`},
		{one("", nil, "n", "average(x)"), "use one of count, sum, min, max, histogram, distinct"},
		{one("", nil, "n", "sum"), "name the field, as in sum(field)"},
		{one("", nil, "n", "sum()"), "name the field, as in sum(field)"},
		{one("", nil, "n", "sum(a, b)"), "takes one field"},
		{one("", nil, "n", "sum(a"), "the closing parenthesis is missing"},
		{one("", nil, "n", ""), "the function is missing"},
		{one("", nil, "n", "histogram(a)"), "give the upper bounds"},
		{one("", nil, "n", "histogram(a, 1, 1)"), "bound 1 is not above the one before"},
		{one("", nil, "n", "histogram(a, 2, 1)"), "bound 1 is not above the one before"},
		{one("", nil, "n", "histogram(a, 1, Inf)"), `bound "Inf" is not a finite number`},
		{one("", nil, "n", "histogram(a, x)"), `bound "x" is not a finite number`},
		{one("", nil), "measures: there are none"},
		{one("", nil, "", "count"), "has no name"},
		{one("", nil, "n", "count", "n", "sum(x)"), "n: there are two of this name"},
		{one("", []string{"path"}, "path", "count"), "path: is a dimension too"},
		{one("", []string{"path", "path"}, count...), "by: path is there twice"},
		{one("", []string{"minute", "hour"}, count...), "minute and hour: use one"},
		{one("", []string{""}, count...), "an empty name"},
		{one("status >=", nil, count...), "statistic hits: where: unexpected token EOF (1:9)\n | status >="},
		{definition("web"), "add at least one statistic"},
		{many, "at most 99"},
		{definition("web", statistic("a", "", nil, count...), statistic("a", "", nil, count...)), "two statistics of this name"},
		{definition("web", statistic("a#b", "", nil, count...)), "use up to 100 letters"},
		{edit(func(d *stats.Definition) { d.Protocol = "" }), "use letters, digits"},
		{edit(func(d *stats.Definition) { d.Timestamp = "@bytes" }), "is no timestamp"},
		{edit(func(d *stats.Definition) { d.Timestamp = "" }), "timestamp: name the field"},
		{edit(func(d *stats.Definition) { d.MaxLine = -1 }), "max_line -1"},
		{edit(func(d *stats.Definition) { d.Format.Name = "xml" }), "protocol web: format: "},
		{edit(func(d *stats.Definition) { d.Layout = "yesterday" }), "protocol web: layout: "},
		{edit(func(d *stats.Definition) { d.Format = logline.Format{Name: "tsv", Columns: []string{"x"}} }), `field "ts"`},
		{edit(func(d *stats.Definition) { d.Aggregator = 7 }), "needs aggregator 7"},
		{edit(func(d *stats.Definition) { d.Format = logline.Format{Name: "go"} }), "protocol web: format: consumer: missing"},
		{edit(func(d *stats.Definition) { d.Format = logline.Format{Name: "go", Consumer: "weather", Version: "3"} }), `does not have the Go consumer "weather"`},
	}
	for _, test := range tests {
		_, err := stats.Compile(test.d)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", test.d.Encode(), err, test.want)
			continue
		}
		if version := test.d.Aggregator > 0 || test.d.Format.Consumer != ""; version != errors.Is(err, stats.ErrVersion) {
			t.Errorf("%v: ErrVersion is %v", err, !version)
		}
	}
}

func TestProgram(t *testing.T) {
	t.Parallel()
	p := compile(t, definition("web",
		statistic("hits", `status > 1 and $env["user agent"] != ""`, []string{"hour", "id.host"}, "hits", "count", "size", "sum(@bytes)", "max", `max("a,b")`),
		statistic("all", "", nil, "last", "max(ts)", "status", "distinct(status)")))
	if diff := cmp.Diff([]string{"ts", "id.host", "a,b", "status", "user agent"}, p.Fields()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"hits", "all"}, p.Statistics()); diff != "" {
		t.Error(diff)
	}
	dims, measures, ok := p.Columns("hits")
	if diff := cmp.Diff([][]string{{"hour", "id.host"}, {"hits", "size", "max"}}, [][]string{dims, measures}); diff != "" || !ok {
		t.Error(ok, diff)
	}
	if _, _, ok := p.Columns("hit"); ok {
		t.Error("an unknown statistic has columns")
	}
	err := stats.WriteCSV(&strings.Builder{}, p.NewPartial(), "hit")
	if err == nil || !strings.Contains(err.Error(), "did you mean hits?") {
		t.Errorf("unknown statistic: %v", err)
	}
}

func TestRule(t *testing.T) {
	t.Parallel()
	for want, rule := range map[string]stats.Rule{
		"all":                                  {All: true, Cutoff: 5},
		"ts <= 1970-01-01T00:00:01Z":           {Cutoff: 1e9},
		"ts <= 1969-12-31T23:59:59.999999999Z": {Cutoff: -1},
	} {
		if got := rule.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	p := compile(t, definition("web", statistic("s", "", nil, "lines", "count")))
	tally := newTally(t, p, stats.Rule{Cutoff: 1e9})
	for _, test := range []struct {
		line string
		want stats.Outcome
	}{
		{`{"ts":"1970-01-01T00:00:01Z"}`, stats.Counted},
		{`{"ts":"1970-01-01T00:00:01.000000001Z"}`, stats.AfterCutoff},
		{`{"ts":"1970-01-01T02:00:01+02:00"}` + "\r", stats.Counted},
		{``, stats.Blank}, {" \t\r", stats.Blank},
		{`{"ts":"1970-01-01T00:00:01Z"`, stats.Rejected},
		{`{"ts":"yesterday"}`, stats.Rejected}, {`{"ts":null}`, stats.Rejected}, {`{}`, stats.Rejected},
		{`{"ts":"1970-01-01T00:00:01Z","a":"` + strings.Repeat("x", stats.DefaultMaxLine) + `"}`, stats.Rejected},
	} {
		got, err := tally.Line(1, []byte(test.line))
		if got != test.want || (err != nil) != (got == stats.Rejected) {
			t.Errorf("%.40s: %s, %v, want %s", test.line, got, err, test.want)
		}
		if err != nil && (err.Error() == "" || len(err.Error()) > 100) {
			t.Errorf("%.40s: reason %q", test.line, err)
		}
	}
	if diff := cmp.Diff([]string{`s [] ["2"]`}, rowsOf(tally.Partial())); diff != "" {
		t.Error(diff)
	}
}
