package inflate

import (
	"encoding/binary"
	"fmt"
)

const (
	// margin is how much input, in bytes, the fast loop wants in front of it: what three refills use, and a load.
	margin = 32

	// copyStep is how many bytes of a match are copied at once.
	copyStep = 32

	// symbolMax is how many bytes hold a length, a distance and their extra bits.
	symbolMax = 6
)

// decode gives the text of a coded block; see run.
func (r *Reader) decode(out []byte, from, w int) int {
	for r.state == codedBlock && r.err == nil && len(out)-w >= slack {
		if n := r.br.Buffered(); n >= margin {
			in, _ := r.br.Peek(n)
			n, w = r.fast(in, out, w)
			r.discard(n)
			if len(out)-w < slack {
				break
			}
		}
		next, more := r.step(out, w)
		if next == w && more > 0 {
			if r.want = more; w > from {
				break
			}
			if _, err := r.br.Peek(more); err != nil {
				r.discard(more - 1)
				r.err = noEOF(err)
			}
		}
		w = next
	}
	return w
}

// step decodes one symbol bit by bit: at the edges of the input, and what the fast loop leaves to it. It reads no byte
// of which it needs no bit. When the symbol is not all there, more is how many bytes must be.
func (r *Reader) step(out []byte, w int) (next, more int) {
	in, _ := r.br.Peek(min(r.br.Buffered(), symbolMax+1))
	bits, n := r.bits, r.n
	for _, b := range in {
		bits |= uint64(b) << n
		n += 8
	}
	e := r.lit[bits&(1<<litRoot-1)]
	if e&(special|link) == special|link {
		e = r.lit[e>>valueShift+entry(bits>>litRoot)&(1<<litLink-1)]
	}
	size := uint(e & 63)
	if size > n {
		return w, len(in) + 1
	}
	switch {
	case e&literal != 0:
		out[w] = byte(e >> valueShift)
		r.drop(bits, size)
		return w + 1, 0
	case e&end != 0:
		r.drop(bits, size)
		r.closeBlock()
		return w, 0
	case e&special != 0:
		r.err = r.corrupt("bits that are no code for a literal or a length")
		return w, 0
	}
	length := value(e, bits)
	d := r.dist[bits>>size&(1<<distRoot-1)]
	if d&(special|link) == special|link {
		d = r.dist[d>>valueShift+entry(bits>>size>>distRoot)&(1<<distLink-1)]
	}
	both := size + uint(d&63)
	if both > n {
		return w, len(in) + 1
	}
	if d&special != 0 {
		r.err = r.corrupt("bits that are no code for a distance")
		return w, 0
	}
	distance := value(d, bits>>size)
	if distance > w {
		r.err = r.corrupt(fmt.Sprintf("a distance of %d bytes after %d bytes of text", distance, w))
		return w, 0
	}
	r.drop(bits, both)
	for i := range length {
		out[w+i] = out[w+i-distance]
	}
	return w + length, 0
}

// drop uses up size of the bits, which are those left over and those of the bytes that come next.
func (r *Reader) drop(bits uint64, size uint) {
	if size <= r.n {
		r.bits >>= size
		r.n -= size
		return
	}
	bytes := (size - r.n + 7) / 8
	r.n += 8*bytes - size
	r.bits = bits >> size & (1<<r.n - 1)
	r.discard(int(bytes))
}

// value is the length or distance of an entry: what it says and the extra bits that follow its code.
func value(e entry, bits uint64) int {
	extra := bits & (1<<(e&63) - 1) >> (e >> codeShift & codeMask)
	return int(e>>valueShift) + int(extra)
}

// refill makes 56 bits or more ready. Of n only the low six bits count; bits above them are right, but not yet used up.
func refill(in []byte, bits, n uint64, pos int) (uint64, uint64, int) {
	return bits | binary.LittleEndian.Uint64(in[pos:pos+8:pos+8])<<(n&63), n | 56, pos + 7 - int(n>>3&7)
}

// fast decodes as long as input and room allow to do so without care, and leaves the end of the block and whatever is
// wrong to step. It returns how much input was used and the new length of out.
//
// Each turn begins with 56 bits or more, and the entry that they find. A literal of the first table uses 11 at most, a
// length of it 16, any length 20, any distance 28. So one refill is enough for two literals and looking the next up, for
// a literal and a match of a short code, and for any match.
func (r *Reader) fast(in, out []byte, w int) (int, int) {
	lit, dist := &r.lit, &r.dist
	lastPos, lastW := len(in)-margin, len(out)-slack
	bits, n, pos := refill(in, r.bits, uint64(r.n), 0)
	e := lit[bits&(1<<litRoot-1)]
	for pos <= lastPos && w <= lastW {
		if e&literal != 0 {
			bits, n, out[w], w = bits>>(e&63), n-uint64(e), byte(e>>valueShift), w+1
			if e = lit[bits&(1<<litRoot-1)]; e&literal != 0 {
				bits, n, out[w], w = bits>>(e&63), n-uint64(e), byte(e>>valueShift), w+1
				e = lit[bits&(1<<litRoot-1)]
				bits, n, pos = refill(in, bits, n, pos)
				if e&literal != 0 {
					continue
				}
			}
		}
		if e&special != 0 {
			if e&link == 0 {
				break
			}
			bits, n, pos = refill(in, bits, n, pos)
			e = lit[e>>valueShift+entry(bits>>litRoot)&(1<<litLink-1)]
			if e&special != 0 {
				break
			}
			if e&literal != 0 {
				bits, n, out[w], w = bits>>(e&63), n-uint64(e), byte(e>>valueShift), w+1
				bits, n, pos = refill(in, bits, n, pos)
				e = lit[bits&(1<<litRoot-1)]
				continue
			}
		}
		rest := bits >> (e & 63)
		d := dist[rest&(1<<distRoot-1)]
		if d&special != 0 {
			if d&link == 0 {
				break
			}
			d = dist[d>>valueShift+entry(rest>>distRoot)&(1<<distLink-1)]
			if d&special != 0 {
				break
			}
		}
		distance := int(d>>valueShift) + int(rest&(1<<(d&63)-1)>>(d>>codeShift&codeMask)) // see value
		if distance > w {
			break
		}
		next := w + int(e>>valueShift) + int(bits&(1<<(e&63)-1)>>(e>>codeShift&codeMask))
		bits, n, pos = refill(in, rest>>(d&63), n-uint64(e)-uint64(d), pos)
		e = lit[bits&(1<<litRoot-1)] // before the copy, so that it is there after it

		if distance < copyStep/2 {
			for from := w - distance; w < next; {
				w += copy(out[w:next], out[from:w]) // twice as much each time
			}
			continue
		}
		for {
			to, from := out[w:w+copyStep:w+copyStep], out[w-distance:w-distance+copyStep:w-distance+copyStep]
			copy(to[:copyStep/2], from) // one load and one store: the compiler has it so for 16 bytes
			copy(to[copyStep/2:], from[copyStep/2:])
			if w += copyStep; w >= next {
				break
			}
		}
		w = next
	}
	// Whole bytes that were loaded and not used go back.
	n &= 63
	back := int(n >> 3)
	n &= 7
	r.bits, r.n = bits&(1<<n-1), uint(n)
	return pos - back, w
}
