package archive_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/seed-56345083/reprise/internal/archive"
)

var texts = map[string]string{
	"nothing":            "",
	"a newline":          "\n",
	"one line":           "one\n",
	"no last newline":    "one\ntwo",
	"empty lines":        "\n\n\nfour\n\n",
	"carriage returns":   "one\r\ntwo\r\n\r\n",
	"nul and bad utf-8":  "a\x00b\n\xff\xfe\n",
	"long":               strings.Repeat("x", 5000) + "\n" + strings.Repeat("y", 5000),
	"long among short":   "a\nb\n" + strings.Repeat("z", 3000) + "\nc\nd\n" + strings.Repeat("w", 9000) + "\ne\n",
	"exactly the limit":  strings.Repeat("x", 100) + "\n" + strings.Repeat("y", 101) + "\n" + strings.Repeat("z", 100),
	"as long as a block": strings.Repeat(strings.Repeat("b", 15)+"\n", 40),
	"many":               many(2000),
}

// many makes n lines of very different lengths.
func many(n int) string {
	rnd := rand.New(rand.NewPCG(1, uint64(n)))
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%d %s\n", i, strings.Repeat("x", rnd.IntN(120)))
	}
	return b.String()
}

// encodings are ways to store one text.
func encodings(t testing.TB, text []byte) map[string][]byte {
	lines := bytes.SplitAfter(text, []byte("\n"))
	half := len(lines) / 2
	return map[string][]byte{
		"plain":               text,
		"gzip":                gz(t, text),
		"gzip by lines":       gz(t, bytes.Join(lines[:half], nil), nil, bytes.Join(lines[half:], nil)),
		"gzip anywhere":       gz(t, chop(text, 7)...),
		"zstd":                zst(t, text),
		"zstd by lines":       join(skippable(0), zst(t, bytes.Join(lines[:half], nil), nil), skippable(9), zst(t, bytes.Join(lines[half:], nil)), skippable(70000)),
		"zstd anywhere":       zst(t, chop(text, 7)...),
		"gzip, empty members": gz(t, nil, nil, text, nil, nil),
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	for name, text := range texts {
		for coding, data := range encodings(t, []byte(text)) {
			for _, p := range []archive.LinesParams{{}, {Buffer: 1}, {Buffer: 16}, {Buffer: 64, MaxLine: 100}, {Buffer: 1000, MaxLine: 1}, {Buffer: 8192, MaxLine: 4999}} {
				t.Run(fmt.Sprintf("%s/%s/%d,%d", name, coding, p.Buffer, p.MaxLine), func(t *testing.T) {
					t.Parallel()
					checkLines(t, data, []byte(text), p)
				})
			}
		}
	}
}

// checkLines reads an object from its start, again from every frame it told of, and to some line in the middle, and all
// that in every mode.
func checkLines(t testing.TB, data, text []byte, p archive.LinesParams) {
	t.Helper()
	for _, m := range modes {
		checkLinesIn(t, m, data, text, p)
	}
}

func checkLinesIn(t testing.TB, m mode, data, text []byte, p archive.LinesParams) {
	t.Helper()
	maxLine := p.MaxLine
	if maxLine == 0 {
		maxLine = 1 << 20
	}
	p.Key = "dns/a"
	l := open(t, &object{data: data}, m.of(p))
	lines, frames, err := collect(t, l, int64(len(data)))
	if !errors.Is(err, io.EOF) {
		t.Fatalf("%s: %v", m.name, err)
	}
	want := reference(text, 0, maxLine)
	equal(t, m.name+" from the start", lines, want)
	if l.Read() != int64(len(text)) {
		t.Errorf("%s: read %d bytes of %d", m.name, l.Read(), len(text))
	}
	resumes := 20
	if m.idle >= 0 {
		resumes = 3 // of one byte each, blocks are handed over slowly
	}
	step := 1 + len(frames)/resumes
	for i := 0; i < len(frames); i += step {
		f := frames[i]
		for _, line := range []int64{f.Line, (f.Line + int64(len(want))) / 2, int64(len(want))} {
			p.Frame, p.Line = f, line
			lines, _, err := collect(t, open(t, &object{data: data}, m.of(p)), int64(len(data)))
			if !errors.Is(err, io.EOF) {
				t.Fatalf("%s from %+v: %v", m.name, f, err)
			}
			equal(t, fmt.Sprintf("%s from %+v, line %d", m.name, f, line), lines, reference(text, line, maxLine))
		}
	}
}

func TestFrames(t *testing.T) {
	t.Parallel()
	a, b, c := []byte("one\ntwo\n"), []byte("three\nfo"), []byte("ur\nfive\n")
	for name, tt := range map[string]struct {
		data  []byte
		lines []int64 // at which a frame begins
	}{
		"gzip": {gz(t, a, b, c, a), []int64{0, 2, 5, 7}},
		"zstd": {zst(t, a, b, c, a), []int64{0, 2, 5, 7}},
		// Behind the skippable frame lies another place to begin, at the same line.
		"plain": {join(a, b), []int64{0, 1, 2, 3, 4}},
	} {
		for _, m := range modes {
			l := open(t, &object{data: tt.data}, m.of(archive.LinesParams{}))
			_, frames, err := collect(t, l, int64(len(tt.data)))
			if !errors.Is(err, io.EOF) || len(frames) != len(tt.lines) {
				t.Fatalf("%s, %s: frames %+v, %v", name, m.name, frames, err)
			}
			for i, f := range frames {
				if f.Line != tt.lines[i] || f.Codec != name {
					t.Errorf("%s, %s: frame %d is %+v, want line %d", name, m.name, i, f, tt.lines[i])
				}
			}
		}
	}
}

// A resume opens the object at the frame, not at its start.
func TestResumeOpensAtFrame(t *testing.T) {
	t.Parallel()
	first, second := gz(t, []byte("a\nb\n")), gz(t, []byte("c\nd\n"))
	o := &object{data: join(first, second)}
	f := archive.Frame{Offset: int64(len(first)), Line: 2, Codec: archive.Gzip}
	l := open(t, o, archive.LinesParams{Key: "k", ETag: "e", Frame: f, Line: 3})
	line, err := l.Next()
	if err != nil || string(line.Bytes) != "d" || line.Number != 3 {
		t.Fatalf("%+v, %v", line, err)
	}
	if want := (archive.OpenParams{Key: "k", ETag: "e", Offset: f.Offset}); o.opened != want {
		t.Errorf("opened %+v, want %+v", o.opened, want)
	}
	if l.Read() != 4 {
		t.Errorf("read %d bytes", l.Read())
	}
}

func TestSniff(t *testing.T) {
	t.Parallel()
	text := []byte("one\ntwo\n")
	for name, tt := range map[string]struct {
		key   string
		data  []byte
		codec string // "" is corrupt
		why   string
	}{
		"gzip named .log":        {"a.log", gz(t, text), archive.Gzip, ""},
		"zstd named .gz":         {"a.gz", zst(t, text), archive.Zstd, ""},
		"text named .gz":         {"a.gz", text, archive.Plain, ""},
		"latin-1 named .GZ":      {"a.GZ", []byte("gr\xfc\xdfe\n"), archive.Plain, ""},
		"skippable frame first":  {"a", join(skippable(3), zst(t, text)), archive.Zstd, ""},
		"binary without a name":  {"a", []byte("\x00\x01\n"), archive.Plain, ""},
		"empty":                  {"a.log", nil, archive.Plain, ""},
		"empty named .gz":        {"a.ndjson.gz", nil, "", "named .gz but empty"},
		"empty named .zst":       {"a.zst", nil, "", "named .zst but empty"},
		"binary named .gz":       {"a.gz", []byte("\x00\x01\n"), "", "named .gz but its bytes are neither that nor text"},
		"binary named .zst":      {"a.zst", []byte("PAR1\x15\x04\x15\x10"), "", "named .zst but its bytes"},
		"half a magic named .gz": {"a.gz", []byte{0x1f}, "", "named .gz but cut off"},
		"half a magic in .zst":   {"a.zst", []byte{0x28, 0xb5}, "", "named .zst but cut off"},
	} {
		l, err := archive.OpenLines(t.Context(), &object{data: tt.data}, archive.LinesParams{Key: tt.key, Size: int64(len(tt.data))})
		if tt.codec == "" {
			c, ok := errors.AsType[*archive.CorruptError](err)
			if !ok || !errors.Is(err, archive.ErrCorrupt) || !strings.Contains(err.Error(), tt.why) || c.Key != tt.key || c.Line != 0 {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || l.Frame().Codec != tt.codec {
			t.Errorf("%s: %v, %v", name, l, err)
			continue
		}
		if _, _, err := collect(t, l, int64(len(tt.data))); !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", name, err)
		}
		_ = l.Close()
	}
}

func TestBadParams(t *testing.T) {
	t.Parallel()
	for _, p := range []archive.LinesParams{
		{Frame: archive.Frame{Offset: 5, Codec: archive.Plain}},
		{Frame: archive.Frame{Offset: -1, Codec: archive.Plain}},
		{Frame: archive.Frame{Offset: 1, Line: 1}, Line: 1},
		{Frame: archive.Frame{Offset: 1, Line: 1, Codec: "lz4"}, Line: 1},
		{Frame: archive.Frame{Offset: 1, Line: 2, Codec: archive.Plain}, Line: 1},
		{Frame: archive.Frame{Line: 2}, Line: 2},
		{Line: -1},
	} {
		p.Key, p.Size = "dns/a", 4
		o := &object{data: []byte("a\nb\n")}
		if _, err := archive.OpenLines(t.Context(), o, p); err == nil || errors.Is(err, archive.ErrCorrupt) || !strings.Contains(err.Error(), "dns/a") {
			t.Errorf("%+v: %v", p, err)
		}
	}
}

// Whatever a line's length, no more than MaxLine and Buffer are held.
// It measures what the process allocates, so nothing runs beside it.
func TestEndlessLine(t *testing.T) {
	data := gz(t, bytes.Repeat([]byte("x"), 16<<20), []byte("\nlast\n"))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	l := open(t, &object{data: data}, archive.LinesParams{MaxLine: 1000, Buffer: 4096})
	lines, _, err := collect(t, l, int64(len(data)))
	runtime.ReadMemStats(&after)
	if !errors.Is(err, io.EOF) || len(lines) != 2 || !lines[0].tooLong || len(lines[0].text) != 1000 || lines[1].text != "last" {
		t.Fatalf("%d lines, %v", len(lines), err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("%d bytes allocated", n)
	}
}

func TestContextEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	text := []byte(strings.Repeat("line\n", 1000))
	o := &object{data: text, wrap: iotest.OneByteReader}
	l, err := archive.OpenLines(ctx, o, archive.LinesParams{Key: "dns/a", Size: int64(len(text))})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Next(); err != nil {
		t.Fatal(err)
	}
	cancel()
	lines, _, err := collect(t, l, int64(len(text)))
	if !errors.Is(err, context.Canceled) || errors.Is(err, archive.ErrCorrupt) {
		t.Error(err)
	}
	// A cancelled reading can be taken up where it stopped.
	rest, _, err := collect(t, open(t, o, archive.LinesParams{Frame: l.Frame(), Line: l.Number()}), int64(len(text)))
	if !errors.Is(err, io.EOF) || 1+len(lines)+len(rest) != 1000 {
		t.Errorf("1 and %d and %d lines, %v", len(lines), len(rest), err)
	}
	_ = l.Close()
	if o.closed != 1 {
		t.Errorf("body closed %d times", o.closed)
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	for coding, data := range encodings(t, []byte(texts["many"])) {
		inModes(t, coding, func(t *testing.T, m mode) {
			o := &object{data: data}
			l := open(t, o, m.of(archive.LinesParams{}))
			for range 1500 {
				if _, err := l.Next(); err != nil {
					t.Fatal(err)
				}
			}
			number, frame, consumed, read := l.Number(), l.Frame(), l.Consumed(), l.Read()
			if err := errors.Join(l.Close(), l.Close()); err != nil || o.closed != 1 {
				t.Errorf("closed %d times, %v", o.closed, err)
			}
			if l.Number() != number || l.Frame() != frame || l.Consumed() != consumed || l.Read() != read {
				t.Errorf("after Close the position is %d %+v %d %d", l.Number(), l.Frame(), l.Consumed(), l.Read())
			}
			if _, err := l.Next(); err == nil || errors.Is(err, io.EOF) {
				t.Errorf("Next after Close: %v", err)
			}
		})
	}
}
