package logline

// Kind says what a field was in the line.
type Kind uint8

// The kinds of a value. Formats without types (logfmt, tsv, csv, regex, combined) know Missing, Null and Text only.
const (
	Missing Kind = iota // the line has no such field
	// Null: the field is there and has no value. JSON null; "-" in combined; "-" or nothing in a cell of tsv; an
	// empty cell without quotes in csv; a key of logfmt without equals sign, or with nothing after it.
	Null
	Text      // a string, unescaped
	Number    // a JSON number, as written
	Bool      // the JSON literals true and false, as written
	Composite // a JSON object or array, raw, as written
)

// Value is one field of one line. Text is a view into the line or into the parser's own buffer: it is valid until
// the next call of Parse, and must not be written to. It is nil for Missing and Null, and valid UTF-8 always.
type Value struct {
	Kind Kind
	Text []byte
}

// Present reports whether the field is there and not null.
func (v Value) Present() bool { return v.Kind > Null }
