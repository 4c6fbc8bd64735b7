// Package inflate reads gzip (RFC 1952) and the deflate format inside (RFC 1951), in plain Go: every access is checked
// against bounds, so that no input, however it was made, reaches memory that is not its own.
//
// It is for reading large, well-compressed text from a [bufio.Reader], one gzip member after another:
//
//	var r inflate.Reader
//	for {
//		err := r.Reset(br) // io.EOF: no further member
//		_, err = io.Copy(w, &r)
//		// br stands exactly behind the member
//	}
//
// It accepts and refuses exactly what compress/gzip does; fuzz tests hold it to that. A member that ends early is
// [io.ErrUnexpectedEOF], one with a wrong sum or length [ErrChecksum], any other damage a [CorruptError]; errors of the
// body come back as they are. It does not keep what a header says (name, time, comment), and it does not write.
//
// Why it exists stands in docs/adr/0007-own-inflate.md.
package inflate
