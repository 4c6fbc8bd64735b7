package inflate_test

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// FuzzMember reads any bytes as compress/gzip does.
func FuzzMember(f *testing.F) {
	for _, level := range levels {
		f.Add(zip(f, logs(700), level))
		f.Add(zip(f, nil, level))
	}
	f.Add(zip(f, mixture(rand.New(rand.NewPCG(7, 7)), 3000), 6))
	f.Add([]byte{0x1f, 0x8b, 8, 31, 0, 0, 0, 0, 0, 255, 1, 0, 'x', 'n', 0, 'c', 0, 0, 0})
	var s subject // inputs run one after another, and what one leaves behind must not change the next
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<16 {
			return
		}
		s.check(t, data, pick(data)...)
	})
}

// FuzzDeflate puts the bytes behind a right header, where they are blocks at once, and before them, stored, a text to
// look back to.
func FuzzDeflate(f *testing.F) {
	for _, level := range levels {
		f.Add(zip(f, logs(700), level)[10:], uint16(0))
	}
	lits := with(286, map[int]uint8{'a': 2, 256: 2, 257: 2, 285: 2})
	f.Add(new(bitWriter).dynamic(1, lits, []uint8{1}).code(lits, 'a').code(lits, 285).bits(0, 1).code(lits, 256).b, uint16(1))
	f.Add(new(bitWriter).bits(3, 3).code(fixedLits, 257).code(fixedDists, 29).bits(8191, 13).code(fixedLits, 256).b, uint16(40000))
	var s subject // inputs run one after another, and what one leaves behind must not change the next
	f.Fuzz(func(t *testing.T, blocks []byte, before uint16) {
		if len(blocks) > 1<<16 {
			return
		}
		var w bitWriter
		if before > 0 {
			w.stored(0, string(mixture(rand.New(rand.NewPCG(8, uint64(before))), int(before))))
		}
		w.b = append(w.b, blocks...)
		s.check(t, w.member(""), pick(blocks)...)
	})
}

// FuzzCodes makes blocks of any code lengths, mostly complete ones, and lets the rest be their symbols.
func FuzzCodes(f *testing.F) {
	f.Add([]byte("abcdefgh"), uint64(1), []byte("some symbols of a block, and a few more of them"))
	var s subject // inputs run one after another, and what one leaves behind must not change the next
	f.Fuzz(func(t *testing.T, split []byte, seed uint64, symbols []byte) {
		if len(split) > 600 || len(symbols) > 1<<14 {
			return
		}
		rnd := rand.New(rand.NewPCG(seed, 9))
		var w bitWriter
		w.stored(0, string(mixture(rnd, rnd.IntN(1+rnd.IntN(40000)))))
		w.dynamic(1, randomCode(rnd, split, 257+rnd.IntN(30)), randomCode(rnd, split, 1+rnd.IntN(30)))
		for _, b := range symbols {
			w.bits(uint64(b), 8)
		}
		s.check(t, w.member(""), pick(symbols)...)
	})
}

// randomCode splits codes in two, beginning with the empty one, and gives them to symbols; now and then one is spoilt.
func randomCode(rnd *rand.Rand, split []byte, size int) []uint8 {
	codes := []uint8{0}
	for _, b := range split {
		i := int(b) % len(codes)
		if codes[i] < 15 && len(codes) < size {
			codes[i]++
			codes = append(codes, codes[i])
		}
	}
	lengths := make([]uint8, size)
	for i, at := range rnd.Perm(size)[:min(size, len(codes))] {
		lengths[at] = codes[i]
	}
	if rnd.IntN(10) == 0 {
		lengths[rnd.IntN(size)] = uint8(rnd.IntN(16))
	}
	return lengths
}

// FuzzText packs and unpacks.
func FuzzText(f *testing.F) {
	f.Add([]byte("one text and one text and another"), uint8(6), uint8(3))
	var s subject // inputs run one after another, and what one leaves behind must not change the next
	f.Fuzz(func(t *testing.T, piece []byte, level, times uint8) {
		text := bytes.Repeat(piece, 1+int(times))
		if len(text) > 1<<20 {
			return
		}
		data := zip(t, text, int(level%12)-2)
		if got := s.check(t, append(data, piece...), pick(piece)...); got.err != nil || !bytes.Equal(got.text, text) || got.rest != len(piece) {
			t.Fatalf("%v, %d bytes of %d, rest %d of %d", got.err, len(got.text), len(text), got.rest, len(piece))
		}
	})
}

// pick chooses the usual way and another by the bytes, so that an input is read in the same ways each time.
func pick(data []byte) []way {
	return []way{ways[0], ways[1+int(crc(data)%uint32(len(ways)-1))]}
}
