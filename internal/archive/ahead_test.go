package archive_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/seed-56345083/reprise/internal/archive"
)

// source is an archive of one object whose body says how far it was read, and what happens behind its last byte.
type source struct {
	archive.Archive
	data   []byte
	behind func(context.Context) error
	read   atomic.Int64
	apart  atomic.Bool // a read came from the goroutine that unpacks ahead
}

func (s *source) Open(ctx context.Context, p archive.OpenParams) (io.ReadCloser, error) {
	return &sourceBody{ctx: ctx, s: s, r: bytes.NewReader(s.data[p.Offset:])}, nil
}

type sourceBody struct {
	ctx context.Context
	s   *source
	r   *bytes.Reader
}

func (b *sourceBody) Read(p []byte) (int, error) {
	if bytes.Contains(debug.Stack(), []byte("(*ahead).run")) {
		b.s.apart.Store(true)
	}
	n, err := b.r.Read(p)
	b.s.read.Add(int64(n))
	if err != nil && b.s.behind != nil {
		err = b.s.behind(b.ctx)
	}
	return n, err
}

func (b *sourceBody) Close() error { return nil }

// noise is text of lines that gzip makes little smaller.
func noise(size int) []byte {
	rnd := rand.New(rand.NewPCG(7, 7))
	b := make([]byte, size)
	for i := range b {
		b[i] = 'A' + byte(rnd.IntN(60))
		if i%100 == 99 {
			b[i] = '\n'
		}
	}
	return b
}

func always() bool { return true }

// openSource opens an object as if it were four times as long as its data.
func openSource(ctx context.Context, t *testing.T, s *source, buffer int, spare func() bool) *archive.Lines {
	t.Helper()
	l, err := archive.OpenLines(ctx, s, archive.LinesParams{Key: "dns/a", Size: int64(4 * len(s.data)), Buffer: buffer, Spare: spare})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// It may begin anywhere in an object.
func TestAheadLater(t *testing.T) {
	t.Parallel()
	text := []byte(many(200))
	for _, data := range encodings(t, text) {
		for _, idle := range []int{1, 2, 5, 50} {
			checkLinesIn(t, mode{"ahead later", idle}, data, text, archive.LinesParams{Buffer: 100})
		}
	}
}

// What is unpacked ahead is no more than its blocks, and it is unpacked by another goroutine, which ends with Close: the
// bubble does not end before.
func TestAheadIsBounded(t *testing.T) {
	t.Parallel()
	const buffer = 128 << 10
	text := noise(1 << 20)
	// No zstd: its decoders have channels, and are pooled, but a channel that is made in a bubble may not leave it.
	for coding, data := range map[string][]byte{"gzip": gz(t, text), "gzip members": gz(t, chop(text, 30)...)} {
		synctest.Test(t, func(t *testing.T) {
			s := &source{data: data}
			l := openSource(t.Context(), t, s, buffer, always)
			if _, err := l.Next(); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			// Three blocks (of which a small member fills a part), the lines' own, and 64 KiB of the body that are taken at once.
			if n := s.read.Load(); !s.apart.Load() || n < buffer || n > 4*buffer+64<<10 {
				t.Errorf("%s: %d bytes of %d read, apart: %t", coding, n, len(data), s.apart.Load())
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A body that hangs is given up by Close, and by the end of the context.
func TestAheadHangs(t *testing.T) {
	t.Parallel()
	hang := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	synctest.Test(t, func(t *testing.T) {
		s := &source{data: gz(t, noise(100<<10)), behind: hang}
		l := openSource(t.Context(), t, s, 16<<10, always)
		if _, err := l.Next(); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		l := openSource(ctx, t, &source{data: gz(t, noise(100<<10))[:50<<10], behind: hang}, 16<<10, always)
		go func() {
			synctest.Wait()
			cancel()
		}()
		var err error
		for err == nil {
			_, err = l.Next()
		}
		if !errors.Is(err, context.Canceled) || errors.Is(err, archive.ErrCorrupt) {
			t.Error(err)
		}
		_ = l.Close()
	})
}

// A panic under way ends the reading of this object where it can be caught, not the process.
func TestAheadPanics(t *testing.T) {
	t.Parallel()
	for _, spare := range []func() bool{nil, always} {
		s := &source{data: gz(t, noise(200<<10)), behind: func(context.Context) error { panic("on the way") }}
		l := openSource(t.Context(), t, s, 16<<10, spare)
		func() {
			defer func() {
				r := recover()
				if err, ok := r.(error); r != "on the way" && (!ok || !strings.Contains(err.Error(), "on the way")) {
					t.Errorf("recovered %v", r)
				}
			}()
			for {
				if _, err := l.Next(); err != nil {
					t.Errorf("no panic but %v", err)
					return
				}
			}
		}()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Where no processor is idle, and for a plain object, nobody reads ahead.
func TestNotAhead(t *testing.T) {
	t.Parallel()
	text := noise(200 << 10)
	asked := 0
	for coding, s := range map[string]*source{"gzip": {data: gz(t, text)}, "plain": {data: text}} {
		l, err := archive.OpenLines(t.Context(), s, archive.LinesParams{Size: int64(len(s.data)), Buffer: 16 << 10, Spare: func() bool {
			asked++
			return coding == "plain"
		}})
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = collect(t, l, int64(len(s.data)))
		if !errors.Is(err, io.EOF) || s.apart.Load() || asked < 5 && coding == "gzip" {
			t.Errorf("%s: %v, asked %d times, apart: %t", coding, err, asked, s.apart.Load())
		}
		_ = l.Close()
	}
}
