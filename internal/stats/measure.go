package stats

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// The functions that a measure may be.
const (
	funcCount     = "count"
	funcSum       = "sum"
	funcMin       = "min"
	funcMax       = "max"
	funcHistogram = "histogram"
	funcDistinct  = "distinct"
)

var functions = []string{funcCount, funcSum, funcMin, funcMax, funcHistogram, funcDistinct}

// measure is a Measure that was understood.
type measure struct {
	name   string
	label  []byte // the name as a member of a JSON object, with its colon
	fn     string
	field  string // empty for count of lines
	slot   int    // of the field; -1 for count of lines
	moment bool   // min or max of the timestamp
	bounds []float64
}

// parseFunc reads a measure's function: name, name(field) or histogram(field, bound, ...).
func parseFunc(text string) (measure, error) {
	var m measure
	text = strings.TrimSpace(text)
	name, rest, called := strings.Cut(text, "(")
	m.fn = strings.TrimSpace(name)
	var args []string
	if called {
		inner, ok := strings.CutSuffix(rest, ")")
		if !ok {
			return m, fmt.Errorf("%q: the closing parenthesis is missing", text)
		}
		var err error
		if args, err = splitArgs(inner); err != nil {
			return m, fmt.Errorf("%q: %w", text, err)
		}
	}
	switch m.fn {
	case funcCount:
		if !called {
			return m, nil
		}
	case funcSum, funcMin, funcMax, funcHistogram, funcDistinct:
	case "":
		return m, fmt.Errorf("the function is missing; use one of %s", strings.Join(functions, ", "))
	default:
		hint := "use one of " + strings.Join(functions, ", ")
		if near := nearest(m.fn, functions); near != "" {
			hint = fmt.Sprintf("did you mean %s?", near)
		}
		return m, fmt.Errorf("%q: there is no function %s; %s", text, m.fn, hint)
	}
	if len(args) == 0 || args[0] == "" {
		return m, fmt.Errorf("%q: name the field, as in %s(field)", text, m.fn)
	}
	m.field = args[0]
	if m.fn == funcHistogram {
		return m.withBounds(text, args[1:])
	}
	if len(args) > 1 {
		return m, fmt.Errorf("%q: %s takes one field; quote a name that has a comma in it", text, m.fn)
	}
	return m, nil
}

func (m measure) withBounds(text string, args []string) (measure, error) {
	if len(args) == 0 {
		return m, fmt.Errorf("%q: give the upper bounds of the buckets, as in histogram(%s, 0.1, 1)", text, m.field)
	}
	for i, a := range args {
		n := numberOf([]byte(a))
		if n.kind == numNone {
			return m, fmt.Errorf("%q: bound %q is not a finite number", text, a)
		}
		b := n.float()
		if i > 0 && b <= m.bounds[i-1] {
			return m, fmt.Errorf("%q: bound %s is not above the one before; write the bounds ascending", text, a)
		}
		m.bounds = append(m.bounds, b)
	}
	return m, nil
}

// splitArgs cuts at commas; an argument may be a quoted Go string.
func splitArgs(s string) ([]string, error) {
	var args []string
	for {
		s = strings.TrimSpace(s)
		var arg string
		if strings.HasPrefix(s, `"`) {
			quoted, err := strconv.QuotedPrefix(s)
			if err != nil {
				return nil, fmt.Errorf("a quote is not closed")
			}
			if arg, err = strconv.Unquote(quoted); err != nil {
				return nil, fmt.Errorf("%s is not a quoted name", quoted)
			}
			s = strings.TrimSpace(s[len(quoted):])
			if s != "" && s[0] != ',' {
				return nil, fmt.Errorf("a comma is missing after %s", quoted)
			}
		} else if i := strings.IndexByte(s, ','); i >= 0 {
			arg, s = strings.TrimSpace(s[:i]), s[i:]
		} else {
			arg, s = s, ""
		}
		args = append(args, arg)
		if s == "" {
			return args, nil
		}
		s = s[1:]
	}
}

// canonical is the measure in one spelling: what blobs and states of it are recognised by.
func (m measure) canonical() string {
	var b []byte
	b = append(b, m.fn...)
	if m.field != "" {
		b = strconv.AppendQuote(append(b, '('), m.field)
		for _, x := range m.bounds {
			b = strconv.AppendFloat(append(b, ','), x, 'g', -1, 64)
		}
		b = append(b, ')')
	}
	return string(b)
}

func (m measure) column() column {
	switch m.fn {
	case funcCount:
		return &countColumn{slot: m.slot}
	case funcSum:
		return &sumColumn{slot: m.slot}
	case funcHistogram:
		return &histogramColumn{slot: m.slot, bounds: m.bounds}
	case funcDistinct:
		return &distinctColumn{slot: m.slot}
	}
	if m.moment {
		return &momentColumn{max: m.fn == funcMax}
	}
	return &extremeColumn{slot: m.slot, max: m.fn == funcMax}
}

// nearest gives the candidate that a word is most likely a misspelling of, or "".
func nearest(word string, candidates []string) string {
	best, least := "", math.MaxInt
	for _, c := range candidates {
		if d := distance(strings.ToLower(word), c); d < least {
			best, least = c, d
		}
	}
	if least <= max(1, len(best)/2) {
		return best
	}
	return ""
}

// distance is Levenshtein's, with a swap of neighbours as one step.
func distance(a, b string) int {
	before, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			step := 1
			if a[i-1] == b[j-1] {
				step = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+step)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
		}
		before, prev, cur = prev, cur, before
	}
	return prev[len(b)]
}
