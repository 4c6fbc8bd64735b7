package dirarchive

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/seed-56345083/reprise/internal/archive"
)

// body is an open object. It looks at its file after every read and at its end, so that bytes of two versions never
// come out of one body: a look costs less than a microsecond, a read is tens of kilobytes.
type body struct {
	ctx  context.Context // of Open
	f    *os.File
	etag string
}

// begin checks the version and goes to the first byte.
func (b *body) begin(p archive.OpenParams) error {
	info, err := b.f.Stat()
	if err != nil {
		return err
	}
	o, err := object(p.Key, info)
	switch {
	case err != nil:
		return err
	case p.ETag != "" && p.ETag != o.ETag:
		return archive.ErrChanged
	case p.Offset < 0:
		return fmt.Errorf("offset %d is negative", p.Offset)
	case p.Offset > o.Size:
		return fmt.Errorf("%w: offset %d lies behind its %d bytes", archive.ErrChanged, p.Offset, o.Size)
	}
	b.etag = o.ETag
	_, err = b.f.Seek(p.Offset, io.SeekStart)
	return err
}

// Read leaves it to the reader of lines to name the key and the place.
func (b *body) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := b.f.Read(p)
	if err != nil && err != io.EOF {
		return n, err
	}
	info, serr := b.f.Stat()
	if serr != nil {
		return 0, serr
	}
	if etag(info) != b.etag {
		return 0, archive.ErrChanged
	}
	return n, err
}

func (b *body) Close() error { return b.f.Close() }
