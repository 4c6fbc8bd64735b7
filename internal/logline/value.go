package logline

// Kind says what a field was in the line.
type Kind uint8

// The kinds of a value. Formats without types (logfmt, tsv, csv, regex, combined) know Missing, Null and Text only.
const (
	Missing   Kind = iota // the line has no such field
	Null                  // the field is there and null (JSON null, "-" in combined, an unset column in tsv)
	Text                  // a string, unescaped
	Number                // a JSON number, as written
	Bool                  // the JSON literals true and false, as written
	Composite             // a JSON object or array, raw, as written
)

// Value is one field of one line. Text is a view into the line or into the parser's own buffer: it is valid until
// the next call of Parse, and must not be written to.
type Value struct {
	Kind Kind
	Text []byte
}

// Present reports whether the field is there and not null.
func (v Value) Present() bool { return v.Kind > Null }
