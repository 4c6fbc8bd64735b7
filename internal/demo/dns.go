package demo

import (
	"math/rand/v2"
	"strconv"
	"sync"
)

// The vocabulary of DNS, by weight. The long lists are made when somebody asks for them: most commands make no logs.
var (
	dnsTypes      = []string{"A", "AAAA", "PTR", "HTTPS", "TXT", "MX", "SRV"}
	dnsTypeNumber = []int64{1, 28, 12, 65, 16, 15, 33}
	dnsTypeDraw   = []int32{0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 5, 6}
	dnsCodes      = []string{"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"}
	dnsCodeDraw   = []int32{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 3, 2, 0, 0, 0, 5, 3}
	dnsClients    = sync.OnceValue(func() []string { return hosts(1800, "10.20") })
	dnsServers    = sync.OnceValue(func() []string { return hosts(4, "10.0") })
	dnsNames      = sync.OnceValue(func() []string {
		return names(2400, "%s.%s-%d.example",
			[]string{"www", "api", "mail", "cdn", "static", "img", "login", "ntp", "update", "telemetry"},
			[]string{"northwind", "contoso", "umbra", "tailspin", "lakeside", "meridian", "harbor", "quartz", "fern"})
	})
)

const dnsLatencyBounds = "0.001, 0.01, 0.1, 1"

// dnsLine makes lines as Zeek's dns.log has them in JSON.
type dnsLine struct {
	counts  *counts
	dates   dates
	client  skew
	name    skew
	latency delays

	micros        int64
	who, query    int
	kind, code    int32 // code is null where no answer came
	rtt           int64 // microseconds; 0 where no answer came
	token         uint64
	port, trans   int64
	answer, extra int
}

func newDNSLine(c *counts) *dnsLine {
	return &dnsLine{
		counts: c, dates: newDates("2006-01-02T"),
		client: newSkew(len(dnsClients()), 0.9), name: newSkew(len(dnsNames()), 1.05), latency: newDelays(9000, 1.4),
	}
}

func (l *dnsLine) roll(r *rand.Rand, micros int64) {
	l.micros = micros
	l.who, l.query = l.client.draw(r), l.name.draw(r)
	l.kind = dnsTypeDraw[r.IntN(len(dnsTypeDraw))]
	l.code, l.rtt = null, 0
	if r.IntN(25) > 0 {
		l.code = dnsCodeDraw[(r.IntN(len(dnsCodeDraw))+l.query/400)%len(dnsCodeDraw)]
		l.rtt = l.latency.draw(r) + 1
	}
	l.token = r.Uint64()
	l.port, l.trans = 1024+r.Int64N(64000), r.Int64N(65536)
	l.answer, l.extra = r.IntN(len(dnsClients())), r.IntN(3)
}

func (l *dnsLine) moment() int64 { return l.micros }

func (l *dnsLine) append(b []byte, stamped bool) []byte {
	b = append(b, '{')
	if stamped {
		b = append(append(b, `"ts":"`...), l.dates.text(l.micros)...)
		b = appendClock(b, l.micros)
		b = append(appendPadded(append(b, '.'), l.micros%second, 6), `Z",`...)
	}
	b = appendToken(append(b, `"uid":"C`...), l.token, 16)
	b = append(append(b, `","id.orig_h":"`...), dnsClients()[l.who]...)
	b = strconv.AppendInt(append(b, `","id.orig_p":`...), l.port, 10)
	b = append(append(b, `,"id.resp_h":"`...), dnsServers()[l.who%len(dnsServers())]...)
	b = strconv.AppendInt(append(b, `","id.resp_p":53,"proto":"udp","trans_id":`...), l.trans, 10)
	if l.code != null {
		b = appendSeconds(append(b, `,"rtt":`...), l.rtt)
	}
	b = append(append(b, `,"query":"`...), dnsNames()[l.query]...)
	b = strconv.AppendInt(append(b, `","qclass":1,"qclass_name":"C_INTERNET","qtype":`...), dnsTypeNumber[l.kind], 10)
	b = append(append(b, `,"qtype_name":"`...), dnsTypes[l.kind]...)
	if l.code == null {
		return append(b, `","AA":false,"TC":false,"RD":true,"RA":false,"Z":0,"rejected":false}`...)
	}
	b = strconv.AppendInt(append(b, `","rcode":`...), int64(l.code), 10)
	b = append(append(b, `,"rcode_name":"`...), dnsCodes[l.code]...)
	b = append(b, `","AA":false,"TC":false,"RD":true,"RA":true,"Z":0,`...)
	if l.code == 0 {
		b = l.answers(b)
	}
	return append(b, `"rejected":false}`...)
}

func (l *dnsLine) answers(b []byte) []byte {
	b = append(b, `"answers":[`...)
	for i := range 1 + l.extra {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), dnsClients()[(l.answer+i)%len(dnsClients())]...), '"')
	}
	b = append(b, `],"TTLs":[`...)
	for i := range 1 + l.extra {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `300.0`...)
	}
	return append(b, `],`...)
}

func (l *dnsLine) count(int) {
	q := l.counts.dnsQueries.row(key{l.micros - l.micros%minute, l.kind, l.code}, l.who)
	q.lines++
	if l.code == null {
		return
	}
	q.value.add(l.rtt)
	q.bucket(l.rtt, second/1000, second/100, second/10, second)
	if l.code != 0 {
		f := l.counts.dnsFailures.row(key{0, int32(l.query), null}, l.who) //nolint:gosec // a few thousand
		f.lines++
		f.moment.add(l.micros)
	}
}

func (c *counts) dns() []Expected {
	answered := func(e extent) int64 { return e.n }
	return []Expected{
		c.dnsQueries.expected(statistic{
			protocol: protocolDNS, name: "queries", dims: []string{"minute", "qtype_name", "rcode_name"},
			words: func(k key) []string { return []string{bucketText(k.time), word(dnsTypes, k.a), word(dnsCodes, k.b)} },
			measures: []measure{
				lines("queries"),
				{"answered", KindExact, func(r *row, _ int64) string { return strconv.FormatInt(answered(r.value), 10) }},
				seconds("rtt_sum", sum), seconds("rtt_min", least), seconds("rtt_max", most),
				histogram("rtt", 5), distinct("clients"),
			},
		}),
		c.dnsFailures.expected(statistic{
			protocol: protocolDNS, name: "failures", dims: []string{"query"},
			words:    func(k key) []string { return []string{word(dnsNames(), k.a)} },
			measures: []measure{lines("failures"), moment("first", layoutMicros, least), moment("last", layoutMicros, most), distinct("clients")},
		}),
	}
}
