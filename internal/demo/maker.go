package demo

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// line makes the lines of one protocol, one at a time.
type line interface {
	// roll makes up the next line, at a moment in microseconds since 1970.
	roll(r *rand.Rand, micros int64)
	// append appends it without its newline; without a timestamp where stamped is false.
	append(dst []byte, stamped bool) []byte
	// moment is its time in microseconds as its format can write it.
	moment() int64
	// count adds it up; length is that of the line in bytes, without its newline.
	count(length int)
}

// maker makes objects, one after the other. Each goroutine has one, with counts of its own.
type maker struct {
	dir      string
	seed     uint64
	progress *meter
	buf      []byte
	gzip     *gzip.Writer
	counts   *counts
	lines    map[string]line
	accounts map[string]*Accounts
	bytes    int64
	stored   int64
}

// gzipLevel is that of a log shipper: quick.
const gzipLevel = 3

func newMaker(o Options, progress *meter) *maker {
	z, err := gzip.NewWriterLevel(io.Discard, gzipLevel)
	if err != nil {
		panic(err) // the level is a constant
	}
	c := newCounts()
	return &maker{
		dir: o.Dir, seed: o.Seed, progress: progress, gzip: z, counts: c,
		lines:    map[string]line{protocolDNS: newDNSLine(c), protocolWeb: newWebLine(c), protocolApp: newAppLine(c)},
		accounts: map[string]*Accounts{protocolDNS: {}, protocolWeb: {}, protocolApp: {}},
	}
}

func (m *maker) merge(w *maker) {
	m.counts.merge(w.counts)
	m.bytes += w.bytes
	m.stored += w.stored
	for name, a := range w.accounts {
		m.accounts[name].add(*a)
	}
}

// flushAt is how many bytes of lines are made before they are written.
const flushAt = 256 << 10

func (m *maker) make(ctx context.Context, o *object) error {
	path := filepath.Join(m.dir, filepath.FromSlash(o.key))
	return replace(path, func(f *os.File) error {
		w := m.compressor(f, o)
		if err := m.write(ctx, w, o); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		size, err := f.Seek(0, io.SeekEnd)
		if err != nil {
			return err
		}
		if o.corrupt {
			size = size * 3 / 5
			if err := f.Truncate(size); err != nil {
				return err
			}
		}
		m.stored += size
		return nil
	})
}

// write makes the lines of an object.
func (m *maker) write(ctx context.Context, w *members, o *object) error {
	c := composer{
		maker: m, object: o, line: m.lines[o.protocol], accounts: &Accounts{},
		random: rand.New(rand.NewPCG(m.seed, uint64(o.number))), //nolint:gosec // a count from 1
		start:  Start.Add(time.Duration(o.hour) * time.Hour).UnixMicro(),
	}
	m.buf = m.buf[:0]
	for last := false; !last; {
		if err := ctx.Err(); err != nil {
			return err
		}
		made := c.done
		for c.done < o.bytes && len(m.buf) < min(flushAt, w.room()) {
			m.buf = c.next(m.buf)
		}
		last = c.done >= o.bytes
		if last && o.number%7 == 0 { // a last line without its newline
			m.buf = m.buf[:len(m.buf)-1]
			c.done--
		}
		if err := w.write(m.buf); err != nil {
			return fmt.Errorf("compressing: %w", err)
		}
		m.buf = m.buf[:0]
		m.progress.add(c.done - made)
	}
	if !o.corrupt {
		m.bytes += c.done
		m.accounts[o.protocol].add(*c.accounts)
	}
	return nil
}

// compressor gives the writer of an object's codec.
func (m *maker) compressor(f *os.File, o *object) *members {
	w := &members{size: o.member, left: o.member, open: func() (io.WriteCloser, error) { return keepOpen{f}, nil }}
	switch o.codec {
	case codecGzip:
		w.open = func() (io.WriteCloser, error) { m.gzip.Reset(f); return m.gzip, nil }
	case codecZstd:
		w.open = func() (io.WriteCloser, error) { return zstd.NewWriter(f, zstd.WithEncoderConcurrency(1)) }
	}
	return w
}

// members writes one gzip member, or zstd frame, after the other. They end between lines.
type members struct {
	open func() (io.WriteCloser, error)
	size int64 // of one member, uncompressed; 0 for a single one
	left int64
	out  io.WriteCloser
}

// room is how many bytes the present member takes before the next begins.
func (w *members) room() int {
	if w.size == 0 {
		return flushAt
	}
	return int(max(w.left, 1))
}

// write writes whole lines.
func (w *members) write(lines []byte) error {
	if w.out == nil {
		var err error
		if w.out, err = w.open(); err != nil {
			return err
		}
	}
	if _, err := w.out.Write(lines); err != nil {
		return err
	}
	w.left -= int64(len(lines))
	if w.size > 0 && w.left <= 0 {
		w.left = w.size
		return w.Close()
	}
	return nil
}

// Close ends the member that is being written; a write after it begins a new one.
func (w *members) Close() error {
	if w.out == nil {
		return nil
	}
	out := w.out
	w.out = nil
	return out.Close()
}

// keepOpen is a file whose owner closes it.
type keepOpen struct{ io.Writer }

func (keepOpen) Close() error { return nil }
