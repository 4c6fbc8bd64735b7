package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// The generated archive begins here, and runs over less than three hours; lines after generatedCutoff do not count.
var (
	generatedBegin  = time.Date(2026, 2, 28, 22, 30, 0, 0, time.UTC)
	generatedCutoff = generatedBegin.Add(100 * time.Minute)
)

// maxLine is what the configuration allows, in bytes.
const maxLine = 2048

// record is what a good line says. Numbers that are below 0 and texts that are empty are missing.
type record struct {
	at     time.Time // whole milliseconds; whole seconds in combined
	host   string
	user   string
	status int64
	bytes  int64 // large enough for sums that a float cannot hold
	millis int64 // duration
}

// fault is what is odd about a line.
type fault int

const (
	none      fault = iota
	broken          // does not parse
	unstamped       // no timestamp
	long            // longer than maxLine
	blank           // no record
)

// dialect is a protocol of the generated archive: it writes a record as a line of its format.
type dialect struct {
	name    string
	config  string // of the protocol, without its statistics
	header  string // line 0 of every object
	broken  []string
	blank   []string
	write   func(r record, stamped bool) string
	seconds bool // timestamps are whole seconds
	plain   bool // has neither durations nor hosts by that name: nginx's log
}

func optional(format, value string) string {
	if value == "" {
		return ""
	}
	return fmt.Sprintf(format, value)
}

