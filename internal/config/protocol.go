package config

import (
	"strings"

	"github.com/seed-56345083/reprise/internal/logline"
	"github.com/seed-56345083/reprise/internal/stats"
)

// validName is what protocols, statistics and measures may be called: names end up in keys of tables and objects,
// in file names and in headers of CSV.
func validName(s string) bool { return isName(s, 1, 64, "_.-") }

const textName = "%q is no name; use 1 to 64 letters, digits, '_', '.' and '-'"

// The range of max_line.
const (
	minLine = Bytes(64)
	maxLine = Bytes(64 << 20)
)

func (v *validator) protocol(c Config, name string) {
	p := c.Protocol[name]
	key := protocolKey(name)
	before := len(v.errs)
	v.must(validName(name) && strings.Trim(name, ".") != "", key, textName, name)
	if err := p.format().Validate(); err != nil {
		v.failBelow(key, err)
	}
	v.timestamp(key, p)
	v.must(p.MaxLine == 0 && !v.src.isSet(join(key, "max_line")) || p.MaxLine >= minLine && p.MaxLine <= maxLine,
		join(key, "max_line"), "%v is out of range; use %v to %v", p.MaxLine, minLine, maxLine)
	if at := join(key, "archived_by"); p.ArchivedBy != "" || v.src.isSet(at) {
		v.oneOf(at, p.ArchivedBy, ArchivedByReprise, ArchivedByOthers)
	}
	v.statistics(join(key, "stats"), p)
	if len(v.errs) == before {
		v.compile(key, c.Definition(name))
	}
}

// failBelow reports an error whose text begins with a key.
func (v *validator) failBelow(key string, err error) {
	sub, text, ok := strings.Cut(err.Error(), ": ")
	if !ok || strings.ContainsAny(sub, " ") {
		sub, text = "", err.Error()
	}
	if sub != "" {
		key = join(key, sub)
	}
	v.fail(key, "%s", text)
}

func (v *validator) timestamp(key string, p Protocol) {
	field, _ := logline.DefaultTimestamp(p.Format)
	v.must(p.Timestamp != "" || field != "" || p.Format == "", join(key, "timestamp"),
		"missing; name the field of a line's timestamp (format %s has no field of its own for it)", p.Format)
	if p.Layout == "" {
		return
	}
	if _, err := logline.NewTimeParser(p.Layout); err != nil {
		v.failBelow(key, err)
	}
}

func (v *validator) statistics(key string, p Protocol) {
	v.must(len(p.Stats) > 0, key, "there is none; describe at least one")
	v.must(len(p.Stats) <= stats.MaxStatistics, key, "there are %d; a protocol may have %d at most", len(p.Stats), stats.MaxStatistics)
	for _, s := range p.Stats {
		at := join(key, s.Name)
		v.must(validName(s.Name), at, textName, s.Name)
		v.must(len(s.Measures) > 0, join(at, "measures"), "there is none; write at least one, such as lines: count")
		for _, m := range s.Measures {
			v.must(validName(m.Name), join(join(at, "measures"), m.Name), textName, m.Name)
			v.must(m.Func != "", join(join(at, "measures"), m.Name), "is empty; write what is measured, such as count or sum(field)")
		}
	}
}

// compile lets the aggregator check the definition. To show the right line it finds the smallest part that does not
// compile: a statistic alone, then its where, its by, its measures one by one.
func (v *validator) compile(key string, d stats.Definition) {
	_, err := stats.Compile(d)
	if err == nil {
		return
	}
	found := false
	for _, s := range d.Stats {
		if one := compileOne(d, s); one != nil {
			found = true
			v.statistic(join(join(key, "stats"), s.Name), d, s, one)
		}
	}
	if !found {
		v.fail(key, "%s", tail(err, d.Protocol))
	}
}

// compileOne compiles one statistic alone.
func compileOne(d stats.Definition, s stats.Statistic) error {
	d.Stats = []stats.Statistic{s}
	_, err := stats.Compile(d)
	return err
}

func (v *validator) statistic(key string, d stats.Definition, s stats.Statistic, whole error) {
	plain := []stats.Measure{{Name: "lines", Func: "count"}}
	found := false
	try := func(at string, part stats.Statistic) {
		part.Name = s.Name
		if err := compileOne(d, part); err != nil {
			found = true
			v.fail(at, "%s", tail(err, d.Protocol, "stats", s.Name, "where", "by", "measures", at[strings.LastIndexByte(at, '.')+1:]))
		}
	}
	try(join(key, "where"), stats.Statistic{Where: s.Where, Measures: plain})
	try(join(key, "by"), stats.Statistic{By: s.By, Measures: plain})
	for _, m := range s.Measures {
		try(join(join(key, "measures"), m.Name), stats.Statistic{Measures: []stats.Measure{m}})
	}
	if !found { // what is wrong lies between the parts
		v.fail(key, "%s", tail(whole, d.Protocol, "stats", s.Name))
	}
}

// tail cuts the words from the front of an error's text that the key says already.
func tail(err error, said ...string) string {
	text := err.Error()
	for {
		word, rest, ok := strings.Cut(text, ": ")
		if !ok || !allSaid(word, said) {
			return text
		}
		text = rest
	}
}

func allSaid(words string, said []string) bool {
	for _, w := range strings.FieldsFunc(words, func(r rune) bool { return r == ' ' || r == '"' || r == '.' }) {
		known := w == "protocol" || w == "protocols" || w == "statistic" || w == "measure"
		for _, s := range said {
			known = known || w == s
		}
		if !known {
			return false
		}
	}
	return true
}
