package logline

import (
	"fmt"
	"regexp"
	"regexp/syntax"
)

// regexReader matches the whole line against a pattern whose named groups are the fields. A group that took no
// part in the match is missing, one that matched nothing is the empty text. The standard library's matcher makes
// one small slice per line; there is no way to hand it one.
type regexReader struct {
	scratch
	pattern *regexp.Regexp
	at      []int // for each group the index of its value, -1 for none
}

func newRegexReader(pattern string, wanted []want) (*regexReader, error) {
	re, err := compilePattern(pattern)
	if err != nil {
		return nil, err
	}
	at, err := positions(formatRegex, re.SubexpNames(), wanted)
	if err != nil {
		return nil, err
	}
	return &regexReader{pattern: re, at: at}, nil
}

// compilePattern compiles a pattern so that it matches whole lines only.
func compilePattern(pattern string) (*regexp.Regexp, error) {
	if pattern == "" {
		return nil, fmt.Errorf("pattern: missing; format regex needs an expression with a named group per field")
	}
	// It is compiled by itself first, so that nothing like "a)|(b" can break out of the group around it.
	if _, err := syntax.Parse(pattern, syntax.Perl); err != nil {
		return nil, fmt.Errorf("pattern: %w; see https://pkg.go.dev/regexp/syntax", err)
	}
	re, err := regexp.Compile(`\A(?:` + pattern + `)\z`)
	if err != nil {
		// It is right by itself, so it leaves a \Q open, which swallows what stands behind it.
		re, err = regexp.Compile(`\A(?:` + pattern + `\E)\z`)
	}
	if err != nil {
		return nil, fmt.Errorf("pattern: %w", err)
	}
	for _, name := range re.SubexpNames() {
		if name != "" {
			return re, nil
		}
	}
	return nil, fmt.Errorf("pattern: no named group; write (?P<name>…) around what each field is")
}

func (r *regexReader) read(line []byte, values []Value) *BadLine {
	r.reset()
	m := r.pattern.FindSubmatchIndex(line)
	if m == nil {
		return badRegexMatch
	}
	for group, v := range r.at {
		if v >= 0 && m[2*group] >= 0 {
			values[v] = Value{Kind: Text, Text: r.text(line[m[2*group]:m[2*group+1]])}
		}
	}
	return nil
}
