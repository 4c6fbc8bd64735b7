package stats

import (
	"math"

	"github.com/seed-56345083/reprise/internal/logline"
)

// lastRow is the row that the line before fell to, with its key. Most lines share the first dimensions of the line
// before, and many all of them: only what differs is written anew, and the row of an equal key is known.
type lastRow struct {
	key   []byte
	dims  []lastDim
	known int // how many dimensions of key are right: all of them where row is
	row   int
}

// lastDim is one dimension of the last row's key.
type lastDim struct {
	end int // where it ends in the key
	// size is the length of a text that stands in the key as it is, or one of the values below.
	size int
	// A time bucket holds the timestamps from start on, below start+width. width is 0 where not all of it is in the range
	// of timestamps: then it is looked up each time.
	start, width int64
}

const (
	sizeNull   = -1
	sizeOther  = -2 // a text with zeros in it, which is longer in the key
	sizeBucket = -3
)

// rowOf gives the row of a line, a new one where there is none.
func (t *table) rowOf(in *input) int {
	l := &t.last
	at := t.same(in)
	if at == len(l.dims) && l.known > at {
		return l.row
	}
	t.build(in, at)
	l.row = t.row(l.key, t.hash(l.key))
	l.known = len(l.dims) + 1
	return l.row
}

// same is the number of dimensions, from the left, that are as in the last key.
func (t *table) same(in *input) int {
	l := &t.last
	from := 0
	for i, slot := range t.stat.slots {
		if i >= l.known {
			return i
		}
		d := &l.dims[i]
		if slot < 0 {
			if uint64(in.ts.Nanos-d.start) >= uint64(d.width) { //nolint:gosec // one comparison for both ends
				return i
			}
		} else if !d.is(in.values[slot], l.key[from:]) {
			return i
		}
		from = d.end
	}
	return len(l.dims)
}

// is reports whether the dimension, whose part of the key is at the head of key, is a value.
func (d *lastDim) is(v logline.Value, key []byte) bool {
	if !v.Present() {
		return d.size == sizeNull
	}
	return d.size == len(v.Text) && string(key[1:1+d.size]) == string(v.Text)
}

// setBucket makes the dimension the bucket of a timestamp, and returns the minute in which that begins.
func (d *lastDim) setBucket(b bucket, nanos int64) int64 {
	minute := b.start(floorDiv(nanos, nanosPerMinute))
	d.start, d.width = minute*nanosPerMinute, int64(b)*nanosPerMinute
	if d.start > nanos || d.start > math.MaxInt64-d.width {
		d.width = 0
	}
	return minute
}

// build writes the key from a dimension on.
func (t *table) build(in *input, from int) {
	l := &t.last
	end := 0
	if from > 0 {
		end = l.dims[from-1].end
	}
	key := l.key[:end]
	for i := from; i < len(l.dims); i++ {
		d := &l.dims[i]
		if slot := t.stat.slots[i]; slot < 0 {
			d.size = sizeBucket
			key = appendTimeKey(key, d.setBucket(t.stat.buckets[i], in.ts.Nanos))
		} else if v := in.values[slot]; v.Present() {
			before := len(key)
			key = appendTextKey(key, v.Text)
			if d.size = len(v.Text); len(key)-before != d.size+2 {
				d.size = sizeOther
			}
		} else {
			d.size = sizeNull
			key = append(key, keyNull)
		}
		d.end = len(key)
	}
	l.key = key
}
