package s3archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/awsapi"
)

// maxIdle is how many connections in a row may end without a byte before a body gives up.
const maxIdle = 5

// Open implements [archive.Archive]. It returns when the service has answered; the context governs the body too.
func (a *Archive) Open(ctx context.Context, p archive.OpenParams) (io.ReadCloser, error) {
	b := &body{a: a, ctx: ctx, key: p.Key, etag: p.ETag, at: p.Offset}
	if err := b.open(); err != nil {
		return nil, a.explain("opening", actionGet, p.Key, err)
	}
	return b, nil
}

// body is one version of an object from a byte to its end, over as many connections as it takes. It belongs to one
// goroutine.
type body struct {
	a    *Archive
	ctx  context.Context // of Open
	key  string
	etag string // of the version; from the first answer where the caller named none
	at   int64  // the next byte
	end  int64  // the size of the object
	conn *conn  // nil between two connections
	idle int    // connections in a row without a byte
	lost error  // how the last connection ended
	err  error  // what Read keeps returning
}

func (b *body) open() error {
	switch {
	case b.key == "":
		return errNoKey
	case b.at < 0:
		return fmt.Errorf("offset %d is negative", b.at)
	}
	err := b.connect()
	if awsapi.StatusCode(err) == http.StatusRequestedRangeNotSatisfiable {
		return b.atEnd()
	}
	return err
}

// atEnd tells what an offset means where S3 has no byte: there is none at the end of an object.
func (b *body) atEnd() error {
	out, err := b.a.head(b.ctx, b.key)
	if err != nil {
		return err
	}
	etag := quoted(out.ETag)
	switch size := *out.ContentLength; {
	case b.etag != "" && quoted(&b.etag) != etag:
		return archive.ErrChanged
	case size != b.at:
		return fmt.Errorf("%w: offset %d and a size of %d bytes", archive.ErrChanged, b.at, size)
	}
	b.etag, b.end = etag, b.at
	return nil
}

// connect asks for the bytes from at on, and learns or checks which version they are of.
func (b *body) connect() error {
	c, err := b.a.get(b.ctx, b.key, b.etag, b.at)
	if err != nil {
		return err
	}
	switch {
	case b.etag != "" && c.etag != quoted(&b.etag), b.end > 0 && c.end != b.end:
		err = archive.ErrChanged // from a server that does not know If-Match
	case b.etag == "" && b.end > 0:
		err = fmt.Errorf("the server names no ETag, so that nothing tells whether the object is still the same: %w", b.lost)
	}
	if err != nil {
		c.close()
		return err
	}
	b.conn, b.end = c, c.end
	if b.etag == "" {
		b.etag = c.etag
	}
	return nil
}

// Read goes on over another connection where one has ended. Bytes that were read are returned first.
func (b *body) Read(p []byte) (int, error) {
	for b.err == nil {
		switch {
		case b.ctx.Err() != nil:
			b.fail(b.ctx.Err())
		case b.at == b.end:
			b.drop()
			b.err = io.EOF
		case len(p) == 0:
			return 0, nil
		case b.conn == nil:
			if err := b.resume(); err != nil {
				b.fail(err)
			}
		default:
			if n := b.read(p); n > 0 {
				return n, nil
			}
		}
	}
	return 0, b.err
}

// read takes what the connection gives, and drops the connection where that is the last.
func (b *body) read(p []byte) int {
	n, err := b.conn.read(p[:min(int64(len(p)), b.end-b.at)])
	b.at += int64(n)
	if n > 0 {
		b.idle = 0
	}
	if b.at < b.end && err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		b.lost = err
		b.drop()
	}
	return n
}

// resume takes the body up again at the next byte, after a pause so that readers which lost their server together do not
// come back together.
func (b *body) resume() error {
	if b.idle++; b.idle > maxIdle {
		return fmt.Errorf("%d connections in a row broke without a byte: %w", maxIdle, b.lost)
	}
	timer := time.NewTimer(rand.N(b.a.limits.pause << (b.idle - 1)))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-b.ctx.Done():
		return b.ctx.Err()
	}
	err := b.connect()
	if awsapi.StatusCode(err) == http.StatusRequestedRangeNotSatisfiable {
		return archive.ErrChanged // it had this byte
	}
	return err
}

func (b *body) fail(err error) {
	b.drop()
	b.err = b.a.explain(fmt.Sprintf("reading byte %d of", b.at), actionGet, b.key, err)
}

func (b *body) drop() {
	if b.conn != nil {
		b.conn.close()
		b.conn = nil
	}
}

// Close gives the connection back, or ends it where much was left unread.
func (b *body) Close() error {
	b.drop()
	if b.err == nil {
		b.err = fmt.Errorf("s3://%s/%s: read after Close", b.a.bucket, b.key)
	}
	return nil
}
