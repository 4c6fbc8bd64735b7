package logline

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Format says how the lines of one protocol are written. The zero value is not valid. Its JSON form is part of a
// generation's definition, so a field must keep its name and meaning.
type Format struct {
	// Name is json, logfmt, tsv, csv, regex, combined or go.
	Name string `json:"name"`
	// Columns names the columns of tsv and csv, left to right; required there.
	Columns []string `json:"columns,omitempty"`
	// Header says that line 0 of every object of tsv or csv repeats the columns and is not a record.
	Header bool `json:"header,omitempty"`
	// Comment is a prefix of lines of tsv and csv that are not records ("#" in Zeek's own logs).
	Comment string `json:"comment,omitempty"`
	// Pattern is the expression of regex: Go syntax, matched against the whole line, each field a named group.
	Pattern string `json:"pattern,omitempty"`
	// Consumer names the Go consumer of go, Version the version of it; both required there. See ConsumerVersion.
	Consumer string `json:"consumer,omitempty"`
	Version  string `json:"version,omitempty"`
}

// ErrBlank says that the line is no record: it is empty or white space only, a comment, or the header. It has a
// line number like any other, and is counted apart.
var ErrBlank = errors.New("blank line")

// The names of the formats.
const (
	formatJSON     = "json"
	formatLogfmt   = "logfmt"
	formatTSV      = "tsv"
	formatCSV      = "csv"
	formatRegex    = "regex"
	formatCombined = "combined"
	formatGo       = "go"
)

// Validate reports the first thing that is wrong with the format. The text begins with the key to change and says
// what to do about it. A consumer that this program does not have is ErrConsumer.
func (f Format) Validate() error {
	if err := f.validateName(); err != nil {
		return err
	}
	if err := f.validateForeign(); err != nil {
		return err
	}
	switch f.Name {
	case formatTSV, formatCSV:
		return f.validateColumns()
	case formatRegex:
		_, err := compilePattern(f.Pattern)
		return err
	case formatGo:
		return f.validateConsumer()
	}
	return nil
}

func (f Format) validateName() error {
	known := []string{formatJSON, formatLogfmt, formatTSV, formatCSV, formatRegex, formatCombined, formatGo}
	switch {
	case f.Name == "":
		return fmt.Errorf("format: missing; set it to one of %s", strings.Join(known, ", "))
	case !slices.Contains(known, f.Name):
		return fmt.Errorf("format: %q is not known; use one of %s", f.Name, strings.Join(known, ", "))
	}
	return nil
}

// validateForeign refuses settings that the format would ignore: somebody meant something by them.
func (f Format) validateForeign() error {
	delimited := f.Name == formatTSV || f.Name == formatCSV
	for _, s := range []struct {
		key, owners string
		set, taken  bool
	}{
		{"columns", "tsv and csv", len(f.Columns) > 0, delimited},
		{"header", "tsv and csv", f.Header, delimited},
		{"comment", "tsv and csv", f.Comment != "", delimited},
		{"pattern", "regex", f.Pattern != "", f.Name == formatRegex},
		{"consumer", "go", f.Consumer != "", f.Name == formatGo},
		{"version", "go", f.Version != "", f.Name == formatGo},
	} {
		if s.set && !s.taken {
			return fmt.Errorf("%s: only for %s; remove it from format %s", s.key, s.owners, f.Name)
		}
	}
	return nil
}

func (f Format) validateConsumer() error {
	if f.Consumer == "" {
		return errors.New("consumer: missing; format go needs the name under which the program registers the consumer of the lines")
	}
	if _, err := findConsumer(f.Consumer, f.Version); err != nil {
		return fmt.Errorf("consumer: %w", err)
	}
	return nil
}

func (f Format) validateColumns() error {
	if len(f.Columns) == 0 {
		return fmt.Errorf("columns: missing; format %s needs the name of every column, left to right", f.Name)
	}
	seen := make(map[string]int, len(f.Columns))
	for i, c := range f.Columns {
		switch first, again := seen[c]; {
		case c == "":
			return fmt.Errorf("columns: number %d has no name; give it one, used or not", i+1)
		case !utf8.ValidString(c):
			return fmt.Errorf("columns: number %d, %q, is not UTF-8; rename it", i+1, c)
		case again:
			return fmt.Errorf("columns: %q is both number %d and number %d; rename one", c, first, i+1)
		}
		seen[c] = i + 1
	}
	return nil
}
