package archive_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/seed-56345083/reprise/internal/archive"
)

// object is an archive of one object in memory, with a body that can be made to misbehave.
type object struct {
	archive.Archive // the methods that reading lines does not need
	data            []byte
	wrap            func(io.Reader) io.Reader
	opened          archive.OpenParams
	closed          int
}

func (o *object) Open(_ context.Context, p archive.OpenParams) (io.ReadCloser, error) {
	o.opened = p
	var r io.Reader = bytes.NewReader(o.data[p.Offset:])
	if o.wrap != nil {
		r = o.wrap(r)
	}
	return &body{Reader: r, o: o}, nil
}

type body struct {
	io.Reader
	o *object
}

func (b *body) Close() error { b.o.closed++; return nil }

// mode is a way to unpack an object, which may change nothing but when it happens.
type mode struct {
	name string
	idle int // asks after which there is a processor to spare; below 0 there never is one
}

var modes = []mode{{"in turn", -1}, {"ahead", 0}}

// of has an object read in this way, with a buffer so small that there is something to do ahead.
func (m mode) of(p archive.LinesParams) archive.LinesParams {
	if m.idle < 0 {
		return p
	}
	if p.Buffer == 0 {
		p.Buffer = 64
	}
	asked := 0
	p.Spare = func() bool {
		asked++
		return asked > m.idle
	}
	return p
}

// inModes runs a test in every mode.
func inModes(t *testing.T, name string, test func(*testing.T, mode)) {
	t.Helper()
	for _, m := range modes {
		t.Run(name+", "+m.name, func(t *testing.T) {
			t.Parallel()
			test(t, m)
		})
	}
}

// got is a line with bytes of its own.
type got struct {
	number  int64
	text    string
	tooLong bool
}

// reference splits text the plain way, as an oracle.
func reference(text []byte, from int64, maxLine int) []got {
	var lines []got
	pieces := bytes.Split(text, []byte("\n"))
	if len(pieces[len(pieces)-1]) == 0 {
		pieces = pieces[:len(pieces)-1]
	}
	for i, p := range pieces {
		if int64(i) < from {
			continue
		}
		g := got{number: int64(i), text: string(p)}
		if len(p) > maxLine {
			g.text, g.tooLong = string(p[:maxLine]), true
		}
		lines = append(lines, g)
	}
	return lines
}

// collect reads to the first error and checks the books on the way.
func collect(t testing.TB, l *archive.Lines, size int64) ([]got, []archive.Frame, error) {
	t.Helper()
	var lines []got
	frames := []archive.Frame{l.Frame()}
	for {
		before := l.Number()
		line, err := l.Next()
		if f := l.Frame(); f != frames[len(frames)-1] {
			if last := frames[len(frames)-1]; f.Offset < last.Offset || f.Line < last.Line {
				t.Errorf("frame went back from %+v to %+v", last, f)
			}
			frames = append(frames, f)
		}
		if f := l.Frame(); f.Line > l.Number() || f.Offset > l.Consumed() || l.Consumed() > size {
			t.Errorf("frame %+v, number %d, consumed %d of %d", f, l.Number(), l.Consumed(), size)
		}
		if err != nil {
			if _, again := l.Next(); !errors.Is(again, err) {
				t.Errorf("after %v Next returns %v", err, again)
			}
			if errors.Is(err, io.EOF) && l.Consumed() != size {
				t.Errorf("consumed %d of %d at the end", l.Consumed(), size)
			}
			return lines, frames, err
		}
		if line.Number != before || l.Number() != before+1 {
			t.Fatalf("line %d, number was %d and is %d", line.Number, before, l.Number())
		}
		lines = append(lines, got{number: line.Number, text: string(line.Bytes), tooLong: line.TooLong})
	}
}

func open(t testing.TB, o *object, p archive.LinesParams) *archive.Lines {
	t.Helper()
	p.Size = int64(len(o.data))
	l, err := archive.OpenLines(t.Context(), o, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(l.Close(), l.Close()); err != nil {
			t.Error(err)
		}
	})
	return l
}

func equal(t testing.TB, what string, have, want []got) {
	t.Helper()
	if len(have) != len(want) {
		t.Fatalf("%s: %d lines, want %d", what, len(have), len(want))
	}
	for i := range have {
		if have[i] != want[i] {
			t.Fatalf("%s: line %d is %.100v, want %.100v", what, i, have[i], want[i])
		}
	}
}

// gz is one gzip member for each piece.
func gz(t testing.TB, pieces ...[]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, p := range pieces {
		w := gzip.NewWriter(&b)
		if _, err := w.Write(p); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// encoders are expensive to make.
var encoders = sync.Pool{New: func() any {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithZeroFrames(true))
	if err != nil {
		panic(err)
	}
	return w
}}

// zst is one zstd frame for each piece.
func zst(t testing.TB, pieces ...[]byte) []byte {
	t.Helper()
	w := encoders.Get().(*zstd.Encoder)
	defer encoders.Put(w)
	var b bytes.Buffer
	for _, p := range pieces {
		w.Reset(&b)
		_, err := w.Write(p)
		if err := errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// skippable is a zstd frame that says nothing.
func skippable(n int) []byte {
	head := binary.LittleEndian.AppendUint32([]byte{0x53, 0x2a, 0x4d, 0x18}, uint32(n))
	return append(head, make([]byte, n)...)
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// chop cuts text into n pieces at places that have nothing to do with its lines.
func chop(text []byte, n int) [][]byte {
	var pieces [][]byte
	for i := range n {
		pieces = append(pieces, text[i*len(text)/n:(i+1)*len(text)/n])
	}
	return pieces
}
