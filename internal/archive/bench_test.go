package archive_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"github.com/seed-56345083/reprise/internal/archive"
)

// records is about 16 MiB of lines as a network monitor writes them.
func records() []byte {
	var b strings.Builder
	for i := 0; b.Len() < 16<<20; i++ {
		fmt.Fprintf(&b, `{"ts":"2024-01-%02dT%02d:%02d:%02d.%06dZ","uid":"C%x","id.orig_h":"10.%d.%d.%d","id.orig_p":%d,"id.resp_h":"192.168.1.%d","id.resp_p":53,"proto":"udp","trans_id":%d,"rtt":0.%06d,"query":"host%d.example.com","qclass":1,"qtype_name":"A","rcode":%d,"rcode_name":"NOERROR","AA":false,"TC":false,"RD":true,"RA":true,"Z":0,"answers":["10.0.%d.%d"],"TTLs":[300.0],"rejected":false}`+"\n",
			1+i/86400%28, i/3600%24, i/60%60, i%60, i*7919%1000000, i*2654435761, i>>4&255, i*31&255, i*17&255, 1024+i*13%60000, i&255, i*40503&65535, i*104729%1000000, i*7%5000, i&3, i>>2&255, i*3&255)
	}
	return []byte(b.String())
}

func BenchmarkLines(b *testing.B) {
	text := records()
	members := chop(text, 64)
	for _, bb := range []struct {
		name string
		data []byte
		size int
		wrap func(io.Reader) io.Reader
	}{
		{name: "plain", data: text}, {name: "gzip", data: gz(b, text)}, {name: "gzip_members", data: gz(b, members...)},
		{name: "zstd", data: zst(b, text)}, {name: "zstd_frames", data: zst(b, members...)},
		// For comparison: a body that the library unpacks.
		{name: "gzip_klauspost", data: gz(b, text), size: len(text), wrap: func(r io.Reader) io.Reader {
			z, err := gzip.NewReader(bufio.NewReaderSize(r, 64<<10))
			if err != nil {
				b.Fatal(err)
			}
			return z
		}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			o := &object{data: bb.data, wrap: bb.wrap}
			var lines int64
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				lines += read(b, o, archive.LinesParams{Size: int64(max(len(bb.data), bb.size))})
			}
			b.ReportMetric(float64(lines)/b.Elapsed().Seconds()/1e6, "Mlines/s")
		})
	}
}

// BenchmarkNext is the cost of one line; it must not allocate.
func BenchmarkNext(b *testing.B) {
	text := records()
	for name, data := range map[string][]byte{"plain": text, "gzip": gz(b, text), "zstd": zst(b, text)} {
		b.Run(name, func(b *testing.B) {
			o := &object{data: data}
			l := open(b, o, archive.LinesParams{})
			b.ReportAllocs()
			for b.Loop() {
				if _, err := l.Next(); err != nil {
					l = open(b, o, archive.LinesParams{})
				}
			}
		})
	}
}

// BenchmarkSkip is the way to a line in the middle of a single gzip member.
func BenchmarkSkip(b *testing.B) {
	text := records()
	data := gz(b, text)
	last := int64(strings.Count(string(text), "\n")) - 1
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if n := read(b, &object{data: data}, archive.LinesParams{Size: int64(len(data)), Line: last}); n != 1 {
			b.Fatalf("%d lines", n)
		}
	}
}

// BenchmarkOpen is what an object costs however small it is.
func BenchmarkOpen(b *testing.B) {
	text := []byte("one\ntwo\n")
	for name, data := range map[string][]byte{"plain": text, "gzip": gz(b, text), "zstd": zst(b, text)} {
		b.Run(name, func(b *testing.B) {
			o := &object{data: data}
			b.ReportAllocs()
			for b.Loop() {
				read(b, o, archive.LinesParams{Size: int64(len(data))})
			}
		})
	}
}

func read(b *testing.B, o *object, p archive.LinesParams) (lines int64) {
	l, err := archive.OpenLines(b.Context(), o, p)
	if err != nil {
		b.Fatal(err)
	}
	for {
		if _, err := l.Next(); err != nil {
			if !errors.Is(err, io.EOF) {
				b.Fatal(err)
			}
			_ = l.Close()
			return lines
		}
		lines++
	}
}
