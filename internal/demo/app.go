package demo

import (
	"math/rand/v2"
	"strconv"
	"sync"
)

// The vocabulary of the application, by weight. The long lists are made when somebody asks for them: most commands make no logs.
var (
	appServices = []string{"checkout", "catalog", "identity", "search", "billing", "notify"}
	appRoutes   = []string{"GET /v1/items", "POST /v1/orders", "GET /v1/me", "POST /v1/login", "GET /v1/search", "PUT /v1/cart", "GET /healthz"}
	appLevels   = []string{"debug", "info", "warn", "error"}
	appDraw     = []int32{1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 2, 3, 1, 1, 1, 1}
	appErrors   = []string{"upstream timed out", `bad "state" token`, "no such item", "lock wait exceeded"}
	appUsers    = sync.OnceValue(func() []string {
		return names(1500, "%s-%s-%d", []string{"u", "svc", "guest"}, []string{"eu", "us", "ap"})
	})
)

const levelError = 3

// appLine makes lines of logfmt, with the time in seconds since 1970.
type appLine struct {
	counts  *counts
	user    skew
	service skew
	latency delays

	micros     int64
	who, svc   int
	route, err int
	level      int32
	duration   int64 // microseconds
	attempt    int64
	token      uint64
}

func newAppLine(c *counts) *appLine {
	return &appLine{
		counts: c, user: newSkew(len(appUsers()), 0.85), service: newSkew(len(appServices), 0.7), latency: newDelays(24000, 1.5),
	}
}

func (l *appLine) roll(r *rand.Rand, micros int64) {
	l.micros = micros
	l.who, l.svc = l.user.draw(r), l.service.draw(r)
	l.route, l.err = r.IntN(len(appRoutes)), r.IntN(len(appErrors))
	l.level = appDraw[r.IntN(len(appDraw))]
	l.duration, l.attempt, l.token = l.latency.draw(r)+1, 1+r.Int64N(3), r.Uint64()
}

func (l *appLine) moment() int64 { return l.micros }

func (l *appLine) append(b []byte, stamped bool) []byte {
	if stamped {
		b = append(appendSeconds(append(b, "ts="...), l.micros), ' ')
	}
	b = append(append(b, "level="...), appLevels[l.level]...)
	b = append(append(b, " service="...), appServices[l.svc]...)
	b = append(append(b, ` route="`...), appRoutes[l.route]...)
	b = append(append(b, `" user=`...), appUsers()[l.who]...)
	b = appendSeconds(append(b, " duration="...), l.duration)
	b = strconv.AppendInt(append(b, " attempt="...), l.attempt, 10)
	b = appendToken(append(b, " trace="...), l.token, 22)
	if l.level == levelError {
		b = append(strconv.AppendQuote(append(b, " error="...), appErrors[l.err]), ` msg="request failed"`...)
		return b
	}
	return append(b, ` msg="request done" sampled`...)
}

// slow is half a second.
const slow = second / 2

func (l *appLine) count(int) {
	q := l.counts.appRequests.row(key{l.micros - l.micros%hour, int32(l.svc), l.level}, l.who) //nolint:gosec // six
	q.lines++
	q.value.add(l.duration)
	q.bucket(l.duration, second/100, second/10, slow, second)
	if l.level == levelError {
		q.with++
	}
	if l.duration > slow {
		s := l.counts.appSlow.row(key{l.micros - l.micros%day, int32(l.route), null}, l.who) //nolint:gosec // seven
		s.lines++
		s.value.add(l.duration)
		s.moment.add(l.micros)
	}
}

func (c *counts) app() []Expected {
	return []Expected{
		c.appRequests.expected(statistic{
			protocol: protocolApp, name: "requests", dims: []string{"hour", "service", "level"},
			words: func(k key) []string {
				return []string{bucketText(k.time), word(appServices, k.a), word(appLevels, k.b)}
			},
			measures: []measure{
				lines("lines"), with("errors"), seconds("duration_sum", sum), seconds("fastest", least), seconds("slowest", most),
				histogram("durations", 5), distinct("users"),
			},
		}),
		c.appSlow.expected(statistic{
			protocol: protocolApp, name: "slow", dims: []string{"day", "route"},
			words:    func(k key) []string { return []string{bucketText(k.time), word(appRoutes, k.a)} },
			measures: []measure{lines("lines"), seconds("duration_sum", sum), moment("first", layoutMicros, least), moment("last", layoutMicros, most), distinct("users")},
		}),
	}
}
