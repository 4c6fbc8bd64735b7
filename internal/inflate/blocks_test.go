package inflate_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/bits"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/seed-56345083/reprise/internal/inflate"
)

func crc(b []byte) uint32 { return crc32.ChecksumIEEE(b) }

// bitWriter writes deflate by hand.
type bitWriter struct {
	b []byte
	n uint // bits of the last byte that are used
}

func (w *bitWriter) bits(v uint64, n int) *bitWriter {
	for i := range n {
		if w.n%8 == 0 {
			w.b = append(w.b, 0)
		}
		w.b[len(w.b)-1] |= byte(v>>i&1) << (w.n % 8)
		w.n++
	}
	return w
}

// code writes the code of a symbol: its first bit first.
func (w *bitWriter) code(lengths []uint8, symbol int) *bitWriter {
	n := int(lengths[symbol])
	return w.bits(uint64(bits.Reverse32(uint32(codeOf(lengths, symbol)))>>(32-n)), n)
}

// codeOf is the canonical code as RFC 1951, 3.2.2 defines it.
func codeOf(lengths []uint8, symbol int) int {
	code := 0
	for n := uint8(1); n <= lengths[symbol]; n++ {
		code <<= 1
		for i, l := range lengths {
			if l == n {
				if i == symbol {
					return code
				}
				code++
			}
		}
	}
	return code
}

func (w *bitWriter) stored(last uint64, text string) *bitWriter {
	w.bits(last, 1).bits(0, 2)
	w.n = uint(8 * len(w.b))
	n := uint64(len(text))
	w.bits(n, 16).bits(^n, 16)
	w.b = append(w.b, text...)
	w.n = uint(8 * len(w.b))
	return w
}

// dynamic writes the head of a block with these codes; the code lengths go out as they are, each in five bits or, if
// one is zero, four.
func (w *bitWriter) dynamic(last uint64, lits, dists []uint8) *bitWriter {
	w.bits(last, 1).bits(2, 2).bits(uint64(len(lits)-257), 5).bits(uint64(len(dists)-1), 5).bits(15, 4)
	meta := make([]uint8, 19)
	for i := range 16 {
		meta[i] = 4
	}
	for _, i := range []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15} {
		w.bits(uint64(meta[i]), 3)
	}
	for _, n := range lits {
		w.code(meta, int(n))
	}
	for _, n := range dists {
		w.code(meta, int(n))
	}
	return w
}

// member makes the rest of a gzip member for a text.
func (w *bitWriter) member(text string) []byte {
	data := append([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}, w.b...)
	data = binary.LittleEndian.AppendUint32(data, crc([]byte(text)))
	return binary.LittleEndian.AppendUint32(data, uint32(len(text)))
}

var (
	fixedLits  = append(append(append(repeat(8, 144), repeat(9, 112)...), repeat(7, 24)...), repeat(8, 8)...)
	fixedDists = repeat(5, 32)
)

func repeat(n uint8, count int) []uint8 { return bytes.Repeat([]byte{n}, count) }

// with is a code with these lengths at these symbols.
func with(size int, at map[int]uint8) []uint8 {
	lengths := make([]uint8, size)
	for i, n := range at {
		lengths[i] = n
	}
	return lengths
}

