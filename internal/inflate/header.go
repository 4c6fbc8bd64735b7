package inflate

import (
	"errors"
	"hash/crc32"
	"io"
)

const (
	headerLen = 10
	deflated  = 8
	maxString = 512 // bytes of a name or a comment with its zero; compress/gzip refuses longer ones too

	flagHeaderSum = 1 << 1
	flagExtra     = 1 << 2
	flagName      = 1 << 3
	flagComment   = 1 << 4
)

// readHeader passes over the header of a member; RFC 1952, 2.3. The checksum that it may have is that of all bytes
// before it, so it is kept in sum as they are read.
func (r *Reader) readHeader() error {
	b, err := r.br.Peek(headerLen)
	if errors.Is(err, io.EOF) && len(b) == 0 {
		return io.EOF
	}
	if err != nil {
		r.discard(len(b))
		return noEOF(err)
	}
	if b[0] != 0x1f || b[1] != 0x8b {
		return r.corrupt("no gzip header")
	}
	if b[2] != deflated {
		return r.corrupt("a gzip header with an unknown method")
	}
	flags := b[3]
	r.sum = crc32.ChecksumIEEE(b)
	r.discard(headerLen)
	if flags&flagExtra != 0 {
		err = r.skipExtra()
	}
	if flags&flagName != 0 && err == nil {
		err = r.skipString()
	}
	if flags&flagComment != 0 && err == nil {
		err = r.skipString()
	}
	if want := uint16(r.sum); flags&flagHeaderSum != 0 && err == nil {
		var have uint16
		if have, err = r.headerUint16(); err == nil && have != want {
			err = r.corrupt("a gzip header with a wrong checksum")
		}
	}
	r.sum = 0
	return err
}

func (r *Reader) skipExtra() error {
	n, err := r.headerUint16()
	for ; n > 0 && err == nil; n-- {
		_, err = r.headerByte()
	}
	return err
}

func (r *Reader) headerUint16() (uint16, error) {
	low, _ := r.headerByte() // an error comes again
	high, err := r.headerByte()
	return uint16(low) | uint16(high)<<8, err
}

func (r *Reader) skipString() error {
	for range maxString {
		c, err := r.headerByte()
		if err != nil || c == 0 {
			return err
		}
	}
	return r.corrupt("a gzip header with a name or comment longer than 511 bytes")
}

func (r *Reader) headerByte() (byte, error) {
	c, err := r.readByte()
	if err == nil {
		r.sum = crc32.Update(r.sum, crc32.IEEETable, []byte{c})
	}
	return c, err
}
