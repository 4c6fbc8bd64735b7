package inflate

import (
	"errors"
	"fmt"
	"io"
)

// ErrChecksum is a member that was decoded to its end and has not the CRC-32 or the length that its trailer states.
var ErrChecksum = errors.New("wrong checksum or length")

// CorruptError is a member that no compressor writes.
type CorruptError struct {
	Offset int64  // bytes of the member, its header included, that were used up to the damage
	Reason string // "a distance of 300 bytes after 20 bytes of text"
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%s (byte %d of the member)", e.Reason, e.Offset)
}

// noEOF is for places where a body must not end.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
