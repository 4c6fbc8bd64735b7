package archive

// The codecs of an object, found by its first bytes.
const (
	Plain = "plain"
	Gzip  = "gzip"
	Zstd  = "zstd"
)

// Frame is a place where reading can begin without the bytes before it: the start of a line of a plain object, of a
// gzip member or of a zstd frame that begins with a new line.
type Frame struct {
	Offset int64  `json:"offset"` // of the first byte in the stored object
	Line   int64  `json:"line"`   // the number of the line that begins there
	Codec  string `json:"codec"`  // Plain, Gzip or Zstd; "" at the start of an object not opened yet
}
