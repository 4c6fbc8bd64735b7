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
	"slices"
	"testing"
	"testing/iotest"

	"github.com/seed-56345083/reprise/internal/inflate"
)

var levels = []int{gzip.HuffmanOnly, gzip.NoCompression, gzip.BestSpeed, gzip.DefaultCompression, gzip.BestCompression}

// Texts of all lengths around the sizes of windows and buffers come back whole.
func TestTexts(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 2, 257, 258, 259, 4096, 32767, 32768, 32769, 65535, 65536, 65820, 98304, 100000, 200000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			rnd := rand.New(rand.NewPCG(3, uint64(n)))
			var s subject
			for i, text := range [][]byte{mixture(rnd, n), logs(n)[:n], make([]byte, n)} {
				for j, level := range levels {
					data := zip(t, text, level)
					if got := s.check(t, append(data, "behind"...), ways[0], ways[1+(i+j+n)%(len(ways)-1)]); got.err != nil || !bytes.Equal(got.text, text) || got.rest != 6 {
						t.Fatalf("level %d: %v", level, got.err)
					}
				}
			}
		})
	}
}

// Reads of any size follow each other, so that the window goes to and fro between the caller's buffer and ours.
func TestReadsOfAnySize(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(4, 4))
	var z inflate.Reader
	buf := make([]byte, 300<<10)
	for range 8 {
		text := append(mixture(rnd, 200000), logs(200000)...)
		br := bufio.NewReaderSize(bytes.NewReader(zip(t, text, 1+rnd.IntN(9))), 16<<rnd.IntN(13))
		if err := z.Reset(br); err != nil {
			t.Fatal(err)
		}
		var err error
		for at := 0; err == nil; {
			p := buf[:rnd.IntN(1<<rnd.IntN(19))%len(buf)]
			var n int
			n, err = z.Read(p)
			if n > len(p) || !bytes.Equal(p[:n], text[at:at+n]) {
				t.Fatalf("%d bytes at %d of %d differ", n, at, len(text))
			}
			if at += n; errors.Is(err, io.EOF) && at != len(text) {
				t.Fatalf("end at %d of %d", at, len(text))
			}
		}
		if _, again := z.Read(buf); !errors.Is(err, io.EOF) || !errors.Is(again, io.EOF) {
			t.Fatal(err, again)
		}
	}
}

// Each member ends where it ends, and what follows is left to the caller.
func TestMembers(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(5, 5))
	var z inflate.Reader
	for _, w := range ways {
		var data []byte
		var ends []int
		var texts [][]byte
		for range 30 {
			text := mixture(rnd, rnd.IntN(5000))
			data = append(data, zip(t, text, levels[rnd.IntN(len(levels))])...)
			texts, ends = append(texts, text), append(ends, len(data))
		}
		var body io.Reader = bytes.NewReader(data)
		if w.wrap != nil {
			body = w.wrap(body)
		}
		counted := &counter{r: body}
		br := bufio.NewReaderSize(counted, w.buffer)
		for i, text := range texts {
			if err := z.Reset(br); err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(&z)
			if err != nil || !bytes.Equal(got, text) {
				t.Fatalf("member %d: %v, %d bytes, want %d", i, err, len(got), len(text))
			}
			if at := counted.n - br.Buffered(); at != ends[i] {
				t.Fatalf("member %d ends at %d, want %d", i, at, ends[i])
			}
		}
		if err := z.Reset(br); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
	}
}

