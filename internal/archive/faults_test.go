package archive_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"

	"github.com/seed-56345083/reprise/internal/archive"
)

// prefix checks that lines are the first whole lines of text: nothing else may be handed out before an error.
func prefix(t *testing.T, what string, lines []got, text []byte) {
	t.Helper()
	want := reference(text, 0, 1<<20)
	if !bytes.HasSuffix(text, []byte("\n")) && len(want) > 0 {
		want = want[:len(want)-1]
	}
	if len(lines) > len(want) {
		t.Fatalf("%s: %d lines, the text has %d whole ones", what, len(lines), len(want))
	}
	equal(t, what, lines, want[:len(lines)])
}

// An object that was stored cut off is corrupt wherever the cut lies, unless it lies between two members or frames.
func TestCutOff(t *testing.T) {
	t.Parallel()
	text := []byte(many(60))
	for coding, data := range encodings(t, text) {
		if coding == "plain" {
			continue
		}
		inModes(t, coding, func(t *testing.T, m mode) {
			clean := map[int64]bool{} // where cutting leaves a whole object
			l := open(t, &object{data: data}, m.of(archive.LinesParams{}))
			_, frames, _ := collect(t, l, int64(len(data)))
			for _, f := range frames {
				clean[f.Offset] = true
			}
			for n := 1; n < len(data); n += 1 + n/400 {
				cut := data[:n]
				key := "dns/a.gz"
				if strings.HasPrefix(coding, "zstd") {
					key = "dns/a.zst"
				}
				l, err := archive.OpenLines(t.Context(), &object{data: cut}, m.of(archive.LinesParams{Key: key, Size: int64(n)}))
				var lines []got
				if err == nil {
					lines, _, err = collect(t, l, int64(n))
					_ = l.Close()
				}
				if errors.Is(err, io.EOF) {
					// A boundary in the middle of a line is clean as well; only what was read can show that.
					if !clean[int64(n)] && !strings.HasSuffix(coding, "anywhere") && !strings.HasPrefix(coding, "zstd by") && !strings.Contains(coding, "empty") {
						t.Errorf("cut at byte %d of %d: nothing noticed", n, len(data))
					}
					continue
				}
				c, ok := errors.AsType[*archive.CorruptError](err)
				if !ok || !strings.Contains(c.Reason, "cut off") || c.Line != int64(len(lines)) || c.Offset > int64(n) {
					t.Fatalf("cut at byte %d: %v after %d lines", n, err, len(lines))
				}
				prefix(t, fmt.Sprintf("cut at byte %d", n), lines, text)
			}
		})
	}
}

// One changed bit is found by a checksum at the latest; only bits that mean nothing may go unnoticed.
func TestFlippedBits(t *testing.T) {
	t.Parallel()
	text := []byte(many(60))
	for coding, data := range encodings(t, text) {
		if coding == "plain" {
			continue
		}
		inModes(t, coding, func(t *testing.T, m mode) {
			reasons := map[string]int{}
			for n := 4; n < len(data); n += 1 + n/400 {
				bad := bytes.Clone(data)
				bad[n] ^= 0x10
				l, err := archive.OpenLines(t.Context(), &object{data: bad}, m.of(archive.LinesParams{Key: "dns/a", Size: int64(len(bad))}))
				if err != nil {
					t.Fatalf("bit in byte %d: %v", n, err)
				}
				lines, _, err := collect(t, l, int64(len(bad)))
				_ = l.Close()
				if errors.Is(err, io.EOF) {
					prefix(t, fmt.Sprintf("bit in byte %d", n), lines, text)
					continue
				}
				c, ok := errors.AsType[*archive.CorruptError](err)
				if !ok || c.Line != int64(len(lines)) {
					t.Fatalf("bit in byte %d: %v after %d lines", n, err, len(lines))
				}
				reasons[strings.Fields(c.Reason)[0]]++
			}
			if reasons["wrong"] == 0 || reasons["damaged"] == 0 {
				t.Errorf("checksums and damage are not told apart: %v", reasons)
			}
		})
	}
}

