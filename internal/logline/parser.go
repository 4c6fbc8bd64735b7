package logline

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Parser takes the wanted fields out of lines of one format. It owns buffers that Parse reuses, so it belongs to
// one goroutine at a time.
type Parser struct {
	reader  reader
	fields  int
	header  bool
	comment []byte
	copies  []fieldCopy
}

// reader reads one line of its format: without line end, not blank, no comment. It gets as many cleared values as
// it was compiled for, and must refuse the same lines whatever fields are wanted.
type reader interface {
	read(line []byte, values []Value) *BadLine
}

// fieldCopy says that a field was asked for twice: values[to] is what values[from] is.
type fieldCopy struct{ to, from int }

// NewParser compiles a parser of f for the wanted fields; Parse hands their values out in the same order. A field
// may be asked for more than once.
//
// It fails when f is not valid, when a field has no name or is not UTF-8, and when lines of tsv, csv, regex, combined or
// of a Go consumer cannot have the field: the error names it and lists what there is.
func NewParser(f Format, fields []string) (*Parser, error) {
	if err := f.Validate(); err != nil {
		return nil, err
	}
	p := &Parser{fields: len(fields), header: f.Header, comment: []byte(f.Comment)}
	wanted := make([]want, 0, len(fields))
	first := make(map[string]int, len(fields))
	for i, name := range fields {
		if name == "" {
			return nil, fmt.Errorf("field: number %d has no name", i+1)
		}
		if !utf8.ValidString(name) {
			return nil, fmt.Errorf("field %q: not UTF-8, no line can have it", name)
		}
		if from, again := first[name]; again {
			p.copies = append(p.copies, fieldCopy{to: i, from: from})
			continue
		}
		first[name] = i
		wanted = append(wanted, want{name: name, value: i})
	}
	var err error
	p.reader, err = newReader(f, wanted)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// want is one field, and the index of its value in Parse.
type want struct {
	name  string
	value int
}

func newReader(f Format, wanted []want) (reader, error) {
	switch f.Name {
	case formatJSON:
		return newJSONReader(wanted), nil
	case formatLogfmt:
		return newLogfmtReader(wanted), nil
	case formatTSV:
		return newTSVReader(f.Columns, wanted)
	case formatCSV:
		return newCSVReader(f.Columns, wanted)
	case formatRegex:
		return newRegexReader(f.Pattern, wanted)
	case formatGo:
		return newConsumerReader(f, wanted)
	default:
		return newCombinedReader(wanted)
	}
}

// positions places the wanted fields among the names that a format has: for each name the index of its value, -1
// where nobody wants it.
func positions(format string, names []string, wanted []want) ([]int, error) {
	at := make([]int, len(names))
	for i := range at {
		at[i] = -1
	}
	for _, w := range wanted {
		i := slices.Index(names, w.name)
		if i < 0 {
			there := slices.DeleteFunc(slices.Clone(names), func(s string) bool { return s == "" })
			return nil, fmt.Errorf("field %q: format %s does not have it; there are %s",
				w.name, format, strings.Join(there, ", "))
		}
		at[i] = w.value
	}
	return at, nil
}

// Parse reads one line and fills values, one for each field given to NewParser, in that order.
//
// number is the line's number within its object, from 0: line 0 may begin with a UTF-8 byte order mark, and may be
// the header. The line comes without its newline; one carriage return at its end is dropped. Text in values is
// always valid UTF-8: each byte of the line that is not is replaced by U+FFFD. It is a view into the line or into
// the parser, valid until the next call.
//
// Parse returns [ErrBlank] for a line that is no record, or a [*BadLine] for one that does not follow the format;
// values then hold nothing of use. Which lines are refused does not depend on the wanted fields, and neither
// that nor the values depend on the lines before. Parse never panics over what is in a line; it does when values has
// the wrong length.
func (p *Parser) Parse(number int64, line []byte, values []Value) error {
	if len(values) != p.fields {
		panic(fmt.Sprintf("logline: %d values for %d fields", len(values), p.fields))
	}
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	if number == 0 {
		line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
		if p.header {
			return ErrBlank
		}
	}
	if blank(line) || len(p.comment) > 0 && bytes.HasPrefix(line, p.comment) {
		return ErrBlank
	}
	clear(values)
	if bad := p.reader.read(line, values); bad != nil {
		if bad == badUnrecord {
			return ErrBlank
		}
		return bad
	}
	for _, c := range p.copies {
		values[c.to] = values[c.from]
	}
	return nil
}

// blank reports whether a line is empty or ASCII white space only.
func blank(line []byte) bool {
	for _, c := range line {
		if c != ' ' && (c < '\t' || c > '\r') {
			return false
		}
	}
	return true
}
