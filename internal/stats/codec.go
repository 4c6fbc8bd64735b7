package stats

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"
)

// A blob is "RS", a version, a form, the checksum of what follows, the shape of the program, the number of lines that were
// counted in it, and the payload: as it is, or as its length and one zstd frame. The payload has per statistic the number of rows and, where there are some, the
// keys in ascending order (what each shares with the one before; what it adds) and the measures column by column.
const (
	blobMagic   = "RS"
	blobVersion = 2
	blobHeader  = len(blobMagic) + 1 + 1 + 8
	blobShape   = 8

	formPlain = 0
	formZstd  = 1
)

const (
	// maxPayload in bytes: beyond it, a blob is refused before anything is made for it.
	maxPayload = 1 << 30
	// maxRatio is how much smaller than its payload a frame may be; a payload that would shrink more stays plain.
	// With it no blob makes a reader set aside more for unpacking than a multiple of what was really read. Its rows take what
	// they took when it was made, which is more where long keys begin alike.
	maxRatio = 1000
	// minCompress is the payload in bytes below which compression does not pay.
	minCompress = 64
)

// ErrBlob says that a blob is corrupt, or was made for other statistics. ErrState says the same of a row's state.
var (
	ErrBlob  = errors.New("unusable blob")
	ErrState = errors.New("unusable row")
)

var (
	errVersion  = errors.New("it is of an unknown version")
	errShape    = errors.New("it was made for other statistics")
	errChecksum = errors.New("its checksum does not match")
	errLength   = errors.New("its length is wrong")
)

// coder makes the program's encoder and decoder when they are first needed. Both serve any number of goroutines.
func (p *Program) coder() (*zstd.Encoder, *zstd.Decoder) {
	p.coders.Do(func() {
		var err error
		// The options are part of the encoding: with others the same content would have other bytes, and so it may
		// with another release of the library (a test shows). Nothing decides on equal bytes alone. The small window
		// keeps an encoder below 4 MiB.
		p.encoder, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(1),
			zstd.WithWindowSize(1<<20), zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false))
		if err == nil {
			p.decoder, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxMemory(maxPayload),
				zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderLowmem(true))
		}
		if err != nil {
			panic(fmt.Sprintf("making a zstd coder: %v", err)) // constant options: cannot happen
		}
	})
	return p.encoder, p.decoder
}

// AppendBlob appends the partial's encoding to dst: compressed, and the same for the same content, whatever the
// order in which it came together. Several goroutines that encode partials of one program take turns.
func (p *Partial) AppendBlob(dst []byte) []byte {
	p.raw = p.appendPayload(p.raw[:0])
	start := len(dst)
	dst = append(dst, blobMagic...)
	dst = append(dst, blobVersion, formPlain)
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
	dst = binary.BigEndian.AppendUint64(dst, p.prog.shape)
	dst = binary.AppendUvarint(dst, uint64(p.lines)) //nolint:gosec // not negative
	body := len(dst)
	if len(p.raw) >= minCompress && len(p.raw) <= maxPayload {
		encoder, _ := p.prog.coder()
		dst = binary.AppendUvarint(dst, uint64(len(p.raw)))
		frame := len(dst)
		dst = encoder.EncodeAll(p.raw, dst)
		if len(dst)-body < len(p.raw) && len(p.raw) <= maxRatio*(len(dst)-frame) {
			dst[start+3] = formZstd
		} else {
			dst = dst[:body]
		}
	}
	if dst[start+3] == formPlain {
		dst = append(dst, p.raw...)
	}
	binary.BigEndian.PutUint64(dst[start+4:], checksum(dst[start:]))
	return dst
}

// checksum covers the whole blob but itself.
func checksum(blob []byte) uint64 {
	return xxhash.Sum64(blob[blobHeader:]) ^ uint64(blob[3])*spread
}

func (p *Partial) appendPayload(dst []byte) []byte {
	for _, t := range p.tables {
		dst = binary.AppendUvarint(dst, uint64(t.len())) //nolint:gosec // not negative
		if t.len() == 0 {
			continue
		}
		p.order = t.sorted(p.order)
		var last []byte
		for _, r := range p.order {
			key := t.key(r.row)
			shared := sharedPrefix(last, key)
			dst = binary.AppendUvarint(dst, uint64(shared))          //nolint:gosec // not negative
			dst = binary.AppendUvarint(dst, uint64(len(key)-shared)) //nolint:gosec // not negative
			dst = append(dst, key[shared:]...)
			last = key
		}
		for _, c := range t.cols {
			for _, r := range p.order {
				dst = c.appendState(dst, r.row)
			}
		}
	}
	return dst
}

func sharedPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// MergeBlob adds the rows of a blob whose hash keep accepts; a nil keep accepts all. Lines grows by all its lines in either
// case. A blob that is corrupt, or of
// other statistics, is ErrBlob; the partial may then hold some of its rows and must be thrown away.
func (p *Partial) MergeBlob(blob []byte, keep func(hash uint64) bool) error {
	lines, payload, err := p.payload(blob)
	if err == nil {
		for _, t := range p.tables {
			if payload, err = p.mergeTable(t, payload, keep); err != nil {
				break
			}
		}
	}
	if err == nil && len(payload) != 0 {
		err = errLength
	}
	if err != nil {
		return fmt.Errorf("merging a blob of %d bytes: %w: %w", len(blob), ErrBlob, err)
	}
	p.lines += lines
	return nil
}

