package inflate_test

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"github.com/seed-56345083/reprise/internal/inflate"
)

// result is what became of one member.
type result struct {
	text []byte
	rest int // bytes left behind it
	err  error
}

// subject is what is tested and its oracle, with buffers to be used again, as a pool would.
type subject struct {
	z      inflate.Reader
	buf    []byte
	br     map[int]*bufio.Reader
	oracle gzip.Reader
}

// over puts a bufio.Reader of some size before a body.
func (s *subject) over(body io.Reader, size int) *bufio.Reader {
	if s.br == nil {
		s.br, s.buf = map[int]*bufio.Reader{}, make([]byte, 1<<20)
	}
	if s.br[size] == nil {
		s.br[size] = bufio.NewReaderSize(nil, size)
	}
	s.br[size].Reset(body)
	return s.br[size]
}

// theirs reads with compress/gzip.
func (s *subject) theirs(data []byte) (res result) {
	br := s.over(bytes.NewReader(data), 5000)
	err := s.oracle.Reset(br)
	if err == nil {
		s.oracle.Multistream(false)
		res.text, err = io.ReadAll(io.LimitReader(&s.oracle, maxText))
	}
	res.rest, res.err = left(br), err
	return res
}

// way is how ours is read.
type way struct {
	buffer int // bytes of the bufio.Reader, at least 16
	read   int // bytes of each Read
	wrap   func(io.Reader) io.Reader
}

// ways reach the fast loop, its edges, and decoding into the caller's buffer and into the window.
var ways = []way{
	{buffer: 64 << 10, read: 256 << 10},
	{buffer: 64 << 10, read: 100},
	{buffer: 100, read: 100 << 10},
	{buffer: 16, read: 40 << 10},
	{buffer: 64, read: 96 << 10, wrap: iotest.OneByteReader},
	{buffer: 300, read: 1, wrap: iotest.HalfReader},
	{buffer: 4096, read: 1 << 20, wrap: iotest.DataErrReader},
}

// maxText is where reading a bomb is given up, in bytes.
const maxText = 4 << 20

// ours reads with the reader under test.
func (s *subject) ours(data []byte, w way) (res result) {
	var body io.Reader = bytes.NewReader(data)
	if w.wrap != nil {
		body = w.wrap(body)
	}
	br := s.over(body, w.buffer)
	err := s.z.Reset(br)
	empty := errors.Is(err, io.EOF)
	for err == nil && len(res.text) < maxText {
		var n int
		n, err = s.z.Read(s.buf[:min(w.read, maxText-len(res.text))])
		res.text = append(res.text, s.buf[:n]...)
	}
	if errors.Is(err, io.EOF) && !empty {
		err = nil
	}
	res.rest, res.err = left(br), err
	return res
}

func left(br *bufio.Reader) int {
	rest, _ := io.Copy(io.Discard, br)
	return int(rest)
}

// kind is what an error says about the member.
func kind(err error) string {
	var theirs flate.CorruptInputError
	var ours *inflate.CorruptError
	switch {
	case err == nil:
		return "right"
	case errors.Is(err, io.EOF):
		return "nothing"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "cut off"
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, inflate.ErrChecksum):
		return "checksum"
	case errors.As(err, &theirs), errors.Is(err, gzip.ErrHeader), errors.As(err, &ours):
		return "corrupt"
	}
	return err.Error()
}

// check compares ours with compress/gzip, read in every way: the same text, the same verdict and, where a member is
// right, the same end.
func (s *subject) check(t testing.TB, data []byte, ways ...way) result {
	t.Helper()
	want := s.theirs(data)
	for _, w := range ways {
		got := s.ours(data, w)
		if len(want.text) >= maxText && len(got.text) >= maxText {
			got.err, got.rest, want.err, want.rest = nil, 0, nil, 0
		}
		if kind(got.err) != kind(want.err) {
			t.Fatalf("%+v: %v after %d bytes, compress/gzip says %v after %d\n%x", w, got.err, len(got.text), want.err, len(want.text), data)
		}
		if got.err == nil && got.rest != want.rest {
			t.Fatalf("%+v: %d bytes left, want %d\n%x", w, got.rest, want.rest, data)
		}
		// compress/flate reads ahead by as many bits as the shortest code may have, and ends earlier where they are missing.
		if kind(got.err) == "cut off" && len(got.text) > len(want.text) {
			got.text = got.text[:len(want.text)]
		}
		if !bytes.Equal(got.text, want.text) {
			t.Fatalf("%+v: %d bytes of text, want %d; %v\n%x", w, len(got.text), len(want.text), got.err, data)
		}
	}
	return want
}

// zip is one gzip member.
func zip(t testing.TB, text []byte, level int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// logs is n bytes or a little more of lines as a network monitor writes them; they compress about 11 : 1.
func logs(n int) []byte {
	rnd := rand.New(rand.NewPCG(1, 2))
	names := make([]string, 400)
	for i := range names {
		names[i] = fmt.Sprintf("host-%x.%x.example.com", rnd.Uint32N(1<<16), rnd.Uint32N(1<<10))
	}
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		asked := rnd.IntN(1 + rnd.IntN(len(names)))
		fmt.Fprintf(&b, `{"_path":"dns","_write_ts":"2018-03-24T17:%02d:%02d.%06dZ","ts":"2018-03-24T17:%02d:%02d.%06dZ",`,
			i>>12%60, i>>6%60, i*15625%1000000, i>>12%60, i>>6%60, rnd.IntN(1000000))
		fmt.Fprintf(&b, `"uid":"C%011x","id.orig_h":"10.%d.0.%d","id.orig_p":%d,"id.resp_h":"10.0.0.%d","id.resp_p":53,"proto":"udp","trans_id":%d,`,
			rnd.Uint64N(1<<44), asked%40, 10+rnd.IntN(20), 1024+rnd.IntN(60000), 100+asked%3, rnd.IntN(1<<16))
		fmt.Fprintf(&b, `"query":"%s","qclass":1,"qclass_name":"C_INTERNET","qtype":1,"qtype_name":"A","rcode":%d,"rcode_name":"%s","AA":false,"TC":false,"RD":true,"RA":%t,"Z":0,"rejected":false`,
			names[asked], asked%2*3, []string{"NOERROR", "NXDOMAIN"}[asked%2], asked%5 > 0)
		if asked%3 == 0 {
			fmt.Fprintf(&b, `,"answers":["10.%d.47.%d"],"TTLs":[%d.0]`, asked%40, asked%200, 60*(1+asked%5))
		}
		b.WriteString("}\n")
	}
	return b.Bytes()
}

// mixture is text of every kind: runs, repeats from near and far, what compresses and what does not.
func mixture(rnd *rand.Rand, n int) []byte {
	b := make([]byte, 0, n)
	for len(b) < n {
		size := 1 + rnd.IntN(1+rnd.IntN(3000))
		switch kind := rnd.IntN(4); {
		case kind == 0:
			for range size {
				b = append(b, byte(rnd.Uint32()))
			}
		case kind == 1:
			b = append(b, bytes.Repeat([]byte{byte(rnd.Uint32())}, size)...)
		case kind == 2 && len(b) > 0:
			distance := 1 + rnd.IntN(min(len(b), 1<<rnd.IntN(16)))
			for range size {
				b = append(b, b[len(b)-distance])
			}
		default:
			for range size {
				b = append(b, "abcdefgh"[rnd.IntN(8)])
			}
		}
	}
	return b[:n]
}
