package archive

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// maxWindow bounds the memory of one zstd decoder, in bytes; it is what the zstd command grants without being asked.
const maxWindow = 128 << 20

// skippableHeader is a magic number and a length, in bytes.
const skippableHeader = 8

var zstdPool = sync.Pool{New: func() any {
	// One goroutine per object is faster over many objects than a pipeline inside each.
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow),
		zstd.WithDecoderMaxMemory(maxWindow))
	if err != nil {
		panic(err) // only wrong options do that
	}
	return dec
}}

// zstdStream reads one frame after another. The decoder would run through them all and tell nothing of their ends, so
// it is given each frame on its own.
type zstdStream struct {
	f     *feed
	dec   *zstd.Decoder
	frame zstdFrame
	after bool // at least one frame was read
}

func newZstdStream(f *feed) *zstdStream {
	return &zstdStream{f: f, dec: zstdPool.Get().(*zstd.Decoder)}
}

func (s *zstdStream) next() error {
	for {
		head, err := s.f.br.Peek(zstd.HeaderMaxSize)
		switch {
		case err != nil && !isEOF(err):
			return s.f.failure("a zstd header", err)
		case len(head) == 0:
			return io.EOF
		case isSkippable(head):
			if err := s.skip(head); err != nil {
				return err
			}
			s.after = true
			continue
		}
		return s.open(head)
	}
}

func (s *zstdStream) open(head []byte) error {
	var h zstd.Header
	err := h.Decode(head)
	switch {
	case errors.Is(err, zstd.ErrMagicMismatch) && s.after:
		return &damage{reason: "garbage after the last zstd frame"}
	case errors.Is(err, zstd.ErrMagicMismatch):
		return &damage{reason: "no zstd frame begins here"}
	case err != nil:
		return s.f.failure("a zstd header", err)
	}
	s.after = true
	s.frame = zstdFrame{br: s.f.br, left: h.HeaderSize, sum: h.HasCheckSum}
	return s.dec.Reset(&s.frame)
}

// skip passes over a skippable frame: other tools keep indexes and padding in them.
func (s *zstdStream) skip(head []byte) error {
	if len(head) < skippableHeader {
		return s.f.failure("a skippable zstd frame", io.ErrUnexpectedEOF)
	}
	size := skippableHeader + int64(binary.LittleEndian.Uint32(head[4:]))
	if _, err := io.CopyN(io.Discard, s.f.br, size); err != nil {
		return s.f.failure("a skippable zstd frame", err)
	}
	return nil
}

func (s *zstdStream) Read(p []byte) (int, error) {
	n, err := s.dec.Read(p)
	switch {
	case err == nil:
		return n, nil
	case isEOF(err) && s.frame.atEnd():
		return n, io.EOF
	case errors.Is(err, zstd.ErrCRCMismatch):
		return n, &damage{reason: "wrong checksum of a zstd frame"}
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return n, &damage{reason: "a zstd frame that needs more than 128 MiB of window", err: err}
	case errors.Is(err, zstd.ErrUnknownDictionary):
		return n, &damage{reason: "a zstd frame that needs a dictionary", err: err}
	}
	return n, s.f.failure("a zstd frame", err)
}

func (s *zstdStream) release() {
	if s.dec.Reset(nil) == nil {
		zstdPool.Put(s.dec)
	}
}

// zstdFrame passes on the bytes of one frame and stops exactly at its end. For that it walks from block header to
// block header; what is in the blocks is the decoder's business.
type zstdFrame struct {
	br   *bufio.Reader
	left int  // bytes up to the next block header, the checksum or the end
	last bool // the block being passed on is the last
	sum  bool // four bytes of checksum follow the last block
	done bool // nothing follows what is left
}

func (z *zstdFrame) atEnd() bool { return z.done && z.left == 0 }

func (z *zstdFrame) Read(p []byte) (int, error) {
	for z.left == 0 {
		if z.done {
			return 0, io.EOF
		}
		if err := z.advance(); err != nil {
			return 0, err
		}
	}
	if len(p) > z.left {
		p = p[:z.left]
	}
	n, err := z.br.Read(p)
	z.left -= n
	if isEOF(err) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// advance goes from the end of a header or block to what comes next.
func (z *zstdFrame) advance() error {
	const (
		headerLen = 3
		rle       = 1
		reserved  = 3
	)
	if z.last {
		z.done = true
		if z.sum {
			z.left = 4
		}
		return nil
	}
	b, err := z.br.Peek(headerLen)
	if isEOF(err) {
		return io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	h := int(b[0]) | int(b[1])<<8 | int(b[2])<<16
	z.last = h&1 != 0
	switch h >> 1 & 3 {
	case rle: // one byte stands for all
		z.left = headerLen + 1
	case reserved:
		return zstd.ErrReservedBlockType
	default:
		z.left = headerLen + h>>3
	}
	return nil
}

// isSkippable knows the sixteen magic numbers of skippable frames.
func isSkippable(head []byte) bool {
	return len(head) >= 4 && head[0]&0xf0 == 0x50 && bytes.Equal(head[1:4], []byte{0x2a, 0x4d, 0x18})
}