type counter struct {
	r io.Reader
	n int
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

// A member that was cut off is told from a damaged one wherever it ends.
func TestCutOff(t *testing.T) {
	t.Parallel()
	var s subject
	for _, text := range [][]byte{nil, []byte("a"), logs(1000), mixture(rand.New(rand.NewPCG(6, 6)), 700)} {
		for _, level := range levels {
			data := zip(t, text, level)
			for n := range data {
				got := s.check(t, data[:n], ways[0], ways[1+n%(len(ways)-1)])
				if n == 0 && !errors.Is(got.err, io.EOF) || n > 0 && !errors.Is(got.err, io.ErrUnexpectedEOF) {
					t.Fatalf("level %d, %d of %d bytes: %v", level, n, len(data), got.err)
				}
				if got := s.ours(data[:n], ways[0]); !bytes.HasPrefix(text, got.text) || got.rest > 0 {
					t.Fatalf("level %d, %d of %d bytes: other text, or %d bytes left", level, n, len(data), got.rest)
				}
			}
		}
	}
}

// Whichever bit is wrong, the verdict is that of compress/gzip, and so is the text before it.
func TestFlippedBits(t *testing.T) {
	t.Parallel()
	var s subject
	kinds := map[string]int{}
	for _, text := range [][]byte{nil, []byte("abcabcabcd"), logs(1)} {
		for _, level := range []int{gzip.HuffmanOnly, gzip.BestSpeed, gzip.DefaultCompression} {
			data := zip(t, text, level)
			for bit := range 8 * len(data) {
				data[bit/8] ^= 1 << (bit % 8)
				got := s.check(t, data, ways[0], ways[1+bit%(len(ways)-1)])
				kinds[kind(got.err)]++
				data[bit/8] ^= 1 << (bit % 8)
			}
		}
	}
	for _, k := range []string{"right", "cut off", "corrupt", "checksum"} {
		if kinds[k] == 0 {
			t.Errorf("no flipped bit came out as %q: %v", k, kinds)
		}
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	var s subject
	body := zip(t, []byte("text"), 6)[10:]
	long := bytes.Repeat([]byte("n"), 511)
	for name, tt := range map[string]struct {
		flags byte
		parts []string
		sum   bool
		want  string
	}{
		"nothing":           {want: "right"},
		"text flag":         {flags: 1, want: "right"},
		"reserved flags":    {flags: 0xe0, want: "right"},
		"extra":             {flags: 4, parts: []string{"\x03\x00abc"}, want: "right"},
		"empty extra":       {flags: 4, parts: []string{"\x00\x00"}, want: "right"},
		"largest extra":     {flags: 4, parts: []string{"\xff\xff", string(make([]byte, 65535))}, want: "right"},
		"name":              {flags: 8, parts: []string{"a.json\x00"}, want: "right"},
		"empty name":        {flags: 8, parts: []string{"\x00"}, want: "right"},
		"latin name":        {flags: 8, parts: []string{"\xe4\xff\x00"}, want: "right"},
		"longest name":      {flags: 8, parts: []string{string(long), "\x00"}, want: "right"},
		"too long a name":   {flags: 8, parts: []string{string(long), "n\x00"}, want: "corrupt"},
		"comment":           {flags: 16, parts: []string{"of us\x00"}, want: "right"},
		"too long comment":  {flags: 16, parts: []string{string(long), "n\x00"}, want: "corrupt"},
		"all":               {flags: 31, parts: []string{"\x01\x00x", "name\x00", "comment\x00"}, sum: true, want: "right"},
		"checksum":          {flags: 2, sum: true, want: "right"},
		"wrong checksum":    {flags: 2, parts: []string{"\x01\x02"}, want: "corrupt"},
		"endless name":      {flags: 8, parts: []string{"abc"}, want: "corrupt"},
		"checksum and name": {flags: 10, parts: []string{"name\x00"}, sum: true, want: "right"},
	} {
		head := append([]byte{0x1f, 0x8b, 8, tt.flags, 1, 2, 3, 4, 0, 255}, bytes.Join(parts(tt.parts), nil)...)
		if tt.sum {
			sum := crc(head)
			head = append(head, byte(sum), byte(sum>>8))
		}
		data := slices.Concat(head, body)
		if got := s.check(t, data, ways...); kind(got.err) != tt.want && name != "endless name" {
			t.Errorf("%s: %v", name, got.err)
		}
		for n := 0; n < len(head); n += 1 + len(head)/100 {
			s.check(t, data[:n], ways[0], ways[3])
		}
	}
	for _, data := range []string{"\x1f", "\x1e\x8b\x08", "\x1f\x8b\x07\x00\x00\x00\x00\x00\x00\x00", "\x1f\x8c\x08\x00\x00\x00\x00\x00\x00\x00", "plain text, no gzip"} {
		s.check(t, []byte(data), ways...)
	}
}

// The trailer has the length modulo 1<<32, so a wrong one is found, and so is a right one with a wrong checksum.
func TestTrailer(t *testing.T) {
	t.Parallel()
	var s subject
	data := zip(t, logs(100), 6)
	for i := len(data) - 8; i < len(data); i++ {
		data[i]++
		if got := s.check(t, data, ways...); !errors.Is(got.err, gzip.ErrChecksum) {
			t.Error(got.err)
		}
		data[i]--
	}
}

// An error of the body comes back as it is, after all text that could be decoded before it.
func TestBodyFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection reset")
	text := logs(5000)
	data := zip(t, text, 6)
	var z inflate.Reader
	for n := range data {
		body := io.MultiReader(bytes.NewReader(data[:n]), iotest.ErrReader(broken))
		br := bufio.NewReaderSize(body, 1000)
		err := z.Reset(br)
		var got []byte
		if err == nil {
			got, err = io.ReadAll(&z)
		}
		if !errors.Is(err, broken) || !bytes.HasPrefix(text, got) {
			t.Fatalf("at byte %d: %v after %d bytes", n, err, len(got))
		}
	}
}

// While there is text to give no further input is waited for.
func TestGivesWhatItHas(t *testing.T) {
	t.Parallel()
	var data bytes.Buffer
	w, err := flate.NewWriter(&data, 6)
	if err != nil {
		t.Fatal(err)
	}
	data.Write([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255})
	var pieces [][]byte
	var ends []int // of the text in each piece
	text := logs(200000)
	for at := 0; at < len(text); {
		n := min(len(text)-at, 1+at/3)
		_, err := w.Write(text[at : at+n])
		if err := errors.Join(err, w.Flush()); err != nil {
			t.Fatal(err)
		}
		at += n
		pieces, ends = append(pieces, bytes.Clone(data.Bytes())), append(ends, at)
		data.Reset()
	}
	for _, size := range []int{1000, 256 << 10} {
		got := 0
		body := &stepper{pieces: pieces}
		var z inflate.Reader
		if err := z.Reset(bufio.NewReaderSize(body, 64<<10)); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, size)
		for got < len(text) {
			before := body.next
			n, err := z.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			if before < body.next && got != ends[before-1] {
				t.Fatalf("asked for piece %d after %d bytes of text, there were %d", before, got, ends[before-1])
			}
			got += n
		}
	}
}

