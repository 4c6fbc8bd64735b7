package stats_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-56345083/reprise/internal/logline"
	"github.com/seed-56345083/reprise/internal/stats"
)

// kept are lines of a format whose outcome and rows must never change under one version of the aggregator: an earlier
// replay's partials are taken over by that version (start --reuse).
type kept struct {
	name       string
	definition stats.Definition
	lines      []string
}

// keptStatistics use what there is of dimensions, conditions and measures.
func keptStatistics() []stats.Statistic {
	return []stats.Statistic{
		statistic("wide", "", []string{"hour", "a", "b"},
			"lines", "count", "present", "count(n)", "sum", "sum(n)", "min", "min(n)", "max", "max(n)",
			"hist", "histogram(n, -1, 0, 0.5, 1e3)", "values", "distinct(n)", "size", "sum(@bytes)"),
		statistic("chosen", `n > 10 or a == "x"`, []string{"minute"}, "lines", "count"),
		statistic("not", `not (b == "y") and a != "z"`, []string{"a"}, "lines", "count"),
		statistic("days", "", []string{"day"}, "lines", "count"),
	}
}

// keptValues are numbers and texts as logs have them.
var keptValues = []string{
	"0", "-0", "1", "1.0", "+7", ".5", "007", "1e3", "0.1", "0.30000000000000004", "9223372036854775807", "18446744073709551615", "-9223372036854775808",
	"1e308", "1e999", "NaN", "0x10", "true", "word", "Ünïcode", "1_000", "12 ", " 12",
}

