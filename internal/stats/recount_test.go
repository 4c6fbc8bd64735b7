package stats_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// The recount below shares nothing with the package: maps, encoding/json, package time and math/big.

type fields map[string]json.RawMessage

// text gives a field's text, or false where it is missing or null.
func (f fields) text(name string) (string, bool) {
	raw, ok := f[name]
	if !ok || string(raw) == "null" {
		return "", false
	}
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s, true
	}
	return string(raw), true
}

var (
	integerText = regexp.MustCompile(`^[+-]?[0-9]+$`)
	numberText  = regexp.MustCompile(`^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$`)
)

type exactNumber struct {
	value   *big.Float
	integer bool
}

func (n exactNumber) String() string {
	if n.integer {
		return n.value.Text('f', 0)
	}
	return floatText(n.value)
}

func floatText(v *big.Float) string {
	f, _ := v.Float64()
	if math.IsInf(f, 0) {
		return v.Text('e', 16)
	}
	if f == 0 {
		return "0"
	}
	b, err := json.Marshal(f)
	if err != nil {
		panic(err)
	}
	// encoding/json writes 1e-7 where strconv has 1e-07.
	return regexp.MustCompile(`e([+-])(\d)$`).ReplaceAllString(string(b), "e${1}0$2")
}

func wide(v *big.Float) *big.Float { return new(big.Float).SetPrec(4000).Set(v) }

func exactOf(s string) (exactNumber, bool) {
	if s == "true" || s == "false" || !numberText.MatchString(s) {
		return exactNumber{}, false
	}
	if integerText.MatchString(s) {
		i, _ := new(big.Int).SetString(strings.TrimPrefix(s, "+"), 10)
		if i.IsInt64() || i.IsUint64() {
			return exactNumber{value: new(big.Float).SetPrec(4000).SetInt(i), integer: true}, true
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return exactNumber{}, false
	}
	return exactNumber{value: wide(big.NewFloat(f))}, true
}

// group is the lines of one row.
type group struct {
	dims  []string
	sort  string
	lines []fields
	size  int
}

func groupBy(lines []string, chosen func(fields) bool, by ...string) []*group {
	groups := map[string]*group{}
	for _, l := range lines {
		var f fields
		if err := json.Unmarshal([]byte(l), &f); err != nil {
			panic(err)
		}
		if chosen != nil && !chosen(f) {
			continue
		}
		g := &group{}
		for _, name := range by {
			if width, ok := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}[name]; ok {
				s, _ := f.text("ts")
				ts, _ := time.Parse(time.RFC3339Nano, s)
				s = ts.Truncate(width).Format(time.RFC3339)
				g.dims, g.sort = append(g.dims, s), g.sort+s
			} else if s, ok := f.text(name); ok {
				q, _ := json.Marshal(s)
				g.dims, g.sort = append(g.dims, string(q)), g.sort+"\x01"+strings.ReplaceAll(s, "\x00", "\x00\x01")+"\x00\x00"
			} else {
				g.dims, g.sort = append(g.dims, "null"), g.sort+"\x00"
			}
		}
		if groups[g.sort] == nil {
			groups[g.sort] = g
		}
		groups[g.sort].lines = append(groups[g.sort].lines, f)
		groups[g.sort].size += len(l)
	}
	var list []*group
	for _, g := range groups {
		list = append(list, g)
	}
	slices.SortFunc(list, func(a, b *group) int { return strings.Compare(a.sort, b.sort) })
	return list
}

func (g *group) sum(name string) string {
	total, seen, float := new(big.Float).SetPrec(4000), false, false
	for _, f := range g.lines {
		s, ok := f.text(name)
		if !ok {
			continue
		}
		raw := string(f[name])
		if raw == "true" || raw == "false" {
			seen = true
			if raw == "true" {
				total.Add(total, big.NewFloat(1))
			}
		} else if n, ok := exactOf(s); ok {
			seen, float = true, float || !n.integer
			total.Add(total, n.value)
		}
	}
	switch {
	case !seen:
		return ""
	case float:
		return floatText(total)
	}
	return total.Text('f', 0)
}

