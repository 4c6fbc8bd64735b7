package demo

import (
	"math/rand/v2"
	"strconv"
	"sync"
)

// The vocabulary of web requests, by weight. The long lists are made when somebody asks for them: most commands make no logs.
var (
	webVisitors   = sync.OnceValue(func() []string { return hosts(2600, "203.0") })
	webUsers      = []string{"-", "-", "-", "-", "-", "-", "ada", "grace", "edsger", "barbara"}
	webMethods    = []string{"GET", "GET", "GET", "GET", "GET", "GET", "GET", "POST", "HEAD", "PUT"}
	webStatuses   = []string{"200", "301", "304", "400", "404", "500", "503"}
	webStatusDraw = []int32{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 2, 1, 4, 4, 3, 0, 0, 5, 0, 0, 6, 0, 0, 0}
	webPaths      = sync.OnceValue(func() []string {
		return names(900, "/%s/%s-%d",
			[]string{"shop", "blog", "docs", "static", "account", "search"},
			[]string{"index", "red-shoes", "winter", "invoice", "about", "guide", "offer"})
	})
	webReferers = []string{"-", "-", "https://www.example.com/", "https://search.example.net/?q=shoes+%22red%22", "https://news.example.org/2026/03/"}
	webAgents   = []string{
		"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_2 like Mac OS X) AppleWebKit/605.1.15 Version/18.2 Mobile/15E148 Safari/604.1",
		"curl/8.11.1", "ExampleBot/2.1 (+https://bot.example.org/about)",
	}
)

const (
	statusNotModified = 2 // has no body: its bytes are "-"
	statusFirstFailed = 3 // 400 and above
)

// webLine makes lines in the combined log format.
type webLine struct {
	counts  *counts
	dates   dates
	visitor skew
	page    skew
	size    delays // bytes; the same long tail

	micros         int64
	who, path      int
	user, method   string
	status         int32
	bytes          int64
	referer, agent int
}

func newWebLine(c *counts) *webLine {
	return &webLine{
		counts: c, dates: newDates("02/Jan/2006:"),
		visitor: newSkew(len(webVisitors()), 0.8), page: newSkew(len(webPaths()), 1.1), size: newDelays(6000, 1.6),
	}
}

func (l *webLine) roll(r *rand.Rand, micros int64) {
	l.micros = micros - micros%second
	l.who, l.path = l.visitor.draw(r), l.page.draw(r)
	l.user, l.method = pick(r, webUsers), pick(r, webMethods)
	l.status = webStatusDraw[r.IntN(len(webStatusDraw))]
	l.bytes = l.size.draw(r)
	l.referer, l.agent = r.IntN(len(webReferers)), l.who%len(webAgents)
}

func (l *webLine) moment() int64 { return l.micros }

func (l *webLine) append(b []byte, stamped bool) []byte {
	b = append(append(b, webVisitors()[l.who]...), " - "...)
	b = append(b, l.user...)
	if stamped {
		b = append(append(b, " ["...), l.dates.text(l.micros)...)
		b = append(appendClock(b, l.micros), " +0000]"...)
	}
	b = append(append(b, ` "`...), l.method...)
	b = append(append(b, ' '), webPaths()[l.path]...)
	b = append(append(b, ` HTTP/1.1" `...), webStatuses[l.status]...)
	if l.status == statusNotModified {
		b = append(b, " -"...)
	} else {
		b = strconv.AppendInt(append(b, ' '), l.bytes, 10)
	}
	b = append(append(b, ` "`...), webReferers[l.referer]...)
	b = append(append(b, `" "`...), webAgents[l.agent]...)
	return append(b, '"')
}

func (l *webLine) count(length int) {
	t := l.counts.webTraffic.row(key{l.micros - l.micros%hour, l.status, null}, l.who)
	t.lines++
	t.length += int64(length)
	if l.user != "-" {
		t.with++
	}
	if l.status != statusNotModified {
		t.value.add(l.bytes)
	}
	if l.method != "GET" || l.status >= statusFirstFailed {
		return
	}
	p := l.counts.webPages.row(key{0, int32(l.path), null}, l.who) //nolint:gosec // a few hundred
	p.lines++
	p.moment.add(l.micros)
	if l.status != statusNotModified {
		p.bucket(l.bytes, 1000, 10000, 100000)
	}
}

func (c *counts) web() []Expected {
	length := func(r *row, _ int64) string { return strconv.FormatInt(r.length, 10) }
	return []Expected{
		c.webTraffic.expected(statistic{
			protocol: protocolWeb, name: "traffic", dims: []string{"hour", "status"},
			words: func(k key) []string { return []string{bucketText(k.time), word(webStatuses, k.a)} },
			measures: []measure{
				lines("requests"), with("signed_in"), whole("bytes_sum", sum), whole("smallest", least), whole("largest", most),
				{"log_bytes", KindExact, length}, distinct("visitors"),
			},
		}),
		c.webPages.expected(statistic{
			protocol: protocolWeb, name: "pages", dims: []string{"path"},
			words: func(k key) []string { return []string{word(webPaths(), k.a)} },
			measures: []measure{
				lines("hits"), histogram("sizes", 4), moment("first", layoutSeconds, least), moment("last", layoutSeconds, most),
				distinct("visitors"),
			},
		}),
	}
}
