package archive

import (
	"io"
	"sync"
)

const (
	// minTail is the least, in bytes, that the rest of a line longer than MaxLine is skipped by.
	minTail = 4 << 10
	// maxPooled is the largest buffer, in bytes, that is kept for the next object.
	maxPooled = 2 << 20
)

var blockPool = sync.Pool{New: func() any { return new(block) }}

// block is a recycled buffer; behind a pointer, because a pool allocates for a bare slice.
type block struct{ b []byte }

// getBlock gives a buffer of at least size bytes.
func getBlock(size int) *block {
	b := blockPool.Get().(*block)
	if cap(b.b) < size {
		b.b = make([]byte, size)
	}
	b.b = b.b[:cap(b.b)]
	return b
}

// putBlock takes a buffer, or nil, back.
func putBlock(b *block) {
	if b != nil && cap(b.b) <= maxPooled {
		blockPool.Put(b)
	}
}

// fill reads more text behind w, going to the next piece where one has ended. It returns false when there is no more,
// for the reason in cause. What it returns it returns at once: a slow body must not hold lines back.
func (l *Lines) fill() bool {
	if l.cause != nil {
		return false
	}
	if l.cause = l.ctx.Err(); l.cause != nil {
		return false
	}
	l.goAhead()
	if l.ended {
		l.frame = l.Frame()
		l.ended = false // first: should next fail half-way, the feed no longer stands at a boundary
		if l.cause = l.stream.next(); l.cause != nil {
			return false
		}
	}
	for range 100 {
		n, err := l.read()
		switch {
		case isEOF(err):
			l.ended = true
			return true
		case err != nil:
			l.cause = err
			return n > 0
		case n > 0:
			return true
		}
	}
	l.cause = io.ErrNoProgress
	return false
}

// read makes one read of the stream.
func (l *Lines) read() (int, error) {
	if l.ahead != nil && l.w-l.r <= l.ahead.carry {
		return l.swap()
	}
	l.room()
	n, err := l.stream.Read(l.buf[l.w:])
	l.w += n
	return n, err
}

// swap takes over a whole block with text, and gives the buffer for it. Only the line that has begun is copied.
func (l *Lines) swap() (int, error) {
	a := l.ahead
	if err := a.wait(); err != nil {
		return 0, err
	}
	next, n := a.now.block, a.now.w-a.now.r
	r := a.now.r - (l.w - l.r)
	copy(next.b[r:], l.buf[l.r:l.w])
	l.base += int64(l.r - r)
	l.r, l.scan, l.w = r, l.scan+r-l.r, a.now.w
	err := a.used(l.pooled)
	l.pooled, l.buf = next, next.b[:l.size]
	return n, err
}

// goAhead has the rest of the object unpacked ahead when there is a processor to spare and enough left to be worth it.
func (l *Lines) goAhead() {
	if l.ahead != nil || l.spare == nil || l.codec == Plain || l.feed.size-l.feed.offset() < int64(l.size) || !l.spare() {
		return
	}
	l.ahead = newAhead(l.ctx, l.cancel, l.stream, l.feed, l.size, l.ended)
	l.stream = l.ahead
}

// offset is the stored byte behind what has been decoded.
func (l *Lines) offset() int64 {
	if l.ahead != nil {
		return l.ahead.at
	}
	return l.feed.offset()
}

// room makes space behind w. Moving the text costs little: it is a piece of one line, unless lines are about as long
// as the buffer, and then the buffer grows.
func (l *Lines) room() {
	free := len(l.buf) - l.w
	if free >= max(1, len(l.buf)/4) {
		return
	}
	l.shift()
	if l.w == len(l.buf) {
		l.grow(min(2*len(l.buf), l.limit))
	}
}

// shift moves the text to the front of the buffer.
func (l *Lines) shift() {
	if l.r == 0 {
		return
	}
	l.base += int64(l.r)
	l.w = copy(l.buf, l.buf[l.r:l.w])
	l.scan -= l.r
	l.r = 0
}

func (l *Lines) grow(size int) {
	if size <= len(l.buf) {
		return
	}
	if size > cap(l.pooled.b) {
		b := make([]byte, size)
		copy(b, l.buf[:l.w])
		l.pooled.b = b
	}
	l.buf = l.pooled.b[:size]
}
