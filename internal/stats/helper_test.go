package stats_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/seed-56345083/reprise/internal/logline"
	"github.com/seed-56345083/reprise/internal/stats"
)

// statistic builds one: measures are name, function, name, function, ...
func statistic(name, where string, by []string, measures ...string) stats.Statistic {
	s := stats.Statistic{Name: name, Where: where, By: by}
	for i := 0; i+1 < len(measures); i += 2 {
		s.Measures = append(s.Measures, stats.Measure{Name: measures[i], Func: measures[i+1]})
	}
	return s
}

// definition is of JSON lines with the timestamp ts.
func definition(protocol string, list ...stats.Statistic) stats.Definition {
	return stats.Definition{Protocol: protocol, Format: logline.Format{Name: "json"}, Timestamp: "ts", Stats: list}
}

func dnsDefinition() stats.Definition {
	return definition("dns",
		statistic("queries", "", []string{"minute", "qtype_name", "rcode_name"},
			"queries", "count", "answered", "count(rtt)", "rtt_sum", "sum(rtt)", "rtt_min", "min(rtt)", "rtt_max", "max(rtt)",
			"rtt", "histogram(rtt, 0.001, 0.01, 0.1, 1)", "clients", "distinct(id.orig_h)"),
		statistic("failures", "rcode != 0", []string{"query"}, "queries", "count", "clients", "distinct(id.orig_h)"))
}

func compile(t testing.TB, d stats.Definition) *stats.Program {
	t.Helper()
	p, err := stats.Compile(d)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func newTally(t testing.TB, p *stats.Program, rule stats.Rule) *stats.Tally {
	t.Helper()
	tally, err := p.NewTally(rule)
	if err != nil {
		t.Fatal(err)
	}
	return tally
}

// tallyOf counts lines, all of which must count.
func tallyOf(t testing.TB, p *stats.Program, lines ...string) *stats.Partial {
	t.Helper()
	tally := newTally(t, p, stats.Rule{All: true})
	for i, l := range lines {
		if o, err := tally.Line(int64(i), []byte(l)); o != stats.Counted || err != nil {
			t.Fatalf("line %d %s: %s, %v", i, l, o, err)
		}
	}
	return tally.Partial()
}

// line makes a JSON line from fields: name, value, name, value, ...; a value is any JSON value.
func line(fields ...any) string {
	b := []byte(`{"ts":"2018-03-24T17:15:20.865716Z"`)
	for i := 0; i+1 < len(fields); i += 2 {
		v, err := json.Marshal(fields[i+1])
		if err != nil {
			panic(err)
		}
		if raw, ok := fields[i+1].(json.RawMessage); ok {
			v = raw
		}
		b = fmt.Appendf(b, ",%q:%s", fields[i], v)
	}
	return string(append(b, '}'))
}

// rowsOf collects rows as strings: "statistic [dims] values".
func rowsOf(p *stats.Partial) []string {
	var rows []string
	for r := range p.Rows() {
		rows = append(rows, fmt.Sprintf("%s %s %q", r.Statistic, r.DimsJSON(), r.Values()))
	}
	return rows
}
