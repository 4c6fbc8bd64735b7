package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
)

const (
	defaultMaxLine = 1 << 20
	defaultBuffer  = 256 << 10
)

// LinesParams say what to read and how.
type LinesParams struct {
	Key     string
	ETag    string // pins the version, see [OpenParams]
	Size    int64  // bytes as stored; a body that ends before is a failing connection, not a short object
	Frame   Frame  // where to begin; the zero Frame is the start of the object
	Line    int64  // the first line to hand out, at least Frame.Line; the lines between are skipped
	MaxLine int    // bytes of a line, without its newline; default 1 MiB
	Buffer  int    // bytes of text read ahead; default 256 KiB; grows to no more than MaxLine + Buffer (or + 4 KiB)

	// Spare, where there is one, tells whether a processor has nothing to do. It is asked now and then while a compressed
	// object is read; once it says yes, the rest is unpacked by a goroutine of its own, which holds three Buffers more and
	// is at most so far ahead. Lines, positions and errors are the same.
	Spare func() bool
}

func (p *LinesParams) normalize() error {
	if p.MaxLine <= 0 {
		p.MaxLine = defaultMaxLine
	}
	if p.Buffer <= 0 {
		p.Buffer = defaultBuffer
	}
	p.MaxLine = min(p.MaxLine, math.MaxInt32/2)
	p.Buffer = min(p.Buffer, math.MaxInt32/2)
	f := p.Frame
	switch {
	case f.Offset < 0 || f.Offset > p.Size:
		return fmt.Errorf("frame at byte %d of an object of %d bytes", f.Offset, p.Size)
	case f.Offset == 0 && f.Line != 0:
		return fmt.Errorf("frame of line %d at byte 0", f.Line)
	case f.Line < 0 || p.Line < f.Line:
		return fmt.Errorf("line %d lies before its frame's line %d", p.Line, f.Line)
	}
	return nil
}

// Line is one line of an object.
type Line struct {
	Number  int64  // from 0
	Bytes   []byte // without the newline, with a carriage return if there is one; valid until the next call
	TooLong bool   // longer than MaxLine: Bytes are its first MaxLine bytes, the rest was skipped
}

// Lines reads the lines of one object: it decompresses, splits at newlines and keeps count of where it is. A last line
// without a newline is a line; an empty object has none; a line may run from one gzip member or zstd frame into the
// next, as with cat.
//
// A Lines belongs to one goroutine and must be closed. Steady state allocates nothing.
type Lines struct {
	ctx    context.Context // of OpenLines: a line has no room for one of its own; ends with Close
	cancel context.CancelFunc
	body   io.Closer
	feed   *feed
	stream stream
	ahead  *ahead // the stream, where it is one
	spare  func() bool
	size   int // LinesParams.Buffer
	codec  string
	key    string

	pooled  *block
	buf     []byte
	r, w    int // buf[r:w] is text read ahead
	scan    int // buf[r:scan] holds no newline
	limit   int // what buf may grow to
	maxLine int

	at       int64 // number of the line that begins at r
	from     int64 // number of the first line to hand out; below it lines are skipped
	mid      bool  // the start of line at was dropped while skipping
	ended    bool  // the piece has ended at w
	base     int64 // text before buf[0], counted from OpenLines
	start    Frame // where reading began
	frame    Frame // the last boundary passed
	consumed int64 // stored bytes, kept by Close

	cause error // of the stream, once it failed: reported after the lines before it
	err   error // what Next keeps returning
}