// So it is when the body pauses in the middle of a symbol, of the head of a block or of a stored block.
func TestGivesWhatItHasAnywhere(t *testing.T) {
	t.Parallel()
	var s subject
	buf := make([]byte, 256<<10)
	for _, level := range levels {
		data := zip(t, mixture(rand.New(rand.NewPCG(10, 10)), 3000), level)
		for cut := 20; cut < len(data); cut += 1 + len(data)/500 {
			want := len(s.theirs(data[:cut]).text)
			body := &stepper{pieces: [][]byte{data[:cut], data[cut:]}}
			err := s.z.Reset(bufio.NewReaderSize(body, 64<<10))
			for got := 0; err == nil && body.next == 1; {
				var n int
				if n, err = s.z.Read(buf); body.next == 1 {
					got += n
				} else if got < want {
					t.Fatalf("level %d, cut at byte %d of %d: waits after %d bytes of text, there are %d", level, cut, len(data), got, want)
				}
			}
			if err != nil && !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
		}
	}
}

// stepper gives one piece for each call.
type stepper struct {
	pieces [][]byte
	next   int
}

func (s *stepper) Read(p []byte) (int, error) {
	if s.next == len(s.pieces) {
		return 0, io.EOF
	}
	s.next++
	return copy(p, s.pieces[s.next-1]), nil
}

// A pooled reader allocates nothing.
func TestAllocations(t *testing.T) { //nolint:paralleltest // counts the allocations of the process
	data := zip(t, logs(300000), 6)
	body := bytes.NewReader(data)
	br := bufio.NewReaderSize(body, 64<<10)
	buf := make([]byte, 256<<10)
	var z inflate.Reader
	allocs := testing.AllocsPerRun(20, func() {
		body.Reset(data)
		br.Reset(body)
		err := z.Reset(br)
		for err == nil {
			_, err = z.Read(buf)
		}
		if !errors.Is(err, io.EOF) {
			t.Error(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations for a member", allocs)
	}
}

func parts(s []string) (b [][]byte) {
	for _, p := range s {
		b = append(b, []byte(p))
	}
	return b
}
