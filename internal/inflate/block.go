package inflate

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
	n, _ := r.take(16) // an error comes again
	inverse, err := r.take(16)
	if err == nil && n != inverse^0xffff {
		err = r.corrupt("a stored block with a damaged length")
	}
	r.state, r.left = storedBlock, int(n)
	return err
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

// closeBlock goes on behind the end of a block. The head of a dynamic block is long, and the others are often the last.
func (r *Reader) closeBlock() {
	r.state, r.want = blockHead, maxBlockHead
	if r.last {
		r.state, r.want = trailer, trailerLen // the rest of the byte means nothing
		return
	}
	head := r.bits
	if b, _ := r.br.Peek(min(1, r.br.Buffered())); len(b) > 0 {
		head |= uint64(b[0]) << r.n
		if head>>1&3 != 2 {
			r.want = 5 // bytes of the head of a stored block
		}
	}
}

// useFixed makes the tables of fixed blocks; RFC 1951, 3.2.6.
func (r *Reader) useFixed() {
	if r.fixed {
		return
	}
	var lengths [288]uint8
	for i := range lengths {
		lengths[i] = 8
	}
	for i := 144; i < 256; i++ {
		lengths[i] = 9
	}
	for i := 256; i < 280; i++ {
		lengths[i] = 7
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
	r.fixed = false
	// The table for distances is free until its own code is known, and code lengths are as good as literals.
	if !build(r.dist[:], distRoot, lengths[:], litSymbols[:numMeta]) {
		return r.corrupt("a code for code lengths that is not complete")
	}
	if err := r.readLengths(r.lengths[:lits+dists]); err != nil {
		return err
	}
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
		value, least, extra := uint8(0), 3, uint(3)
		switch {
		case symbol < 16:
			value, least, extra = uint8(symbol), 1, 0
		case symbol == 16 && i == 0:
			return r.corrupt("a repeated code length before the first")
		case symbol == 16:
			value, extra = lengths[i-1], 2
		case symbol == 18:
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
	r.bits, r.n = r.bits>>n, r.n-n
	return v, nil
}

func (r *Reader) takeMeta() (uint, error) {
	for {
		e := r.dist[r.bits&(1<<distRoot-1)]
		n := uint(e & 63)
		switch {
		case e == special:
			return 0, r.corrupt("a code length without a code")
		case n <= r.n:
			_, err := r.take(n)
			return uint(byte(e >> valueShift)), err
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