// payload checks a blob and unpacks it, into the partial's scratch memory.
func (p *Partial) payload(blob []byte) (lines int64, payload []byte, err error) {
	if len(blob) < blobHeader+blobShape || !bytes.HasPrefix(blob, []byte(blobMagic)) {
		return 0, nil, errors.New("it is no blob")
	}
	if blob[2] != blobVersion || blob[3] > formZstd {
		return 0, nil, errVersion
	}
	if binary.BigEndian.Uint64(blob[4:]) != checksum(blob) {
		return 0, nil, errChecksum
	}
	if binary.BigEndian.Uint64(blob[blobHeader:]) != p.prog.shape {
		return 0, nil, errShape
	}
	n, body, err := readUvarint(blob[blobHeader+blobShape:])
	if err != nil || n > uint64(math.MaxInt64-p.lines) { //nolint:gosec // neither is negative
		return 0, nil, errLength
	}
	if lines = int64(n); blob[3] == formPlain {
		return lines, body, nil
	}
	size, frame, err := readUvarint(body)
	if err != nil || size > maxPayload || size > maxRatio*uint64(len(frame)) {
		return 0, nil, errLength
	}
	if uint64(cap(p.raw)) < size {
		p.raw = make([]byte, 0, size)
	}
	_, decoder := p.prog.coder()
	raw, err := decoder.DecodeAll(frame, p.raw[:0:size])
	if err != nil {
		return 0, nil, err
	}
	p.raw = raw[:0:cap(raw)]
	if uint64(len(raw)) != size {
		return 0, nil, errLength
	}
	return lines, raw, nil
}

// mergeTable merges the rows of one statistic and gives what follows them.
func (p *Partial) mergeTable(t *table, b []byte, keep func(uint64) bool) ([]byte, error) {
	n, b, err := readUvarint(b)
	if err != nil || n == 0 {
		return b, err
	}
	if n > uint64(len(b)/t.stat.leastRow()) {
		return nil, errLength
	}
	rows := p.order[:0]
	defer func() { p.order = rows[:0] }()
	key := p.key[:0]
	for i := range n {
		var shared, added uint64
		if shared, b, err = readUvarint(b); err != nil {
			return nil, err
		}
		if added, b, err = readUvarint(b); err != nil {
			return nil, err
		}
		// Keys ascend strictly, so each row is there once.
		if shared > uint64(len(key)) || added > uint64(len(b)) || i > 0 && !ascends(key[shared:], b[:added]) {
			return nil, errKey
		}
		key = append(key[:shared], b[:added]...)
		b = b[added:]
		row := -1
		if hash := t.hash(key); keep == nil || keep(hash) {
			if err := t.stat.checkKey(key); err != nil {
				return nil, err
			}
			row = t.row(key, hash)
		}
		rows = append(rows, sortRow{row: row})
	}
	p.key = key
	for _, c := range t.cols {
		for _, r := range rows {
			if b, err = c.mergeState(r.row, b); err != nil {
				return nil, err
			}
		}
	}
	return b, nil
}

// leastRow is how many bytes of a payload a row takes at least: two lengths of its key, a byte for each measure and for
// each bucket of a histogram. It keeps a forged number of rows from setting memory aside.
func (s *statistic) leastRow() int {
	n := 2
	for _, m := range s.measures {
		n += 1 + len(m.bounds)
	}
	return n
}

// ascends reports whether a key whose rest is next follows one whose rest is last, where both differ at once.
func ascends(last, next []byte) bool {
	return len(next) > 0 && (len(last) == 0 || next[0] > last[0])
}

// checkKey refuses a key that readDims would refuse, without making its texts.
func (s *statistic) checkKey(key []byte) error {
	for _, w := range s.buckets {
		if w != 0 {
			if len(key) < timeKeyLen {
				return errKey
			}
			minute := int64(binary.BigEndian.Uint32(key)) - minuteOffset
			if w.start(minute) != minute {
				return errKey
			}
			key = key[timeKeyLen:]
			continue
		}
		n := textDimLen(key)
		if n == 0 {
			return errKey
		}
		key = key[n:]
	}
	if len(key) != 0 {
		return errKey
	}
	return nil
}

// textDimLen is the length of the field dimension at the head of a key, 0 where there is none.
func textDimLen(key []byte) int {
	if len(key) == 0 || key[0] > keyText {
		return 0
	}
	n := 1
	if key[0] == keyNull {
		return n
	}
	for {
		i := bytes.IndexByte(key[n:], keyEnd)
		if i < 0 {
			return 0
		}
		n += i + 1
		if n == len(key) || key[n] != keyZero {
			return n
		}
		n++
	}
}
