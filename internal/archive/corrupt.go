package archive

import "fmt"

// CorruptError says where an object stops being what it claims to be. It is ErrCorrupt to errors.Is.
type CorruptError struct {
	Key    string
	Line   int64  // of the first line that could not be read; those before it were handed out
	Offset int64  // of the stored byte reached
	Reason string // "cut off inside a gzip member", "wrong checksum of a zstd frame", …
	Err    error  // of the decoder; may be nil
}

func (e *CorruptError) Error() string {
	s := fmt.Sprintf("reading %s: corrupt at line %d, byte %d: %s", e.Key, e.Line, e.Offset, e.Reason)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Is makes every CorruptError an ErrCorrupt.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

// Unwrap gives the decoder's error.
func (e *CorruptError) Unwrap() error { return e.Err }