// OpenLines opens an object for reading line by line. The context governs all later reads. Errors are those of
// [Archive.Open] and, where the first bytes already tell, a [CorruptError].
func OpenLines(ctx context.Context, a Archive, p LinesParams) (*Lines, error) {
	if err := p.normalize(); err != nil {
		return nil, fmt.Errorf("reading %s: %w", p.Key, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	body, err := a.Open(ctx, OpenParams{Key: p.Key, ETag: p.ETag, Offset: p.Frame.Offset})
	if err != nil {
		cancel()
		return nil, err
	}
	l := &Lines{
		ctx: ctx, cancel: cancel, body: body, feed: newFeed(body, p.Frame.Offset, p.Size), key: p.Key,
		spare: p.Spare, size: p.Buffer,
		limit: p.MaxLine + max(p.Buffer, minTail), maxLine: p.MaxLine,
		at: p.Frame.Line, from: p.Line, start: p.Frame, ended: true,
	}
	l.stream, l.codec, err = openStream(l.feed, p.Key, p.Frame)
	if err != nil {
		err = l.describe(err)
		_ = l.Close()
		return nil, err
	}
	l.start.Codec = l.codec
	l.frame = l.start
	l.pooled = getBlock(p.Buffer)
	l.buf = l.pooled.b[:p.Buffer]
	return l, nil
}

// Next returns the next line; io.EOF at the clean end of the object, where every checksum was right and every stored
// byte was used. A [CorruptError] says where the object is cut off or damaged: the lines before it were handed out, an
// unfinished piece of a line is not. Any other error is the body's own, wrapped with key and line: reading may be
// tried again from Number and Frame. After an error Next keeps returning it.
func (l *Lines) Next() (Line, error) {
	if l.err != nil {
		return Line{}, l.err
	}
	if l.at < l.from {
		if err := l.skip(); err != nil {
			return Line{}, err
		}
	}
	for {
		if i := bytes.IndexByte(l.buf[l.scan:l.w], '\n'); i >= 0 {
			return l.take(l.scan+i, l.scan+i+1), nil
		}
		l.scan = l.w
		if l.w-l.r > l.maxLine {
			return l.tooLong()
		}
		if !l.fill() {
			if isEOF(l.cause) && l.r < l.w {
				return l.take(l.w, l.w), nil
			}
			return Line{}, l.fail()
		}
	}
}

// take hands out buf[r:end] and goes on at next.
func (l *Lines) take(end, next int) Line {
	line := Line{Number: l.at, Bytes: l.buf[l.r:end:end]}
	if len(line.Bytes) > l.maxLine {
		line.Bytes, line.TooLong = line.Bytes[:l.maxLine], true
	}
	l.r, l.scan = next, next
	l.at++
	return line
}

// tooLong keeps the first maxLine bytes and drops the rest of the line block by block. It is only handed out when its
// end is found: a line that is cut off is not a line, however long.
func (l *Lines) tooLong() (Line, error) {
	l.shift()
	l.grow(l.limit)
	for {
		l.base += int64(l.w - l.r - l.maxLine)
		l.w = l.r + l.maxLine
		l.scan = l.w
		more := l.fill()
		end, next := l.w, l.w
		if i := bytes.IndexByte(l.buf[l.scan:l.w], '\n'); i >= 0 {
			end, next = l.scan+i, l.scan+i+1
		} else if more {
			continue
		} else if !isEOF(l.cause) {
			return Line{}, l.fail()
		}
		line := l.take(end, next)
		line.Bytes, line.TooLong = line.Bytes[:l.maxLine:l.maxLine], true
		return line, nil
	}
}

// skip drops lines until at is from. Newlines are counted a block at a time, and no line is ever put together.
func (l *Lines) skip() error {
	for {
		b := l.buf[l.r:l.w]
		if n := int64(bytes.Count(b, []byte{'\n'})); n > 0 && n <= l.from-l.at {
			l.at += n
			l.mid = false
			l.r += bytes.LastIndexByte(b, '\n') + 1
		} else if n > 0 {
			for l.at < l.from {
				l.r += bytes.IndexByte(l.buf[l.r:l.w], '\n') + 1
				l.at++
			}
			l.mid = false
		}
		if l.at == l.from {
			l.scan = l.r
			return nil
		}
		l.mid = l.mid || l.r < l.w
		l.r, l.scan = l.w, l.w
		if l.fill() {
			continue
		}
		if isEOF(l.cause) && l.mid {
			l.at++ // a last line without a newline
			l.mid = false
		}
		if isEOF(l.cause) && l.at < l.from {
			l.cause = &damage{reason: fmt.Sprintf("it ends before line %d, where reading was to go on", l.from)}
		}
		return l.fail()
	}
}

// fail makes cause what Next returns from now on.
func (l *Lines) fail() error {
	l.err = l.describe(l.cause)
	return l.err
}

// describe adds the place to an error of the stream or the body.
func (l *Lines) describe(err error) error {
	if isEOF(err) {
		return io.EOF
	}
	if d, ok := errors.AsType[*damage](err); ok {
		return &CorruptError{Key: l.key, Line: l.at, Offset: l.offset(), Reason: d.reason, Err: d.err}
	}
	return fmt.Errorf("reading %s at line %d: %w", l.key, l.at, err)
}

// Number is the number of the next line to be read: the position a cursor keeps.
func (l *Lines) Number() int64 { return max(l.at, l.from) }

// Frame is the last place at or before Number where a later read can begin: exactly there in a plain object, the last
// gzip member or zstd frame that began with a new line otherwise.
func (l *Lines) Frame() Frame {
	switch {
	case l.mid:
	case l.codec == Plain:
		return Frame{Offset: l.start.Offset + l.Read(), Line: l.at, Codec: Plain}
	case l.ended && l.r == l.w && l.feed != nil:
		return Frame{Offset: l.offset(), Line: l.at, Codec: l.codec}
	}
	return l.frame
}

// Consumed is how many of the object's stored bytes are used up, counted from its start. It runs ahead of Number by
// what is decoded and not yet handed out, and is the object's size at a clean end.
func (l *Lines) Consumed() int64 {
	switch {
	case l.codec == Plain:
		return l.start.Offset + l.Read()
	case l.feed == nil:
		return l.consumed
	}
	return l.offset()
}

// Read is how many uncompressed bytes were handed out or skipped since OpenLines, newlines included.
func (l *Lines) Read() int64 { return l.base + int64(l.r) }

// Close gives the body and the buffers back; the bytes of the last line are no longer valid. The position can still
// be asked for. Closing twice does nothing.
func (l *Lines) Close() error {
	if l.body == nil {
		return nil
	}
	l.frame, l.consumed = l.Frame(), l.Consumed()
	if l.err == nil {
		l.err = fmt.Errorf("reading %s at line %d: %w", l.key, l.at, io.ErrClosedPipe)
	}
	if l.stream != nil {
		l.stream.release()
	}
	l.feed.release()
	putBlock(l.pooled)
	err := l.body.Close()
	l.cancel()
	l.body, l.feed, l.stream, l.ahead, l.pooled, l.buf = nil, nil, nil, nil, nil, nil
	return err
}