// Every kind of block and every odd code, right or wrong, as compress/flate takes it.
func TestBlocks(t *testing.T) {
	t.Parallel()
	// 'a', the end, length 3 and length 258, two bits each.
	lits := with(286, map[int]uint8{'a': 2, 256: 2, 257: 2, 285: 2})
	onlyEnd := with(257, map[int]uint8{256: 1})
	noDist, oneDist := []uint8{0}, []uint8{1}
	type test struct {
		w    *bitWriter
		text string
		want string // part of our error; "" where the member is right
	}
	nw := func() *bitWriter { return new(bitWriter) }
	for name, tt := range map[string]test{
		"empty stored":         {w: nw().stored(1, "")},
		"stored":               {w: nw().stored(0, "one ").stored(1, "two"), text: "one two"},
		"stored, full":         {w: nw().stored(1, strings.Repeat("x", 65535)), text: strings.Repeat("x", 65535)},
		"stored, empty in it":  {w: nw().stored(0, "a").stored(0, "").stored(0, "").stored(1, "b"), text: "ab"},
		"stored, odd bits":     {w: nw().bits(0, 1).bits(1, 2).code(fixedLits, 'a').code(fixedLits, 256).stored(1, "b"), text: "ab"},
		"stored, wrong length": {w: nw().bits(1, 3).bits(0, 5).bits(5, 16).bits(5, 16), want: "a stored block with a damaged length"},
		"kind 3":               {w: nw().bits(7, 3).bits(0, 99), want: "a block of an unknown kind"},
		"fixed, empty":         {w: nw().bits(3, 3).code(fixedLits, 256)},
		"fixed":                {w: nw().bits(3, 3).code(fixedLits, 'a').code(fixedLits, 255).code(fixedLits, 256), text: "a\xff"},
		"fixed, run":           {w: nw().bits(3, 3).code(fixedLits, 'a').code(fixedLits, 285).code(fixedDists, 0).code(fixedLits, 256), text: strings.Repeat("a", 259)},
		"fixed, 258 as 227+31": {w: nw().bits(3, 3).code(fixedLits, 'a').code(fixedLits, 284).bits(31, 5).code(fixedDists, 0).code(fixedLits, 256), text: strings.Repeat("a", 259)},
		"fixed, length 286":    {w: nw().bits(3, 3).code(fixedLits, 'a').code(fixedLits, 286).bits(0, 99), want: "no code for a literal or a length"},
		"fixed, length 287":    {w: nw().bits(3, 3).code(fixedLits, 'a').code(fixedLits, 287).bits(0, 99), want: "no code for a literal or a length"},
		"fixed, distance 30":   {w: nw().bits(3, 3).code(fixedLits, 'a').code(fixedLits, 257).code(fixedDists, 30).bits(0, 99), want: "no code for a distance"},
		"fixed, distance 31":   {w: nw().bits(3, 3).code(fixedLits, 'a').code(fixedLits, 257).code(fixedDists, 31).bits(0, 99), want: "no code for a distance"},
		"fixed, far":           {w: nw().bits(3, 3).code(fixedLits, 'a').code(fixedLits, 257).code(fixedDists, 1).bits(0, 99), want: "a distance of 2 bytes after 1 bytes of text"},
		"largest distance": {
			w:    nw().stored(0, "z"+strings.Repeat("x", 32767)).bits(3, 3).code(fixedLits, 257).code(fixedDists, 29).bits(8191, 13).code(fixedLits, 256),
			text: "z" + strings.Repeat("x", 32767) + "zxx",
		},
		"one byte too far": {
			w:    nw().stored(0, strings.Repeat("x", 32767)).bits(3, 3).code(fixedLits, 257).code(fixedDists, 29).bits(8191, 13).bits(0, 99),
			text: strings.Repeat("x", 32767), want: "a distance of 32768 bytes after 32767 bytes of text",
		},
		"fixed after dynamic": {
			w:    nw().bits(2, 3).code(fixedLits, 'b').code(fixedLits, 256).dynamic(0, lits, oneDist).code(lits, 'a').code(lits, 256).bits(3, 3).code(fixedLits, 'c').code(fixedLits, 256),
			text: "bac",
		},
		"one distance":         {w: nw().dynamic(1, lits, oneDist).code(lits, 'a').code(lits, 285).bits(0, 1).code(lits, 256), text: strings.Repeat("a", 259)},
		"one distance, other":  {w: nw().dynamic(1, lits, oneDist).code(lits, 'a').code(lits, 285).bits(1, 1).bits(0, 99), want: "no code for a distance"},
		"one far distance":     {w: nw().dynamic(1, lits, with(30, map[int]uint8{1: 1})).bits(0, 2).bits(0, 2).code(lits, 257).bits(0, 1).code(lits, 256), text: "aaaaa"},
		"no distance":          {w: nw().dynamic(1, lits, noDist).code(lits, 'a').code(lits, 256), text: "a"},
		"no distance, used":    {w: nw().dynamic(1, lits, noDist).code(lits, 'a').code(lits, 257).bits(0, 99), want: "no code for a distance"},
		"one distance, 2 bits": {w: nw().dynamic(1, lits, []uint8{2}).bits(0, 99), want: "a code for distances that is not complete"},
		"distances, missing":   {w: nw().dynamic(1, lits, []uint8{1, 2}).bits(0, 99), want: "a code for distances that is not complete"},
		"distances, too many":  {w: nw().dynamic(1, lits, []uint8{1, 1, 1}).bits(0, 99), want: "a code for distances that is not complete"},
		"31 distances":         {w: nw().dynamic(1, lits, repeat(0, 31)).bits(0, 99), want: "a block with too many codes"},
		"287 lengths":          {w: nw().dynamic(1, with(287, map[int]uint8{'a': 1, 256: 1}), noDist).bits(0, 99), want: "a block with too many codes"},
		"288 lengths":          {w: nw().dynamic(1, with(288, map[int]uint8{'a': 1, 256: 1}), noDist).bits(0, 99), want: "a block with too many codes"},
		"only an end":          {w: nw().dynamic(1, onlyEnd, noDist).bits(0, 1)},
		"only an end, other":   {w: nw().dynamic(1, onlyEnd, noDist).bits(1, 1).bits(0, 99), want: "no code for a literal or a length"},
		"one literal, 2 bits":  {w: nw().dynamic(1, with(257, map[int]uint8{256: 2}), noDist).bits(0, 99), want: "a code for literals and lengths that is not complete"},
		"no literals":          {w: nw().dynamic(1, repeat(0, 257), noDist).bits(0, 99), want: "no code for a literal or a length"},
		"no end":               {w: nw().dynamic(1, with(257, map[int]uint8{'a': 1, 'b': 1}), noDist).bits(0, 8), text: "", want: "unexpected EOF"},
		"literals, missing":    {w: nw().dynamic(1, with(257, map[int]uint8{'a': 2, 256: 1}), noDist).bits(0, 99), want: "a code for literals and lengths that is not complete"},
		"literals, too many":   {w: nw().dynamic(1, with(257, map[int]uint8{'a': 1, 'b': 1, 256: 1}), noDist).bits(0, 99), want: "a code for literals and lengths that is not complete"},
		"lengths, none":        {w: nw().bits(5, 3).bits(0, 14).bits(0, 12).bits(0, 99), want: "a code length without a code"},
		"lengths, missing":     {w: nw().bits(5, 3).bits(0, 14).bits(2, 12).bits(0, 99), want: "a code for code lengths that is not complete"},
		"lengths, too many":    {w: nw().bits(5, 3).bits(0, 14).bits(1+1<<3+1<<6, 12).bits(0, 99), want: "a code for code lengths that is not complete"},
		"lengths, only one":    {w: nw().bits(5, 3).bits(0, 14).bits(1<<9, 12).bits(1, 99), want: "a code length without a code"},
		"repeat of nothing":    {w: nw().bits(5, 3).bits(0, 14).bits(1, 12).bits(0, 99), want: "a repeated code length before the first"},
		"repeats, too many":    {w: nw().bits(5, 3).bits(0, 14).bits(1<<6, 12).bits(0x7f<<1|0x7f<<9|0x7f<<17, 24).bits(0, 99), want: "more code lengths than there are codes"},
	} {
		data := tt.w.member(tt.text)
		var s subject
		want := s.check(t, data, ways...)
		got := s.ours(data, ways[0])
		if tt.want == "" {
			if want.err != nil || got.err != nil || string(got.text) != tt.text {
				t.Errorf("%s: %v, %v, %d bytes", name, got.err, want.err, len(got.text))
			}
			continue
		}
		if want.err == nil || got.err == nil || !strings.Contains(got.err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s; compress/gzip: %v", name, got.err, tt.want, want.err)
		}
		// The same with much behind it, so that the fast loop meets it.
		s.check(t, append(data, make([]byte, 1000)...), ways...)
	}
}

