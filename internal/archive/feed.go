package archive

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"sync"
)

// feedSize is how much of the stored object is buffered in front of a decoder: large enough that a read of the body
// is rare, small enough that hundreds of slots cost nothing. It must hold the sniffed head and a zstd frame header.
const feedSize = 64 << 10

var feedPool = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, feedSize) }}

// errLonger is a body that goes on where the listing said it ends.
var errLonger = errors.New("the body goes on after its last byte")

// feed is the stored object as decoders read it. It is a *bufio.Reader below because package inflate decodes from its
// buffer and never takes a byte past the end of its member from it; so the position is always exact.
type feed struct {
	br   *bufio.Reader
	src  source
	size int64
}

func newFeed(body io.Reader, offset, size int64) *feed {
	f := &feed{src: source{body: body, left: size - offset}, size: size}
	f.br = feedPool.Get().(*bufio.Reader)
	f.br.Reset(&f.src)
	return f
}

// offset is the stored byte that a decoder gets next, counted from the start of the object.
func (f *feed) offset() int64 { return f.size - f.src.left - int64(f.br.Buffered()) }

// failure tells what an error of a decoder means: the connection's own error where there was one (it may be tried
// again), otherwise damage inside the thing being read. The decoder may see a failing connection as a short or even as
// a bad stream, so the connection is asked first.
func (f *feed) failure(inside string, err error) error {
	switch {
	case errors.Is(f.src.err, errLonger):
		return &damage{reason: fmt.Sprintf("longer than its %d bytes", f.size)}
	case f.src.err != nil:
		return f.src.err
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return &damage{reason: "cut off inside " + inside}
	}
	return &damage{reason: "damaged " + inside, err: err}
}

func (f *feed) release() {
	f.br.Reset(nil)
	feedPool.Put(f.br)
}

// isEOF knows the end of a body. A wrapped io.EOF is none: HTTP clients report a lost connection so.
func isEOF(err error) bool { return err == io.EOF } //nolint:errorlint // see above

// source is the body, held to the length it should have. It remembers how the body failed.
type source struct {
	body  io.Reader
	left  int64 // bytes still to come
	err   error // of the body, sticky; never io.EOF
	ended bool  // the body said io.EOF, and in the right place
	one   [1]byte
}

func (s *source) Read(p []byte) (int, error) {
	switch {
	case s.err != nil:
		return 0, s.err
	case s.ended:
		return 0, io.EOF
	case s.left == 0:
		return 0, s.end()
	}
	if int64(len(p)) > s.left {
		p = p[:s.left]
	}
	n, err := s.body.Read(p)
	s.left -= int64(n)
	switch {
	case err == nil:
		return n, nil
	case !isEOF(err):
		s.err = err
	case s.left > 0:
		// The object has these bytes, the connection lost them: to be tried again, not corruption.
		s.err = fmt.Errorf("body ended %d bytes early: %w", s.left, io.ErrUnexpectedEOF)
	default:
		s.ended = true
		return n, io.EOF
	}
	return n, s.err
}

// end reads the body to its io.EOF, where drivers report what they only know then: that the object has changed.
func (s *source) end() error {
	for range 100 {
		n, err := s.body.Read(s.one[:])
		switch {
		case n > 0:
			s.err = errLonger
		case err == nil:
			continue
		case isEOF(err):
			s.ended = true
			return io.EOF
		default:
			s.err = err
		}
		return s.err
	}
	s.err = io.ErrNoProgress
	return s.err
}
