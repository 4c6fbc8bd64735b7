package archivetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/seed-56345083/reprise/internal/archive"
)

// Lines over the driver: whatever the codec, the same lines, from the start and from every frame.
func testLines(t *testing.T, h Harness) {
	s := h.New(t)
	var pieces []string
	var want []string
	for p := range 5 {
		var b strings.Builder
		for i := range 100 * p {
			line := fmt.Sprintf("piece %d line %d %s", p, i, strings.Repeat("x", i))
			want = append(want, line)
			b.WriteString(line + "\n")
		}
		pieces = append(pieces, b.String())
	}
	text := strings.Join(pieces, "")
	for key, data := range map[string][]byte{
		"dns/plain.log":    []byte(text),
		"dns/single.gz":    compress(t, archive.Gzip, text),
		"dns/members.gz":   compress(t, archive.Gzip, pieces...),
		"dns/single.zst":   compress(t, archive.Zstd, text),
		"dns/frames.zst":   compress(t, archive.Zstd, pieces...),
		"dns/misnamed.zst": []byte(text),
	} {
		s.Put(t, key, data)
		o := stat(t, s, key)
		lines, frames := readLines(t, s, o, archive.Frame{})
		if !slices.Equal(lines, want) {
			t.Errorf("%s: %d lines, want %d", key, len(lines), len(want))
		}
		if members := strings.Contains(key, "members") || strings.Contains(key, "frames"); members && len(frames) < len(pieces)-1 {
			t.Errorf("%s: %d frames", key, len(frames))
		}
		for i := 0; i < len(frames); i += 1 + len(frames)/10 {
			if rest, _ := readLines(t, s, o, frames[i]); !slices.Equal(rest, want[frames[i].Line:]) {
				t.Errorf("%s: %d lines from %+v, want %d", key, len(rest), frames[i], len(want)-int(frames[i].Line))
			}
		}
	}
}

func testLinesChanged(t *testing.T, h Harness) {
	s := h.New(t)
	s.Put(t, "dns/a", []byte("one\n"))
	o := stat(t, s, "dns/a")
	s.Put(t, "dns/a", []byte("two\n"))
	_, err := archive.OpenLines(t.Context(), s, archive.LinesParams{Key: o.Key, ETag: o.ETag, Size: o.Size})
	wantErr(t, "lines of an overwritten version", err, archive.ErrChanged, "dns/a")
	s.Delete(t, "dns/a")
	_, err = archive.OpenLines(t.Context(), s, archive.LinesParams{Key: o.Key, ETag: o.ETag, Size: o.Size})
	wantErr(t, "lines of a deleted object", err, archive.ErrNotFound, "dns/a")
	r, ok := s.(Rewriter)
	if !ok {
		return
	}
	s.Put(t, "dns/a", bytes.Repeat([]byte("one\n"), 1<<18))
	o = stat(t, s, "dns/a")
	l, err := archive.OpenLines(t.Context(), s, archive.LinesParams{Key: o.Key, ETag: o.ETag, Size: o.Size})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	r.Rewrite(t, "dns/a", bytes.Repeat([]byte("two\n"), 1<<18))
	for err == nil {
		var line archive.Line
		if line, err = l.Next(); err == nil && string(line.Bytes) != "one" {
			t.Fatalf("line %d is %q", line.Number, line.Bytes)
		}
	}
	wantErr(t, "lines of a rewritten object", err, archive.ErrChanged, "dns/a")
}

// readLines reads to the clean end.
func readLines(tb testing.TB, a archive.Archive, o archive.Object, from archive.Frame) (lines []string, frames []archive.Frame) {
	tb.Helper()
	l, err := archive.OpenLines(tb.Context(), a, archive.LinesParams{Key: o.Key, ETag: o.ETag, Size: o.Size, Frame: from, Line: from.Line})
	if err != nil {
		tb.Fatal(err)
	}
	for {
		if f := l.Frame(); len(frames) == 0 || frames[len(frames)-1] != f {
			frames = append(frames, f)
		}
		line, err := l.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			tb.Fatal(err)
		}
		lines = append(lines, string(line.Bytes))
	}
	if l.Consumed() != o.Size {
		tb.Errorf("%s: consumed %d of %d bytes", o.Key, l.Consumed(), o.Size)
	}
	if err := l.Close(); err != nil {
		tb.Error(err)
	}
	return lines, frames
}

// compress makes one gzip member or zstd frame of each piece.
func compress(tb testing.TB, codec string, pieces ...string) []byte {
	tb.Helper()
	var b bytes.Buffer
	for _, p := range pieces {
		var w io.WriteCloser = gzip.NewWriter(&b)
		if codec == archive.Zstd {
			var err error
			if w, err = zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1)); err != nil {
				tb.Fatal(err)
			}
		}
		_, err := io.WriteString(w, p)
		if err := errors.Join(err, w.Close()); err != nil {
			tb.Fatal(err)
		}
	}
	return b.Bytes()
}

func benchLines(b *testing.B, s Store) {
	text := strings.Repeat(`{"ts":"2024-02-29T23:59:59Z","query":"example.com","rcode":0}`+"\n", 100000)
	s.Put(b, "dns/a.gz", compress(b, archive.Gzip, text))
	o := stat(b, s, "dns/a.gz")
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		l, err := archive.OpenLines(b.Context(), s, archive.LinesParams{Key: o.Key, ETag: o.ETag, Size: o.Size})
		for err == nil {
			_, err = l.Next()
		}
		if !errors.Is(err, io.EOF) {
			b.Fatal(err)
		}
		_ = l.Close()
	}
}
