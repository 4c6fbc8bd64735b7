package archive

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Layout says how a key names its protocol and its time. Any number of goroutines may use one.
type Layout struct {
	text   string
	parts  []part // literal text and placeholders, in order
	re     *regexp.Regexp
	groups []string // placeholder of each group of re, in order
	finest string   // "", yyyy, mm, dd or hh
}

// part is literal text, or a placeholder's name.
type part struct {
	literal string
	name    string // "": literal
}

// Match is what a key tells of its object.
type Match struct {
	Protocol    string
	From, Until time.Time // the span [From, Until) in UTC; both zero when the layout has no time
}

// placeholders and what each matches. {protocol} takes as little as it can, so of several ways to read a key the one
// with the shortest protocol counts; {rest} is the only one that crosses a '/'.
var placeholders = map[string]string{
	"protocol": `([^/]+?)`,
	"yyyy":     `([1-9][0-9]{3})`,
	"mm":       `([0-9]{2})`,
	"dd":       `([0-9]{2})`,
	"hh":       `([0-9]{2})`,
	"rest":     `(.+)`,
}

// within names what a unit of time needs beside it to mean anything.
var within = []struct{ unit, needs string }{{"mm", "yyyy"}, {"dd", "mm"}, {"hh", "dd"}}

// ParseLayout compiles a layout such as "{protocol}/{yyyy}/{mm}/{dd}/{rest}" or "year={yyyy}/{protocol}-{rest}":
// literal text and the placeholders {protocol} (exactly once), {yyyy}, {mm}, {dd}, {hh} (four and two digits, UTC) and
// {rest}. A placeholder matches at least one byte, and never a '/' except {rest}. Errors show the place.
func ParseLayout(s string) (*Layout, error) {
	l := &Layout{text: s}
	var re strings.Builder
	re.WriteString(`(?s)\A`)
	seen := map[string]int{}
	for at := 0; at < len(s); {
		name, width, err := nextPart(s, at)
		if err != nil {
			return nil, err
		}
		if name == "" {
			l.parts = append(l.parts, part{literal: s[at : at+width]})
			re.WriteString(regexp.QuoteMeta(s[at : at+width]))
			at += width
			continue
		}
		if first, ok := seen[name]; ok {
			return nil, layoutError(s, at, "{%s} stands at byte %d already", name, first)
		}
		if elastic(name) && at > 0 && s[at-1] == '}' && elastic(l.groups[len(l.groups)-1]) {
			return nil, layoutError(s, at, "text is needed between {%s} and {%s}", l.groups[len(l.groups)-1], name)
		}
		seen[name] = at
		l.parts = append(l.parts, part{name: name})
		l.groups = append(l.groups, name)
		re.WriteString(placeholders[name])
		at += width
	}
	if _, ok := seen["protocol"]; !ok {
		return nil, layoutError(s, len(s), "{protocol} is missing")
	}
	if _, ok := seen["yyyy"]; ok {
		l.finest = "yyyy"
	}
	for _, w := range within {
		if at, ok := seen[w.unit]; ok {
			if _, ok := seen[w.needs]; !ok {
				return nil, layoutError(s, at, "{%s} means nothing without {%s}", w.unit, w.needs)
			}
			l.finest = w.unit
		}
	}
	re.WriteString(`\z`)
	var err error
	if l.re, err = regexp.Compile(re.String()); err != nil {
		return nil, layoutError(s, 0, "%v", err)
	}
	return l, nil
}

// nextPart returns the placeholder at a place and its width in bytes, or "" and the width of the literal text there.
func nextPart(s string, at int) (name string, width int, err error) {
	switch i := strings.IndexAny(s[at:], "{}"); {
	case i < 0:
		return "", len(s) - at, nil
	case i > 0:
		return "", i, nil
	case s[at] == '}':
		return "", 0, layoutError(s, at, "'}' closes nothing")
	}
	end := strings.IndexByte(s[at:], '}')
	if end < 0 {
		return "", 0, layoutError(s, at, "'{' is not closed")
	}
	name = s[at+1 : at+end]
	if _, ok := placeholders[name]; !ok {
		return "", 0, layoutError(s, at, "unknown placeholder {%s}; there are {protocol}, {yyyy}, {mm}, {dd}, {hh} and {rest}", name)
	}
	return name, end + 1, nil
}

// elastic placeholders have no length of their own: two in a row could be told apart in any way.
func elastic(name string) bool { return name == "protocol" || name == "rest" }

func layoutError(s string, at int, format string, args ...any) error {
	return fmt.Errorf("layout %q, byte %d: %s", s, at, fmt.Sprintf(format, args...))
}

// String is the layout as it was written.
func (l *Layout) String() string { return l.text }

// Match reads a key, relative to the archive's prefix. It is false when the key does not fit the layout, or names a
// time that does not exist, such as February 30.
func (l *Layout) Match(key string) (Match, bool) {
	found := l.re.FindStringSubmatchIndex(key)
	if found == nil {
		return Match{}, false
	}
	var m Match
	unit := map[string]int{"mm": 1, "dd": 1}
	for i, name := range l.groups {
		text := key[found[2*i+2]:found[2*i+3]]
		switch name {
		case "protocol":
			m.Protocol = text
		case "rest":
		default:
			unit[name], _ = strconv.Atoi(text) // four digits at most
		}
	}
	if l.finest == "" {
		return m, true
	}
	year, month, day, hour := unit["yyyy"], time.Month(unit["mm"]), unit["dd"], unit["hh"]
	m.From = time.Date(year, month, day, hour, 0, 0, 0, time.UTC)
	if m.From.Month() != month || m.From.Day() != day || m.From.Hour() != hour {
		return Match{}, false // Date carried 25:00 or February 30 over
	}
	switch l.finest {
	case "yyyy":
		m.Until = m.From.AddDate(1, 0, 0)
	case "mm":
		m.Until = m.From.AddDate(0, 1, 0)
	case "dd":
		m.Until = m.From.AddDate(0, 0, 1)
	default:
		m.Until = m.From.Add(time.Hour)
	}
	return m, true
}

// Key makes the key, relative to the archive's prefix, of an object of a protocol from a time on; rest takes the place
// of {rest}. It is an error where the layout has no {rest}, which could not tell two objects of one time apart, and where
// Match would read the key in another way ("a-b" under {protocol}-{rest} is protocol a).
func (l *Layout) Key(protocol string, at time.Time, rest string) (string, error) {
	if !slices.Contains(l.groups, "rest") {
		return "", fmt.Errorf("layout %q has no {rest}: objects of one protocol and time would all have the same key", l.text)
	}
	at = at.UTC()
	fill := map[string]string{
		"protocol": protocol, "yyyy": at.Format("2006"), "mm": at.Format("01"), "dd": at.Format("02"), "hh": at.Format("15"), "rest": rest,
	}
	var key strings.Builder
	for _, p := range l.parts {
		key.WriteString(p.literal + fill[p.name])
	}
	m, ok := l.Match(key.String())
	switch timed := l.finest != ""; {
	case !ok:
		return "", fmt.Errorf("key %q does not fit layout %q", key.String(), l.text)
	case m.Protocol != protocol:
		return "", fmt.Errorf("layout %q: key %q of protocol %q would be read as one of %q: put '/' after {protocol}", l.text, key.String(), protocol, m.Protocol)
	case timed && (at.Before(m.From) || !at.Before(m.Until)):
		return "", fmt.Errorf("layout %q: key %q of %s would be read as one of %s", l.text, key.String(), at.Format(time.RFC3339), m.From.Format(time.RFC3339))
	}
	return key.String(), nil
}
