package inflate_test

import (
	"bufio"
	"bytes"
	stdgzip "compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/gzip"

	"github.com/seed-56345083/reprise/internal/inflate"
)

// resetter is what all three readers are.
type resetter interface {
	io.Reader
	Reset(br *bufio.Reader) error
}

type std struct{ stdgzip.Reader }

func (z *std) Reset(br *bufio.Reader) error { return z.Reader.Reset(br) }

type klauspost struct{ gzip.Reader }

func (z *klauspost) Reset(br *bufio.Reader) error { return z.Reader.Reset(br) }

// BenchmarkRead unpacks with ours and with the readers that it replaces, in blocks as archive.Lines asks for them. On a
// machine with other work, compare the least of many short runs: -benchtime 1x -count 100.
func BenchmarkRead(b *testing.B) {
	for name, text := range map[string][]byte{
		"logs": logs(4 << 20), "few lines": logs(2000), "mixture": mixture(rand.New(rand.NewPCG(1, 1)), 4<<20),
	} {
		data := zip(b, text, 6)
		name = fmt.Sprintf("%s %.1f:1/", name, float64(len(text))/float64(len(data)))
		b.Run(name+"ours", func(b *testing.B) { benchRead(b, new(inflate.Reader), data, len(text)) })
		b.Run(name+"klauspost", func(b *testing.B) { benchRead(b, new(klauspost), data, len(text)) })
		b.Run(name+"std", func(b *testing.B) { benchRead(b, new(std), data, len(text)) })
	}
}

func benchRead(b *testing.B, z resetter, data []byte, size int) {
	b.SetBytes(int64(size))
	b.ReportAllocs()
	body := bytes.NewReader(nil)
	br := bufio.NewReaderSize(nil, 64<<10)
	buf := make([]byte, 256<<10)
	for b.Loop() {
		body.Reset(data)
		br.Reset(body)
		err := z.Reset(br)
		if m, ok := z.(interface{ Multistream(ok bool) }); ok {
			m.Multistream(false)
		}
		for err == nil {
			_, err = z.Read(buf)
		}
		if !errors.Is(err, io.EOF) {
			b.Fatal(err)
		}
	}
}