func number(n int64) string {
	if n < 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// seconds writes milliseconds as seconds.
func seconds(millis int64) string {
	if millis < 0 {
		return ""
	}
	return fmt.Sprintf("%d.%03d", millis/1000, millis%1000)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func stampIf(stamped bool, s, instead string) string {
	if stamped {
		return s
	}
	return instead
}

const rfc3339Millis = "2006-01-02T15:04:05.000Z07:00"

// dialects is one protocol for every format.
func dialects() []dialect {
	east := time.FixedZone("", 5*3600+1800)
	return []dialect{
		{
			name: "events", config: "format: json\n    timestamp: ts",
			broken: []string{`{"ts":"2026-02-28T22:30:00Z","host":"h`, `not json`, `["ts"]`}, blank: []string{"", "  \t"},
			write: func(r record, stamped bool) string {
				at := r.at
				if r.bytes%2 == 0 {
					at = at.In(east)
				}
				user := `,"user":null`
				if r.user != "" {
					user = fmt.Sprintf(`,"user":%q`, r.user)
				}
				return fmt.Sprintf(`{%s"host":%q%s%s,"nested":{"a":[1,{"b":"}"}]},"bytes":%d%s}`,
					stampIf(stamped, `"ts":"`+at.Format(rfc3339Millis)+`",`, ""), r.host, user,
					optional(`,"status":%s`, number(r.status)), r.bytes, optional(`,"dur":%s`, seconds(r.millis)))
			},
		},
		{
			name: "app", config: "format: logfmt\n    timestamp: ts\n    layout: unix",
			broken: []string{`ts=1772317800 host="never closed`, `ts=1772317800 host="a"b`}, blank: []string{"", " "},
			write: func(r record, stamped bool) string {
				return fmt.Sprintf(`%shost=%s%s msg="a \"quoted\" word" bytes=%d%s%s`,
					stampIf(stamped, "ts="+seconds(r.at.UnixMilli())+" ", ""), r.host, optional(" user=%q", r.user), r.bytes,
					optional(" status=%s", number(r.status)), optional(" dur=%s", seconds(r.millis)))
			},
		},
		{
			name: "conn", config: "format: tsv\n    columns: [ts, host, user, status, bytes, dur]\n    comment: \"#\"\n    timestamp: ts\n    layout: unix_ms",
			broken: []string{"1772317800000\tone\ttwo", "a\tb\tc\td\te\tf\tg"}, blank: []string{"", "#close\t2026-02-28"},
			write: func(r record, stamped bool) string {
				at := stampIf(stamped, strconv.FormatInt(r.at.UnixMilli(), 10), "-")
				return strings.Join([]string{at, r.host, dash(r.user), dash(number(r.status)), number(r.bytes), dash(seconds(r.millis))}, "\t")
			},
		},
		{
			name: "orders", config: "format: csv\n    columns: [host, ts, user, status, bytes, dur]\n    header: true\n    timestamp: ts",
			header: "host,ts,user,status,bytes,dur",
			broken: []string{`h,"2026-02-28T22:30:00Z`, "a,b,c"}, blank: []string{""},
			write: func(r record, stamped bool) string {
				at := stampIf(stamped, r.at.Format(rfc3339Millis), "")
				return strings.Join([]string{`"` + r.host + `"`, at, r.user, number(r.status), number(r.bytes), seconds(r.millis)}, ",")
			},
		},
		{
			name: "legacy", config: "format: regex\n    pattern: '^\\[(?P<ts>[^\\]]*)\\] (?P<host>\\S+) (?P<bytes>\\d+)b(?: user=(?P<user>\\S+))?(?: status=(?P<status>\\d+))?(?: in (?P<dur>[0-9.]+)s)?( x*)?$'\n" +
				"    timestamp: ts\n    layout: \"02.01.2006 15:04:05.000\"",
			broken: []string{"[28.02.2026 22:30:00.000] host", "x"}, blank: []string{"", "   "},
			write: func(r record, stamped bool) string {
				return fmt.Sprintf("[%s] %s %db%s%s%s", stampIf(stamped, r.at.Format("02.01.2006 15:04:05.000"), "yesterday"), r.host, r.bytes,
					optional(" user=%s", r.user), optional(" status=%s", number(r.status)), optional(" in %ss", seconds(r.millis)))
			},
		},
		{
			name: "web", config: "format: combined", seconds: true, plain: true,
			broken: []string{`10.0.0.1 - - [28/Feb/2026:22:30:00 +0000] "GET / HT`, "?"}, blank: []string{"", " "},
			write: func(r record, stamped bool) string {
				at := stampIf(stamped, r.at.In(east).Format("02/Jan/2006:15:04:05 -0700"), "32/Foo/2026:22:30:00 +0000")
				return fmt.Sprintf(`%s - %s [%s] "GET /a?b=%d HTTP/1.1" %d %d "-" "Mozilla/5.0 (\"x\")"`, r.host, dash(r.user), at, r.bytes%7, r.status, r.bytes)
			},
		},
	}
}

// protocol is the dialect's part of the configuration.
func (d dialect) protocol() string {
	host, at, where := "host", "ts", "dur > 0.5"
	durations := ", dur_sum: sum(dur), dur_max: max(dur), durs: \"histogram(dur, 0.1, 0.5)\""
	if d.plain {
		host, at, where, durations = "remote_addr", "time", "status >= 500", ""
	}
	return fmt.Sprintf(`
  %s:
    %s
    max_line: %d
    stats:
      hits:
        by: [minute, status]
        measures: {lines: count, users: count(user), bytes_sum: sum(bytes), bytes_min: min(bytes), bytes_max: max(bytes), size: sum(@bytes),
          hosts: distinct(%s), first: min(%s), last: max(%s)%s}
      slow:
        where: %s
        by: [hour, %s]
        measures: {lines: count, bytes_sum: sum(bytes)}
`, d.name, d.config, maxLine, host, at, at, durations, where, host)
}

// generator makes lines, good and odd ones.
type generator struct {
	random *rand.Rand
	hosts  int
	odd    bool // bad and blank lines among them
}

func (g *generator) record(d dialect) record {
	r := record{
		at:     generatedBegin.Add(time.Duration(g.random.Int64N(int64(160*time.Minute/time.Millisecond))) * time.Millisecond),
		host:   fmt.Sprintf("h-%04d.example", g.random.IntN(g.hosts)),
		status: []int64{200, 204, 301, 404, 500, 503}[g.random.IntN(6)],
		bytes:  g.random.Int64N(1 << 49),
		millis: g.random.Int64N(900),
	}
	switch g.random.IntN(100) {
	case 0:
		r.at = generatedCutoff
	case 1:
		r.at = generatedCutoff.Add(time.Millisecond)
	}
	if d.seconds {
		r.at = r.at.Truncate(time.Second)
	}
	if g.random.IntN(3) > 0 {
		r.user = fmt.Sprintf("u%d", g.random.IntN(50))
	}
	if d.plain {
		return r
	}
	if g.random.IntN(10) == 0 {
		r.status = -1
	}
	if g.random.IntN(10) == 0 {
		r.millis = -1
	}
	return r
}

// line makes a line, and says what it is.
func (g *generator) line(d dialect) (string, record, fault) {
	r := g.record(d)
	what := none
	if n := g.random.IntN(200); g.odd && n < int(blank) {
		what = fault(n + 1)
	}
	switch what {
	case broken:
		return d.broken[g.random.IntN(len(d.broken))], r, what
	case blank:
		return d.blank[g.random.IntN(len(d.blank))], r, what
	case unstamped:
		return d.write(r, false), r, what
	case long:
		r.host += strings.Repeat("x", maxLine)
	}
	return d.write(r, true), r, what
}
