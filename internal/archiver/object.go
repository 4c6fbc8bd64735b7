package archiver

import (
	"bytes"
	"fmt"

	"github.com/klauspost/compress/gzip"
)

// object is an archive object in the making: lines, each with a newline, in gzip members that begin with a line. The
// headers hold neither time nor name, so that the same lines are the same bytes.
type object struct {
	buf    bytes.Buffer
	zip    *gzip.Writer
	member int64 // bytes of text at which a member ends
	open   bool  // a member has begun
	in     int64 // bytes of text in it
	text   int64 // in all
}

// newObject makes room for text that does not compress, so that the buffer is never copied into a larger one: memory that
// is not written to costs nothing.
func newObject(text, member int64) *object {
	o := &object{member: member}
	o.buf.Grow(int(text + text>>9 + 64<<10))
	o.zip = gzip.NewWriter(&o.buf)
	return o
}

func (o *object) line(line []byte) error {
	if !o.open {
		o.zip.Reset(&o.buf)
		o.open, o.in = true, 0
	}
	for _, b := range [][]byte{line, newline} {
		if _, err := o.zip.Write(b); err != nil {
			return fmt.Errorf("compressing: %w", err)
		}
	}
	n := int64(len(line)) + 1
	o.in, o.text = o.in+n, o.text+n
	if o.in >= o.member {
		return o.close()
	}
	return nil
}

var newline = []byte{'\n'}

// close ends the member that has begun.
func (o *object) close() error {
	if !o.open {
		return nil
	}
	o.open = false
	if err := o.zip.Close(); err != nil {
		return fmt.Errorf("compressing: %w", err)
	}
	return nil
}

func (o *object) bytes() []byte { return o.buf.Bytes() }