func TestCorrupt(t *testing.T) {
	t.Parallel()
	text := []byte("one\ntwo\nthr")
	g, z := gz(t, text), zst(t, text)
	badCRC := bytes.Clone(g)
	badCRC[len(badCRC)-8] ^= 1
	badSum := bytes.Clone(z)
	badSum[len(badSum)-1] ^= 1
	var wide bytes.Buffer
	w, err := zstd.NewWriter(&wide, zstd.WithWindowSize(256<<20))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Flush(), w.Close()); err != nil {
		t.Fatal(err)
	}
	// The zstd decoder holds a frame's last block back until its checksum is known; the gzip decoder does not.
	for name, tt := range map[string]struct {
		data  []byte
		frame archive.Frame
		line  int64
		want  archive.CorruptError
	}{
		"gzip checksum":    {data: badCRC, want: archive.CorruptError{Line: 2, Offset: int64(len(g)), Reason: "wrong checksum or length of a gzip member"}},
		"zstd checksum":    {data: badSum, want: archive.CorruptError{Line: 0, Offset: int64(len(z)), Reason: "wrong checksum of a zstd frame"}},
		"gzip cut off":     {data: g[:len(g)-3], want: archive.CorruptError{Line: 2, Offset: int64(len(g)) - 3, Reason: "cut off inside a gzip member"}},
		"gzip header only": {data: g[:7], want: archive.CorruptError{Line: 0, Offset: 7, Reason: "cut off inside a gzip header"}},
		"second header":    {data: join(g, g[:1]), want: archive.CorruptError{Line: 2, Offset: int64(len(g)), Reason: "cut off inside a gzip header"}},
		"zstd cut off":     {data: z[:len(z)-3], want: archive.CorruptError{Line: 0, Offset: int64(len(z)) - 3, Reason: "cut off inside a zstd frame"}},
		"skippable":        {data: join(z, skippable(90)[:50]), want: archive.CorruptError{Line: 2, Offset: int64(len(z)) + 50, Reason: "cut off inside a skippable zstd frame"}},
		"skippable header": {data: join(z, skippable(90)[:6]), want: archive.CorruptError{Line: 2, Offset: int64(len(z)), Reason: "cut off inside a skippable zstd frame"}},
		"gzip garbage":     {data: join(g, []byte("junk")), want: archive.CorruptError{Line: 2, Offset: int64(len(g)), Reason: "garbage after the last gzip member"}},
		"gzip zeros":       {data: join(g, make([]byte, 9)), want: archive.CorruptError{Line: 2, Offset: int64(len(g)), Reason: "garbage after the last gzip member"}},
		"zstd garbage":     {data: join(z, []byte("junk")), want: archive.CorruptError{Line: 2, Offset: int64(len(z)), Reason: "garbage after the last zstd frame"}},
		"zstd then gzip":   {data: join(z, g), want: archive.CorruptError{Line: 2, Offset: int64(len(z)), Reason: "garbage after the last zstd frame"}},
		"wide window":      {data: wide.Bytes(), want: archive.CorruptError{Line: 0, Reason: "a zstd frame that needs more than 128 MiB of window"}},
		"no member there":  {data: join(g, g), frame: archive.Frame{Offset: 3, Line: 1, Codec: archive.Gzip}, line: 1, want: archive.CorruptError{Line: 1, Offset: 3, Reason: "no gzip member begins here"}},
		"no frame there":   {data: join(z, z), frame: archive.Frame{Offset: 3, Line: 1, Codec: archive.Zstd}, line: 1, want: archive.CorruptError{Line: 1, Offset: 3, Reason: "no zstd frame begins here"}},
		"too few lines":    {data: gz(t, text), line: 9, want: archive.CorruptError{Line: 3, Offset: int64(len(g)), Reason: "it ends before line 9, where reading was to go on"}},
	} {
		inModes(t, name, func(t *testing.T, m mode) {
			l := open(t, &object{data: tt.data}, m.of(archive.LinesParams{Key: "dns/a", Frame: tt.frame, Line: tt.line}))
			_, _, err := collect(t, l, int64(len(tt.data)))
			c, ok := errors.AsType[*archive.CorruptError](err)
			if !ok {
				t.Fatal(err)
			}
			want := tt.want
			if want.Offset == 0 {
				want.Offset = c.Offset
			}
			if !errors.Is(err, archive.ErrCorrupt) || c.Key != "dns/a" || c.Line != want.Line || c.Offset != want.Offset || c.Reason != want.Reason {
				t.Errorf("%v, want %v", err, &want)
			}
			if l.Number() != max(c.Line, tt.line) {
				t.Errorf("Number is %d", l.Number())
			}
		})
	}
}

// A body that fails, or ends before its time, is a connection to be tried again, never a corrupt object.
func TestBodyFails(t *testing.T) {
	t.Parallel()
	text := []byte(many(300))
	for coding, data := range encodings(t, text) {
		inModes(t, coding, func(t *testing.T, m mode) { bodyFails(t, m, text, data) })
	}
}

