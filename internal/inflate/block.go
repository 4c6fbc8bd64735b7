package inflate

import "encoding/binary"

// maxBlockHead is the longest beginning of a block, in bytes: three bits, three counts, the lengths of the codes for
// lengths, and each length as a code of 7 bits with up to 7 more.
const maxBlockHead = (3 + 14 + numMeta*3 + (numLit+numDist)*14 + 7) / 8

// openBlock reads a block up to its first symbol or stored byte; RFC 1951, 3.2.3.
func (r *Reader) openBlock() error {
	head, err := r.take(3)
	if err != nil {
		return err
	}
	r.last = head&1 != 0
	r.want = 1
	switch head >> 1 {
	case 0:
		return r.openStored()
	case 1:
		r.state = codedBlock
		r.useFixed()
		return nil
	case 2:
		r.state = codedBlock
		return r.readCodes()
	}
	return r.corrupt("a block of an unknown kind")
}

func (r *Reader) openStored() error {
	r.bits, r.n = 0, 0 // the rest of the byte means nothing
	var b [4]byte
	for i := range b {
		var err error
		if b[i], err = r.readByte(); err != nil {
			return err
		}
	}
	n := binary.LittleEndian.Uint16(b[:])
	if n != ^binary.LittleEndian.Uint16(b[2:]) {
		return r.corrupt("a stored block with a damaged length")
	}
	r.state, r.left = storedBlock, int(n)
	return nil
}

func (r *Reader) copyStored(out []byte, w int) int {
	if r.left == 0 {
		r.closeBlock()
		return w
	}
	if _, err := r.br.Peek(1); err != nil {
		r.err = noEOF(err)
		return w
	}
	b, _ := r.br.Peek(min(r.left, r.br.Buffered()))
	n := copy(out[w:], b)
	r.discard(n)
	r.left -= n
	return w + n
}

// closeBlock goes on behind the end of a block.
func (r *Reader) closeBlock() {
	r.state, r.want = blockHead, maxBlockHead
	if r.last {
		r.state, r.want = trailer, trailerLen
		r.bits, r.n = 0, 0 // the rest of the byte means nothing
	}
}

// useFixed makes the tables of fixed blocks; RFC 1951, 3.2.6.
func (r *Reader) useFixed() {
	if r.fixed {
		return
	}
	var lengths [288]uint8
	for i := range lengths {
		switch {
		case i < 144:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		case i < 280:
			lengths[i] = 7
		default:
			lengths[i] = 8
		}
	}
	build(r.lit[:], litRoot, lengths[:], litSymbols[:])
	for i := range 32 {
		lengths[i] = 5
	}
	build(r.dist[:], distRoot, lengths[:32], distSymbols[:])
	r.fixed = true
}

// metaOrder is the order in which the lengths of the codes for code lengths are stored.
var metaOrder = [numMeta]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// readCodes reads the codes of a dynamic block; RFC 1951, 3.2.7.
func (r *Reader) readCodes() error {
	counts, err := r.take(14)
	if err != nil {
		return err
	}
	lits, dists, metas := int(counts&31)+257, int(counts>>5&31)+1, int(counts>>10)+4
	if lits > numLit || dists > numDist {
		return r.corrupt("a block with too many codes")
	}
	var lengths [numMeta]uint8
	for _, i := range metaOrder[:metas] {
		n, err := r.take(3)
		if err != nil {
			return err
		}
		lengths[i] = uint8(n)
	}
	if !build(r.meta[:], metaRoot, lengths[:], metaSymbols[:]) {
		return r.corrupt("a code for code lengths that is not complete")
	}
	if err := r.readLengths(r.lengths[:lits+dists]); err != nil {
		return err
	}
	r.fixed = false
	if !build(r.lit[:], litRoot, r.lengths[:lits], litSymbols[:]) {
		return r.corrupt("a code for literals and lengths that is not complete")
	}
	if !build(r.dist[:], distRoot, r.lengths[lits:lits+dists], distSymbols[:]) {
		return r.corrupt("a code for distances that is not complete")
	}
	return nil
}

func (r *Reader) readLengths(lengths []uint8) error {
	for i := 0; i < len(lengths); {
		symbol, err := r.takeMeta()
		if err != nil {
			return err
		}
		if symbol < 16 {
			lengths[i] = uint8(symbol)
			i++
			continue
		}
		var value uint8
		least, extra := 3, uint(3)
		switch symbol {
		case 16:
			if i == 0 {
				return r.corrupt("a repeated code length before the first")
			}
			value, extra = lengths[i-1], 2
		case 18:
			least, extra = 11, 7
		}
		n, err := r.take(extra)
		if err != nil {
			return err
		}
		count := least + int(n)
		if count > len(lengths)-i {
			return r.corrupt("more code lengths than there are codes")
		}
		for range count {
			lengths[i] = value
			i++
		}
	}
	return nil
}

// take uses up n bits, at most 16. It reads no byte of which it needs no bit.
func (r *Reader) take(n uint) (uint, error) {
	if err := r.fill(n); err != nil {
		return 0, err
	}
	v := uint(r.bits & (1<<n - 1))
	r.bits >>= n
	r.n -= n
	return v, nil
}

func (r *Reader) takeMeta() (uint, error) {
	for {
		e := r.meta[r.bits&(1<<metaRoot-1)]
		if e == special {
			return 0, r.corrupt("a code length without a code")
		}
		n := uint(e & 63)
		if n <= r.n {
			r.bits >>= n
			r.n -= n
			return uint(e >> valueShift), nil
		}
		if err := r.fill(n); err != nil {
			return 0, err
		}
	}
}

// fill makes at least n bits ready.
func (r *Reader) fill(n uint) error {
	for r.n < n {
		b, err := r.readByte()
		if err != nil {
			return err
		}
		r.bits |= uint64(b) << r.n
		r.n += 8
	}
	return nil
}