// The longest codes with the most extra bits in any order, so that every refill of the bits is needed.
func TestLongCodes(t *testing.T) {
	t.Parallel()
	lits := make([]uint8, 286)
	short := []int{'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 283, 'k'} // 1 to 11 bits
	for i, symbol := range short {
		lits[symbol] = uint8(i + 1)
	}
	long := []int{'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', 256, 281, 282, 284, 285} // for one of 11 bits
	for _, symbol := range long {
		lits[symbol] = 15
	}
	distances := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 28, 29} // 1 to 14 bits, and twice 15
	dists := make([]uint8, 30)
	for i, symbol := range distances {
		dists[symbol] = uint8(min(i+1, 15))
	}
	rnd := rand.New(rand.NewPCG(9, 9))
	text := mixture(rnd, 40000)
	w := new(bitWriter).stored(0, string(text)).dynamic(1, lits, dists)
	for range 20000 {
		symbol := short[rnd.IntN(len(short))]
		if rnd.IntN(4) == 0 {
			symbol = long[rnd.IntN(len(long))]
		}
		if symbol == 256 || symbol == 285 {
			continue
		}
		w.code(lits, symbol)
		if symbol < 256 {
			text = append(text, byte(symbol))
			continue
		}
		length := rnd.IntN(32)
		w.bits(uint64(length), 5)
		length += 131 + 32*(symbol-281)
		d := distances[len(distances)-1-min(rnd.IntN(16), rnd.IntN(16))]
		w.code(dists, d)
		extra, distance := max(0, d-2)/2, d+1
		if d > 3 {
			distance = 1 + (2+d&1)<<extra
		}
		more := rnd.IntN(1 << extra)
		w.bits(uint64(more), extra)
		for range length {
			text = append(text, text[len(text)-distance-more])
		}
	}
	w.code(lits, 256)
	var s subject
	if got := s.check(t, w.member(string(text)), ways...); got.err != nil || !bytes.Equal(got.text, text) {
		t.Fatal(got.err, len(got.text), len(text))
	}
}

// The place of the damage is how far the member was read.
func TestCorruptError(t *testing.T) {
	t.Parallel()
	w := new(bitWriter).stored(0, strings.Repeat("x", 100)).bits(7, 3).bits(0, 99)
	var s subject
	got := s.ours(w.member(""), ways[0])
	c, ok := errors.AsType[*inflate.CorruptError](got.err)
	if !ok || c.Offset != 10+5+100+1 || c.Reason != "a block of an unknown kind" {
		t.Fatal(got.err)
	}
	if c.Error() != "a block of an unknown kind (byte 116 of the member)" {
		t.Error(c)
	}
}
