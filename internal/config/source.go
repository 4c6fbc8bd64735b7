package config

import (
	"fmt"
	"path/filepath"
	"strings"
)

// Error is one thing that is wrong.
type Error struct {
	// File is the path as given to Load; Line and Column count from 1, 0 when the key is not in the file.
	File         string
	Line, Column int
	// Variable is the environment variable that the value came from, empty for one of the file.
	Variable string
	// Key is the path of the key, such as worker.slots; empty when the file as a whole is meant.
	Key string
	// Text says what is wrong and what to do.
	Text string
	// Excerpt shows the place: the line before, the line, and a caret; empty without a place.
	Excerpt string
}

// Error gives the place, the key and the text in one line, then the excerpt.
func (e *Error) Error() string {
	var b strings.Builder
	switch {
	case e.Variable != "":
		b.WriteString(e.Variable + ": ")
	case e.Line > 0:
		fmt.Fprintf(&b, "%s:%d:%d: ", e.File, e.Line, e.Column)
	case e.File != "":
		b.WriteString(e.File + ": ")
	}
	if e.Key != "" {
		b.WriteString(e.Key + ": ")
	}
	b.WriteString(e.Text)
	if e.Excerpt != "" {
		b.WriteString("\n" + e.Excerpt)
	}
	return b.String()
}

// Errors is everything that is wrong, in the order of the file; never empty when it is returned.
type Errors []*Error

// Error gives the errors, each on lines of its own.
func (e Errors) Error() string {
	texts := make([]string, len(e))
	for i, one := range e {
		texts[i] = one.Error()
	}
	return strings.Join(texts, "\n")
}

// Unwrap lets errors.As find an Error.
func (e Errors) Unwrap() []error {
	all := make([]error, len(e))
	for i, one := range e {
		all[i] = one
	}
	return all
}

// place is where a key stands.
type place struct{ line, column int }

// source knows where each key of a Config came from.
type source struct {
	file      string
	lines     []string
	places    map[string]place  // by the key's path: of its value, or of the key where the value is a map or list
	variables map[string]string // by the key's path: the variable that set it
}

func newSource(file string, text []byte) *source {
	return &source{
		file:      file,
		lines:     strings.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n"),
		places:    map[string]place{},
		variables: map[string]string{},
	}
}

// isSet reports whether the file or a variable gives the key.
func (s *source) isSet(key string) bool {
	if s == nil {
		return false
	}
	_, inFile := s.places[key]
	_, inEnv := s.variables[key]
	return inFile || inEnv
}

// fault makes the Error of a key. A key that is not set is shown at the nearest one above it that is.
func (s *source) fault(key, format string, args ...any) *Error {
	e := &Error{Key: key, Text: fmt.Sprintf(format, args...)}
	if s == nil {
		return e
	}
	if v, ok := s.variables[key]; ok {
		e.Variable = v
		return e
	}
	e.File = s.file
	for at := key; at != ""; at = parent(at) {
		if p, ok := s.places[at]; ok {
			s.point(e, p)
			break
		}
	}
	return e
}

// faultAt makes the Error of a place in the file.
func (s *source) faultAt(p place, key, format string, args ...any) *Error {
	e := &Error{File: s.file, Key: key, Text: fmt.Sprintf(format, args...)}
	s.point(e, p)
	return e
}

// point gives an error its place and the excerpt. Places that the parser got wrong show no excerpt.
func (s *source) point(e *Error, p place) {
	e.Line, e.Column = p.line, p.column
	if p.line < 1 || p.line > len(s.lines) || p.column < 1 {
		return
	}
	width := len(fmt.Sprint(p.line))
	var b strings.Builder
	if p.line > 1 {
		fmt.Fprintf(&b, "  %*d | %s\n", width, p.line-1, clip(s.lines[p.line-2]))
	}
	fmt.Fprintf(&b, "> %*d | %s", width, p.line, clip(s.lines[p.line-1]))
	if p.column <= maxExcerpt {
		fmt.Fprintf(&b, "\n  %s   %s^", strings.Repeat(" ", width), strings.Repeat(" ", p.column-1))
	}
	e.Excerpt = b.String()
}

// maxExcerpt is how many characters of a line an excerpt shows.
const maxExcerpt = 160

func clip(line string) string {
	line = strings.ReplaceAll(line, "\t", " ") // one column each, so that the caret stands right
	if r := []rune(line); len(r) > maxExcerpt {
		return string(r[:maxExcerpt]) + "…"
	}
	return line
}

// parent is the key above a key, empty at the top. Keys that users name may hold dots, so that the parent of
// protocols.a.b is protocols.a even where the protocol is "a.b": good enough to point at.
func parent(key string) string {
	i := strings.LastIndexByte(key, '.')
	return key[:max(i, 0)]
}

// resolve makes a path of the file relative to the file's folder.
func (s *source) resolve(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(s.file), path)
}
