package archive

import (
	"context"
	"errors"
)

// LinesParams say what to read and how.
type LinesParams struct {
	Key     string
	ETag    string // pins the version, see [OpenParams]
	Size    int64  // bytes as stored; a body that ends before is a failing connection, not a short object
	Frame   Frame  // where to begin; the zero Frame is the start of the object
	Line    int64  // the first line to hand out, at least Frame.Line; the lines between are skipped
	MaxLine int    // bytes of a line, without its newline; default 1 MiB
	Buffer  int    // bytes read ahead; default 256 KiB
}

// Line is one line of an object.
type Line struct {
	Number  int64  // from 0
	Bytes   []byte // without the newline, with a carriage return if there is one; valid until the next call
	TooLong bool   // longer than MaxLine: Bytes are its first MaxLine bytes, the rest was skipped
}

// Lines reads the lines of one object. It belongs to one goroutine.
type Lines struct {
	number int64
	frame  Frame
}

// OpenLines opens an object for reading line by line.
func OpenLines(ctx context.Context, a Archive, p LinesParams) (*Lines, error) {
	return &Lines{number: p.Line, frame: p.Frame}, nil
}

// Next returns the next line; io.EOF at the clean end of the object.
func (l *Lines) Next() (Line, error) { return Line{}, errors.ErrUnsupported }

// Number is the number of the next line to be read: the position a cursor keeps.
func (l *Lines) Number() int64 { return l.number }

// Frame is the last place at or before Number where a later read can begin.
func (l *Lines) Frame() Frame { return l.frame }

// Consumed is how many of the object's stored bytes are used up, counted from its start.
func (l *Lines) Consumed() int64 { return 0 }

// Read is how many uncompressed bytes were handed out or skipped since OpenLines.
func (l *Lines) Read() int64 { return 0 }

// Close gives up the body and the buffers.
func (l *Lines) Close() error { return nil }