func bodyFails(t *testing.T, m mode, text, data []byte) {
	broken := errors.New("connection reset")
	for _, n := range []int{0, 1, 3, 17, 200, len(data) / 2, len(data) - 1, len(data)} {
		for name, tt := range map[string]struct {
			body func(io.Reader) io.Reader
			want error
		}{
			"error": {func(r io.Reader) io.Reader {
				return io.MultiReader(io.LimitReader(r, int64(n)), iotest.ErrReader(broken))
			}, broken},
			"truncated": {func(r io.Reader) io.Reader { return io.LimitReader(r, int64(n)) }, io.ErrUnexpectedEOF},
			"with data": {func(r io.Reader) io.Reader {
				return iotest.DataErrReader(io.MultiReader(io.LimitReader(r, int64(n)), iotest.ErrReader(broken)))
			}, broken},
			"changed": {func(r io.Reader) io.Reader {
				return io.MultiReader(io.LimitReader(r, int64(n)), iotest.ErrReader(archive.ErrChanged))
			}, archive.ErrChanged},
		} {
			what := fmt.Sprintf("%s at byte %d of %d", name, n, len(data))
			if name == "truncated" && n == len(data) {
				continue
			}
			l, err := archive.OpenLines(t.Context(), &object{data: data, wrap: tt.body}, m.of(archive.LinesParams{Key: "dns/a", Size: int64(len(data))}))
			var lines []got
			var frame archive.Frame
			if err == nil {
				lines, _, err = collect(t, l, int64(len(data)))
				frame = l.Frame()
				_ = l.Close()
			}
			if !errors.Is(err, tt.want) || errors.Is(err, archive.ErrCorrupt) || !strings.Contains(err.Error(), "dns/a at line") {
				t.Fatalf("%s: %v", what, err)
			}
			prefix(t, what, lines, text)
			// The next try goes on from there.
			rest, _, err := collect(t, open(t, &object{data: data}, m.of(archive.LinesParams{Frame: frame, Line: int64(len(lines))})), int64(len(data)))
			if !errors.Is(err, io.EOF) {
				t.Fatalf("%s: %v", what, err)
			}
			equal(t, what, append(lines, rest...), reference(text, 0, 1<<20))
		}
	}
}

func TestOddReaders(t *testing.T) {
	t.Parallel()
	text := []byte(many(200))
	for coding, data := range encodings(t, text) {
		for name, wrap := range map[string]func(io.Reader) io.Reader{
			"one byte": iotest.OneByteReader, "half": iotest.HalfReader, "data and error": iotest.DataErrReader,
		} {
			inModes(t, coding+", "+name, func(t *testing.T, m mode) {
				lines, _, err := collect(t, open(t, &object{data: data, wrap: wrap}, m.of(archive.LinesParams{Buffer: 100})), int64(len(data)))
				if !errors.Is(err, io.EOF) {
					t.Error(err)
				}
				equal(t, "lines", lines, reference(text, 0, 1<<20))
			})
		}
	}
}

func TestBodyTooLong(t *testing.T) {
	t.Parallel()
	for coding, data := range encodings(t, []byte(many(50))) {
		inModes(t, coding, func(t *testing.T, m mode) {
			o := &object{data: data, wrap: func(r io.Reader) io.Reader { return io.MultiReader(r, strings.NewReader("more")) }}
			l, err := archive.OpenLines(t.Context(), o, m.of(archive.LinesParams{Key: "dns/a", Size: int64(len(data))}))
			if err == nil {
				_, _, err = collect(t, l, int64(len(data)))
				_ = l.Close()
			}
			if !errors.Is(err, archive.ErrCorrupt) || !strings.Contains(err.Error(), "longer than its") {
				t.Error(err)
			}
		})
	}
}

func TestBodyStandsStill(t *testing.T) {
	t.Parallel()
	stuck := func(io.Reader) io.Reader { return stuckReader{} }
	o := &object{data: []byte("one\n"), wrap: stuck}
	if _, err := archive.OpenLines(t.Context(), o, archive.LinesParams{Size: 4}); !errors.Is(err, io.ErrNoProgress) {
		t.Error(err)
	}
	o.data = nil
	if _, err := archive.OpenLines(t.Context(), o, archive.LinesParams{}); !errors.Is(err, io.ErrNoProgress) {
		t.Error(err)
	}
}

// stuckReader has neither bytes nor an error to give.
type stuckReader struct{}

func (stuckReader) Read([]byte) (int, error) { return 0, nil }