func (g *group) extreme(name string, sign int) string {
	var best *exactNumber
	for _, f := range g.lines {
		s, ok := f.text(name)
		if !ok {
			continue
		}
		n, ok := exactOf(s)
		if !ok {
			continue
		}
		if best == nil || n.value.Cmp(best.value) == sign || n.value.Cmp(best.value) == 0 && n.integer {
			best = &n
		}
	}
	if best == nil {
		return ""
	}
	return best.String()
}

func (g *group) moment(sign int) string {
	var best time.Time
	digits := 0
	for _, f := range g.lines {
		s, _ := f.text("ts")
		ts, _ := time.Parse(time.RFC3339Nano, s)
		d := max(0, strings.IndexByte(s, 'Z')-len("2006-01-02T15:04:05."))
		switch {
		case best.IsZero() || ts.Compare(best) == sign:
			best, digits = ts, d
		case ts.Equal(best):
			digits = max(digits, d)
		}
	}
	layout := "2006-01-02T15:04:05"
	if digits > 0 {
		layout += "." + strings.Repeat("0", digits)
	}
	return best.Format(layout + "Z")
}

func (g *group) histogram(name string, bounds ...float64) string {
	counts := make([]int, len(bounds)+1)
	for _, f := range g.lines {
		s, ok := f.text(name)
		if !ok {
			continue
		}
		n, ok := exactOf(s)
		if !ok {
			continue
		}
		i := 0
		for i < len(bounds) && n.value.Cmp(big.NewFloat(bounds[i])) > 0 {
			i++
		}
		counts[i]++
	}
	return strings.ReplaceAll(fmt.Sprint(counts), " ", ",")
}

func (g *group) distinct(name string) (present, values int) {
	set := map[string]bool{}
	for _, f := range g.lines {
		if s, ok := f.text(name); ok {
			set[s] = true
			present++
		}
	}
	return present, len(set)
}

func (g *group) row(statistic string, dims []string, values ...any) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = fmt.Sprint(v)
	}
	for i, d := range dims {
		if d != "null" && d[0] != '"' {
			dims[i] = `"` + d + `"`
		}
	}
	return fmt.Sprintf("%s [%s] %q", statistic, strings.Join(dims, ","), texts)
}

func recount(lines []string) []string {
	var rows []string
	for _, g := range groupBy(lines, nil, "a", "minute", "b") {
		present, values := g.distinct("n")
		dims := []string{g.dims[1], g.dims[0], g.dims[2]} // time first
		rows = append(rows, g.row("wide", dims, len(g.lines), present, g.sum("n"), g.extreme("n", -1), g.extreme("n", 1),
			g.histogram("n", -1, 0, 0.5, 1e3), values, g.moment(-1), g.moment(1)))
	}
	chosen := func(f fields) bool {
		n, okN := f.text("n")
		b, okB := f.text("b")
		if !okN || !okB {
			return false
		}
		v, ok := exactOf(n)
		return ok && (v.value.Cmp(big.NewFloat(10)) > 0 || b == "x") // a word is not above 10: it fails, whatever b is
	}
	for _, g := range groupBy(lines, chosen, "hour") {
		rows = append(rows, g.row("chosen", g.dims, len(g.lines), g.sum("n"), g.size))
	}
	for _, g := range groupBy(lines, nil, "day") {
		rows = append(rows, g.row("days", g.dims, len(g.lines), g.sum("flag")))
	}
	for _, g := range groupBy(lines, nil) {
		rows = append(rows, g.row("one", g.dims, g.sum("n"), len(g.lines)))
	}
	return rows
}

// TestRecount compares with an independent count.
func TestRecount(t *testing.T) {
	t.Parallel()
	p := compile(t, everything())
	rapid.Check(t, func(rt *rapid.T) {
		lines := lineList(rt)
		got := rowsOf(tallyOf(t, p, lines...))
		if diff := cmp.Diff(recount(lines), got); diff != "" {
			rt.Fatal(diff)
		}
	})
}
