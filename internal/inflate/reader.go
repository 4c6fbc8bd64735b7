package inflate

import (
	"bufio"
	"encoding/binary"
	"hash/crc32"
	"io"
)

const (
	maxDistance = 32 << 10 // bytes; deflate looks back no further
	maxMatch    = 258      // bytes that one symbol gives at most

	// slack is how much room, in bytes, a turn of the fast loop needs: two literals and a match, copied in whole steps.
	slack = 2 + (maxMatch+copyStep-1)/copyStep*copyStep

	// directMin is from how many bytes on Read decodes into the caller's buffer and not into its own: with less, carrying
	// the window to and fro costs more than copying the text once.
	directMin = 3 * maxDistance
)

// state is what comes next in the member.
type state uint8

const (
	blockHead state = iota
	storedBlock
	codedBlock
	trailer
)

// Reader reads the text of one gzip member, and of another after each Reset. It takes from its bufio.Reader no byte
// behind the member, and waits for no more input while it has text to give. The zero Reader wants a Reset first. It is
// about 90 KiB large, allocates nothing, and belongs to one goroutine.
type Reader struct {
	br   *bufio.Reader
	used int64 // bytes taken from br since Reset
	err  error // what Read returns once all text is handed out

	state state
	want  int    // with this many bytes at hand the next step does not wait
	last  bool   // the block is the last
	left  int    // bytes of a stored block still to come
	bits  uint64 // bits taken from br and not used; those above n are zero
	n     uint   // how many, below 8 between symbols

	sum  uint32 // CRC-32 of the text
	size uint32 // its length in bytes, modulo 1<<32, as the trailer has it

	// window holds the text before rd, of which at least the last maxDistance bytes are kept, and behind rd, up to w,
	// text that waits for Read.
	window [2*maxDistance + slack]byte
	rd, w  int

	fixed   bool // the tables are those of fixed blocks
	lit     litTable
	dist    distTable
	lengths [numLit + numDist]uint8
}

// Reset begins the member that br stands at. It returns io.EOF when br has ended, and otherwise errors as Read does.
func (r *Reader) Reset(br *bufio.Reader) error {
	r.br, r.used, r.err = br, 0, nil
	r.last, r.bits, r.n = false, 0, 0
	r.sum, r.size = 0, 0
	r.rd, r.w = 0, 0
	if r.err = r.readHeader(); r.err == nil {
		r.closeBlock()
	}
	return r.err
}

// Read gives text, and io.EOF with the last of it or after it, when checksum and length are right. It decodes straight
// into p where p has 96 KiB or more.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	direct := len(p) >= directMin
	for r.rd == r.w && r.err == nil && (r.w > 0 || !direct) {
		r.slide()
		r.w = r.run(r.window[:], r.w)
	}
	n := copy(p, r.window[r.rd:r.w])
	r.rd += n
	if direct && r.err == nil && (r.w == 0 || n >= maxDistance) {
		n = r.direct(p, n)
	}
	if r.rd < r.w {
		return n, nil
	}
	return n, r.err
}

// slide makes room in the window.
func (r *Reader) slide() {
	if r.w > maxDistance {
		copy(r.window[:maxDistance], r.window[r.w-maxDistance:r.w])
		r.w = maxDistance
		r.rd = r.w
	}
}

// direct decodes into p behind its first w bytes, which are as much of the text before as may be needed, and puts the
// end of it into the window. It returns the new length.
func (r *Reader) direct(p []byte, w int) int {
	w = r.run(p, w)
	r.w = copy(r.window[:maxDistance], p[max(0, w-maxDistance):w])
	r.rd = r.w
	return w
}

// run decodes into out behind its first w bytes until there is no room for another symbol, an error, or input would
// have to be waited for while there is text to give. It returns the new length.
func (r *Reader) run(out []byte, w int) int {
	from := w
	for r.err == nil && len(out)-w >= slack {
		if w > from && r.br.Buffered() < r.want {
			break
		}
		switch r.state {
		case blockHead:
			r.err = r.openBlock()
		case storedBlock:
			w = r.copyStored(out, w)
		case codedBlock:
			w = r.decode(out, from, w)
		case trailer:
			r.digest(out[from:w])
			from = w
			r.err = r.checkTrailer()
		}
	}
	r.digest(out[from:w])
	return w
}

func (r *Reader) digest(text []byte) {
	r.sum = crc32.Update(r.sum, crc32.IEEETable, text)
	r.size += uint32(len(text))
}

const trailerLen = 8

// checkTrailer returns io.EOF where all is right.
func (r *Reader) checkTrailer() error {
	b, err := r.br.Peek(trailerLen)
	if err != nil {
		r.discard(len(b))
		return noEOF(err)
	}
	right := binary.LittleEndian.Uint32(b) == r.sum && binary.LittleEndian.Uint32(b[4:]) == r.size
	r.discard(trailerLen)
	if !right {
		return ErrChecksum
	}
	return io.EOF
}

// discard passes over n bytes that were peeked at.
func (r *Reader) discard(n int) {
	n, _ = r.br.Discard(n)
	r.used += int64(n)
}

// readByte is for what is read seldom.
func (r *Reader) readByte() (byte, error) {
	b, err := r.br.ReadByte()
	if err != nil {
		return 0, noEOF(err)
	}
	r.used++
	return b, nil
}

func (r *Reader) corrupt(reason string) error {
	return &CorruptError{Offset: r.used, Reason: reason}
}
