package archive

import (
	"bytes"
	"fmt"
	"io"
	"path"
	"strings"
)

// stream is the text of an object in pieces: a gzip member, a zstd frame; a plain object is one piece. A decoder of
// any make stands behind it. The order of calls is next, Read until io.EOF, next, …; after any other error only
// release. Errors that are the object's own are *damage, all others come from the body.
type stream interface {
	// next goes to the next piece; io.EOF when there is none, and then the body has been read to its end.
	next() error
	// Read gives text of this piece, io.EOF (with or after the last bytes) at its end, its checksum being right.
	// At that moment the feed stands exactly behind the piece.
	Read(p []byte) (int, error)
	// release gives pooled memory back.
	release()
}

// damage says what is wrong with the stored bytes; Lines adds the place.
type damage struct {
	reason string
	err    error
}

func (d *damage) Error() string { return d.reason }

var (
	gzipMagic = []byte{0x1f, 0x8b}
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
)

// sniffLen is how many bytes decide whether an object is text.
const sniffLen = 512

// openStream finds the codec, by the first bytes where the object is read from its start, otherwise as the frame says.
func openStream(f *feed, key string, at Frame) (stream, string, error) {
	codec := at.Codec
	if at.Offset == 0 {
		var err error
		if codec, err = sniff(f, key); err != nil {
			return nil, "", err
		}
	}
	switch codec {
	case Plain:
		return &plainStream{f: f}, codec, nil
	case Gzip:
		return newGzipStream(f), codec, nil
	case Zstd:
		return newZstdStream(f), codec, nil
	}
	return nil, "", fmt.Errorf("unknown codec %q of the frame at byte %d", codec, at.Offset)
}

// sniff tells the codec by the first bytes. The key's suffix only says what the bytes should have been: text under a
// name in .gz is read as text (some tools decompress on the way and keep the name), anything else is damage.
func sniff(f *feed, key string) (string, error) {
	head, err := f.br.Peek(sniffLen)
	if err != nil && !isEOF(err) {
		return "", f.failure("its first bytes", err)
	}
	switch {
	case bytes.HasPrefix(head, gzipMagic):
		return Gzip, nil
	case bytes.HasPrefix(head, zstdMagic), isSkippable(head):
		return Zstd, nil
	}
	suffix := strings.ToLower(path.Ext(key))
	magic := map[string][]byte{".gz": gzipMagic, ".gzip": gzipMagic, ".zst": zstdMagic, ".zstd": zstdMagic}[suffix]
	switch {
	case magic == nil:
		return Plain, nil
	case len(head) == 0:
		return "", &damage{reason: "named " + suffix + " but empty"}
	case len(head) < len(magic) && bytes.HasPrefix(magic, head):
		return "", &damage{reason: "named " + suffix + " but cut off inside its first bytes"}
	case !isText(head):
		return "", &damage{reason: "named " + suffix + " but its bytes are neither that nor text"}
	}
	return Plain, nil
}

// isText is strict about control characters and lenient about all else: logs in Latin-1 are text.
func isText(b []byte) bool {
	for _, c := range b {
		if c < ' ' && (c < '\b' || c > '\r') && c != 0x1b && c != 0x1e {
			return false
		}
	}
	return true
}

// plainStream is an object that is its own text.
type plainStream struct {
	f      *feed
	opened bool
}

func (s *plainStream) next() error {
	if s.opened {
		return io.EOF
	}
	s.opened = true
	return nil
}

func (s *plainStream) Read(p []byte) (int, error) {
	n, err := s.f.br.Read(p)
	if err != nil && !isEOF(err) {
		err = s.f.failure("it", err)
	}
	return n, err
}

func (s *plainStream) release() {}
