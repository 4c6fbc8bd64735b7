package logline

import "fmt"

// Parser takes the wanted fields out of lines of one format.
type Parser struct{ fields int }

// NewParser compiles a parser for the wanted fields.
func NewParser(f Format, fields []string) (*Parser, error) {
	if err := f.Validate(); err != nil {
		return nil, err
	}
	return &Parser{fields: len(fields)}, nil
}

// Parse fills values, in the order of the fields given to NewParser.
func (p *Parser) Parse(number int64, line []byte, values []Value) error {
	if len(values) != p.fields {
		panic(fmt.Sprintf("logline: %d values for %d fields", len(values), p.fields))
	}
	return ErrBlank
}
