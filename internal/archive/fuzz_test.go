package archive_test

import (
	"errors"
	"io"
	"testing"

	"github.com/seed-56345083/reprise/internal/archive"
)

// FuzzLines reads any bytes under any codec, which must end, and the same bytes as a text stored in every way, which
// must give the lines of a plain splitter from the start and from every frame.
func FuzzLines(f *testing.F) {
	for _, text := range texts {
		if len(text) > 1000 {
			continue
		}
		f.Add([]byte(text), uint8(3), uint16(7), uint16(16))
		for _, data := range encodings(f, []byte(text)) {
			f.Add(data, uint8(2), uint16(100), uint16(64))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, pieces uint8, maxLine, buffer uint16) {
		if len(data) > 4096 {
			return // a bomb of a few kilobytes unpacks to no more than some hundred megabytes
		}
		p := archive.LinesParams{MaxLine: 1 + int(maxLine), Buffer: 1 + int(buffer)}
		for _, codec := range []string{"", archive.Plain, archive.Gzip, archive.Zstd} {
			for _, m := range modes {
				readAnything(t, data, codec, m.of(p))
			}
		}
		parts := chop(data, 1+int(pieces%8))
		checkLines(t, gz(t, parts...), data, p)
		checkLines(t, zst(t, parts...), data, p)
		checkLines(t, join(skippable(int(pieces)), zst(t, data)), data, p)
	})
}

func readAnything(t *testing.T, data []byte, codec string, p archive.LinesParams) {
	p.Size = int64(len(data))
	if codec != "" && len(data) > 0 {
		p.Frame = archive.Frame{Offset: 1, Line: 1, Codec: codec}
		p.Line = 1
	}
	l, err := archive.OpenLines(t.Context(), &object{data: data}, p)
	if err == nil {
		var read int64
		for err == nil && read < 8<<20 {
			_, err = l.Next()
			read = l.Read()
		}
		if cerr := l.Close(); cerr != nil {
			t.Error(cerr)
		}
	}
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, archive.ErrCorrupt) {
		t.Errorf("%v is neither an end nor corruption", err)
	}
}
