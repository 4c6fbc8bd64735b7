package e2e_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// coding is a way to store the lines of an object.
type coding struct {
	name   string
	suffix string
	frame  int // lines of a member or frame; 0: all in one
	writer func(io.Writer) (io.WriteCloser, error)
}

func gzipWriter(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriterLevel(w, gzip.BestSpeed) }

func zstdWriter(w io.Writer) (io.WriteCloser, error) {
	return zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
}

func codings() []coding {
	return []coding{
		{"plain", ".log", 0, nil},
		{"gzip", ".log.gz", 0, gzipWriter},
		{"members", ".log.gz", 1000, gzipWriter},
		{"zstd", ".log.zst", 5000, zstdWriter},
	}
}

// encode stores lines, each with its newline.
func (c coding) encode(t *testing.T, lines [][]byte) []byte {
	t.Helper()
	if c.writer == nil {
		return bytes.Join(lines, nil)
	}
	step := c.frame
	if step == 0 {
		step = max(len(lines), 1)
	}
	var b bytes.Buffer
	for begin := 0; begin < len(lines); begin += step {
		w, err := c.writer(&b)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range lines[begin:min(begin+step, len(lines))] {
			if _, err := w.Write(line); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}
