package s3archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/seed-56345083/reprise/internal/awsapi"
)

const (
	// maxDrain is how much of an unread body, in bytes, is worth reading so that its connection can serve again.
	maxDrain = 32 << 10
	// drainTime bounds how long that may take.
	drainTime = 200 * time.Millisecond
)

// conn is the answer to one GetObject, and the connection it arrives on.
type conn struct {
	body    io.ReadCloser
	left    int64 // bytes to come
	end     int64 // the size of the object
	etag    string
	stall   time.Duration
	watch   *time.Timer // cancels the request
	stalled atomic.Bool
	cancel  context.CancelFunc
	untie   func() bool // from the caller's context
}

// get asks for an object from a byte on. The ETag may be empty.
func (a *Archive) get(ctx context.Context, key, etag string, at int64) (*conn, error) {
	in := &s3.GetObjectInput{Bucket: &a.bucket, Key: &key}
	if etag != "" {
		in.IfMatch = &etag
	}
	if at > 0 { // no range at the start: an empty object has no first byte
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", at))
	}
	return awsapi.CallFor(ctx, a.limits.call, func(call context.Context) (*conn, error) {
		out, cancel, err := a.answer(call, in)
		if err != nil {
			return nil, err
		}
		c := &conn{body: out.Body, etag: quoted(out.ETag), stall: a.limits.stall, cancel: cancel}
		c.left, c.end, err = extent(out, at)
		c.untie = context.AfterFunc(ctx, cancel)
		c.watch = time.AfterFunc(c.stall, c.giveUp)
		c.watch.Stop()
		if err != nil {
			c.close()
			return nil, err
		}
		return c, nil
	})
}

// answer makes one call whose body outlives it: the call's context ends with its deadline, the body's only with cancel.
func (a *Archive) answer(call context.Context, in *s3.GetObjectInput) (*s3.GetObjectOutput, context.CancelFunc, error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(call))
	untie := context.AfterFunc(call, cancel)
	out, err := a.s3.GetObject(awsapi.WithBody(ctx), in)
	if late := !untie(); late && err == nil {
		err = errors.Join(call.Err(), out.Body.Close())
	} else if late {
		err = fmt.Errorf("%w (%v)", call.Err(), err) //nolint:errorlint // cancelled is the call, not what the chain names
	}
	if err != nil {
		cancel()
		return nil, nil, err
	}
	return out, cancel, nil
}

// extent tells how many bytes an answer holds and the size of the object, and refuses one that does not begin at the
// byte asked for.
func extent(out *s3.GetObjectOutput, at int64) (left, end int64, err error) {
	if out.ContentLength == nil || *out.ContentLength < 0 {
		return 0, 0, errNoLength
	}
	left = *out.ContentLength
	if at == 0 && out.ContentRange == nil {
		return left, left, nil
	}
	var first, last, size int64
	text := aws.ToString(out.ContentRange)
	if _, err := fmt.Sscanf(text, "bytes %d-%d/%d", &first, &last, &size); err != nil || first != at || last != size-1 || left != size-at {
		return 0, 0, fmt.Errorf("the server answers with %d bytes of range %q where all from byte %d on were asked for", left, text, at)
	}
	return left, size, nil
}

// read watches for stalls: a connection that was cut without a word looks like one that is slow.
func (c *conn) read(p []byte) (int, error) {
	c.watch.Reset(c.stall)
	n, err := c.body.Read(p)
	c.watch.Stop()
	c.left -= int64(n)
	if err != nil && c.stalled.Load() {
		err = fmt.Errorf("no byte within %s", c.stall) // not the context's error: the caller's goes on
	}
	return n, err
}

func (c *conn) giveUp() {
	c.stalled.Store(true)
	c.cancel()
}

// close lets the connection serve again where little is left, and ends it otherwise.
func (c *conn) close() {
	if c.left <= maxDrain {
		c.watch.Reset(drainTime)
		_, _ = io.CopyN(io.Discard, c.body, c.left+1) // one more: the connection is free when the end was seen
	}
	c.watch.Stop()
	c.untie()
	c.cancel()
	_ = c.body.Close() // what is left unread is nobody's loss
}
