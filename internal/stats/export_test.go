package stats

import "encoding/binary"

// Encoded gives the rows as a blob has them, without the number of lines: rows that come out of a table, or some of a
// partial's rows, are of no certain number.
func (p *Partial) Encoded() string { return string(p.appendPayload(nil)) }

// Reseal gives a damaged blob a right checksum, so that fuzzing gets past it.
func Reseal(blob []byte) []byte {
	if len(blob) < blobHeader {
		return blob
	}
	b := append([]byte(nil), blob...)
	binary.BigEndian.PutUint64(b[4:], checksum(b))
	return b
}
