package archive

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/seed-56345083/reprise/internal/inflate"
)

var gzipPool = sync.Pool{New: func() any { return new(inflate.Reader) }}

// gzipStream reads one member after another, so that the offset of each is known.
type gzipStream struct {
	f     *feed
	z     *inflate.Reader
	after bool // at least one member was read
}

func newGzipStream(f *feed) *gzipStream {
	return &gzipStream{f: f, z: gzipPool.Get().(*inflate.Reader)}
}

func (s *gzipStream) next() error {
	head, err := s.f.br.Peek(len(gzipMagic))
	switch {
	case err != nil && !isEOF(err):
		return s.f.failure("a gzip header", err)
	case len(head) == 0:
		return io.EOF
	case len(head) < len(gzipMagic) && bytes.HasPrefix(gzipMagic, head):
		return s.f.failure("a gzip header", io.ErrUnexpectedEOF)
	case !bytes.Equal(head, gzipMagic) && s.after:
		return &damage{reason: "garbage after the last gzip member"}
	case !bytes.Equal(head, gzipMagic):
		return &damage{reason: "no gzip member begins here"}
	}
	if err := s.z.Reset(s.f.br); err != nil {
		return s.f.failure("a gzip header", err)
	}
	s.after = true
	return nil
}

func (s *gzipStream) Read(p []byte) (int, error) {
	n, err := s.z.Read(p)
	switch {
	case err == nil, isEOF(err):
		return n, err
	case errors.Is(err, inflate.ErrChecksum):
		return n, &damage{reason: "wrong checksum or length of a gzip member"}
	}
	return n, s.f.failure("a gzip member", err)
}

func (s *gzipStream) release() { gzipPool.Put(s.z) }