func keptLines() []kept {
	const ts = "2018-03-24T17:15:20.865716Z"
	long := strings.Repeat("x", 300)
	jsonLines := []string{
		`{"ts":"` + ts + `","a":"x","b":"y","n":1}`, `{"ts":"` + ts + `","a":null,"b":"","n":null}`, `{"ts":"` + ts + `"}`, "\ufeff" + `{"ts":"` + ts + `","a":"bom"}`,
		`{"ts":"` + ts + `","a":"x","a":"twice"}`, `{"ts":"` + ts + `","a":{"k":1},"b":[1,2]}`, `{"ts":"` + ts + `","a":true,"b":1.50}`, `{"ts":"` + ts + `","a":"\u00e9\n\ud83d\ude00","b":"\ud800"}`,
		`{"ts":"` + ts + `","a":"cr"}` + "\r", "", "  ", "\t", `{"ts":"` + ts + `"`, `[]`, `{"a":"no time"}`, `{"ts":null}`, `{"ts":"yesterday"}`, `{"ts":1521911720}`, "{\"ts\":\"" + ts + "\",\"a\":\"\xff\"}",
		`{"ts":"2018-03-24T19:15:20+02:00","a":"zone"}`, `{"ts":"2018-03-24 17:15:20Z"}`, `{"ts":"2018-03-24T17:15:20","a":"no zone"}`, `{"ts":"1969-12-31T23:59:59.999999999Z","a":"before"}`,
		`{"ts":"2018-03-24T24:00:00Z"}`, `{"ts":"2018-02-29T00:00:00Z"}`, `{"ts":"2018-03-24T23:59:60Z","a":"leap"}`, `{"ts":"9999-12-31T23:59:59Z"}`, `{"ts":"0001-01-01T00:00:00Z"}`,
		`{"ts":"` + ts + `","a":"` + long + `"}`, `{ "ts" : "` + ts + `" , "a" : "spaces" } `, `{"ts":"` + ts + `","a":"tail"} x`, `{"TS":"` + ts + `"}`, `{"x.ts":1,"ts":"` + ts + `"}`,
	}
	for _, v := range keptValues {
		jsonLines = append(jsonLines, fmt.Sprintf(`{"ts":%q,"n":%s}`, ts, v), fmt.Sprintf(`{"ts":%q,"n":%q}`, ts, v))
	}
	unix := []string{"1521911720", "1521911720.865716", "1521911720865", "-1", "0", "1e9", "99999999999999", "1521911720,5", ""}
	of := func(format logline.Format, timestamp, layout string) stats.Definition {
		return stats.Definition{Protocol: "kept", Format: format, Timestamp: timestamp, Layout: layout, MaxLine: 256, Stats: keptStatistics()}
	}
	logfmt := []string{
		"ts=" + ts + " a=x b=y n=1", `ts=` + ts + ` a="quoted \"text\"" b= n`, "ts=" + ts + " =x a==b", "ts=" + ts + ` a="open`, "a=x", "", "# no comment", "ts=" + ts + "  a=x\tb=y", "ts=" + ts + ` a=x a=y`, long,
	}
	columns := []string{"ts", "a", "b", "n"}
	tsv := []string{
		"ts\ta\tb\tn", ts + "\tx\ty\t1", ts + "\tx\ty", ts + "\tx\ty\t1\textra", "#comment", "", ts + "\t-\t(empty)\t-", ts + "\t\t\t", ts + "\t\"x\"\ty\t2", "ts\ta\tb\tn", ts + "\tx\ty\t3\r",
	}
	csv := []string{
		"ts,a,b,n", ts + ",x,y,1", ts + `,"x,""q""",y,2`, ts + `,"open,y,3`, ts + `,x,y`, ts + `,x,y,4,extra`, ts + `,,"",`, ts + ` , x , y , 5`, ts + `,a"b,y,6`, ";comment", ts + `,"x"y,z,7`,
	}
	for _, v := range keptValues {
		logfmt, tsv, csv = append(logfmt, "ts="+ts+" n="+v), append(tsv, ts+"\tv\tw\t"+v), append(csv, ts+",v,w,"+v)
	}
	all := []kept{
		{"json", of(logline.Format{Name: "json"}, "ts", ""), jsonLines},
		{"logfmt", of(logline.Format{Name: "logfmt"}, "ts", ""), logfmt},
		{"tsv", of(logline.Format{Name: "tsv", Columns: columns, Header: true, Comment: "#"}, "ts", ""), tsv},
		{"csv", of(logline.Format{Name: "csv", Columns: columns, Comment: ";"}, "ts", ""), csv},
		{"regex", of(logline.Format{Name: "regex", Pattern: `\[(?P<ts>[^\]]*)\] (?P<a>\w*)(?: b=(?P<b>\S*))?(?: n=(?P<n>.*))?`}, "ts", "02/Jan/2006:15:04:05 -0700"), []string{
			"[24/Mar/2018:17:15:20 +0000] x b=y n=1", "[24/Mar/2018:17:15:20 +0200] x", "[24/Mar/2018:17:15:20] x", "24/Mar/2018", "[24/Mar/2018:17:15:20 +0000] x b= n=", "", "[24/Foo/2018:17:15:20 +0000] x",
		}},
		{"combined", stats.Definition{Protocol: "kept", Format: logline.Format{Name: "combined"}, MaxLine: 256, Stats: []stats.Statistic{
			statistic("requests", "", []string{"hour", "remote_addr", "user", "method", "path", "status", "referer", "user_agent"}, "n", "count", "bytes", "sum(bytes)", "with", "count(bytes)"),
		}}, []string{
			`192.0.2.1 - - [10/Oct/2000:13:55:36 -0700] "GET /a?b=c HTTP/1.0" 200 2326 "http://ref/" "Mozilla/4.08 [en]"`, `192.0.2.1 - frank [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 304 -`,
			`::1 - - [10/Oct/2000:13:55:36 +0000] "-" 408 0 "-" "-"`, `192.0.2.1 - - [10/Oct/2000:13:55:36 -0700] "GET /\"q\" HTTP/1.1" 200 1 "-" "a \"b\""`, `192.0.2.1 - - [10/Oct/2000] "GET / HTTP/1.0" 200 1`,
			`192.0.2.1 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" abc 1`, `nothing`, "",
		}},
	}
	for _, layout := range []string{"unix", "unix_ms"} {
		var lines []string
		for _, v := range unix {
			lines = append(lines, fmt.Sprintf(`{"ts":%s,"a":"x"}`, v), fmt.Sprintf(`{"ts":%q,"a":"y"}`, v))
		}
		all = append(all, kept{layout, of(logline.Format{Name: "json"}, "ts", layout), lines})
	}
	return all
}

// TestCounts holds what certain lines of every format come to, to the letter.
func TestCounts(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for _, k := range keptLines() {
		fmt.Fprintf(&b, "== %s\n", k.name)
		cutoff := stats.Rule{Cutoff: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()}
		tally := newTally(t, compile(t, k.definition), cutoff)
		for i, l := range k.lines {
			outcome, _ := tally.Line(int64(i), []byte(l))
			fmt.Fprintf(&b, "%s %.120q\n", outcome, l)
		}
		for r := range tally.Partial().Rows() {
			state := hex.EncodeToString(r.State())
			if len(state) > 400 {
				sum := sha256.Sum256(r.State())
				state = hex.EncodeToString(sum[:])
			}
			fmt.Fprintf(&b, "%s %s %016x %s %s\n", r.Statistic, r.DimsJSON(), r.Hash(), r.MeasuresJSON(), state)
		}
	}
	// A version that a release has is never written again.
	file := filepath.Join("testdata", fmt.Sprintf("counts.%d", stats.Version))
	want, err := os.ReadFile(file)
	if os.IsNotExist(err) && *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err != nil {
		t.Fatalf("%v; run go test -update for a new version", err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(b.String(), "\n")); diff != "" {
		t.Errorf("what lines count to has changed: raise stats.Version, so that no partial of the code before is taken over, and run go test -update\n%s", diff)
	}
}
