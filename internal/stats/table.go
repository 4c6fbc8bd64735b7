package stats

import (
	"bytes"

	"github.com/cespare/xxhash/v2"
)

// table holds the rows of one statistic: keys end to end in one arena, measures in flat columns, and an
// open-addressing index over them. A line that falls to a row that is there allocates nothing.
type table struct {
	stat   *statistic
	slots  []uint64 // upper half of the row's hash | row + 1; 0 is free; a power of two of them
	shift  uint8    // 64 - log2(len(slots))
	hashes []uint64
	ends   []int // where the row's key ends in the arena
	arena  []byte
	cols   []column
	last   lastRow
}

const (
	minSlots = 16
	rowMask  = 1<<32 - 1
	// spread (2^64 / golden ratio) makes all bits of a hash count for its slot: a part of a fold has rows whose hashes
	// have some bits in common.
	spread = 0x9e3779b97f4a7c15
)

func newTable(s *statistic) *table {
	t := &table{stat: s}
	t.cols = s.columns()
	t.last.dims = make([]lastDim, len(s.by))
	return t
}

func (t *table) len() int { return len(t.hashes) }

func (t *table) hash(key []byte) uint64 { return xxhash.Sum64(key) ^ t.stat.seed }

func (t *table) key(row int) []byte {
	start := 0
	if row > 0 {
		start = t.ends[row-1]
	}
	return t.arena[start:t.ends[row]]
}

// row finds the row of a key, or adds it.
func (t *table) row(key []byte, hash uint64) int {
	if len(t.slots) == 0 {
		t.resize(minSlots)
	}
	mask := len(t.slots) - 1
	at := int(hash * spread >> t.shift) //nolint:gosec // below len(slots)
	for {
		s := t.slots[at]
		if s == 0 {
			break
		}
		if s>>32 == hash>>32 {
			if row := int(s&rowMask) - 1; bytes.Equal(t.key(row), key) {
				return row
			}
		}
		at = (at + 1) & mask
	}
	return t.insert(key, hash)
}

func (t *table) insert(key []byte, hash uint64) int {
	if (len(t.hashes)+1)*4 > len(t.slots)*3 {
		t.resize(2 * len(t.slots))
	}
	row := len(t.hashes)
	t.hashes = append(t.hashes, hash)
	t.arena = append(t.arena, key...)
	t.ends = append(t.ends, len(t.arena))
	for _, c := range t.cols {
		c.grow()
	}
	t.place(row)
	return row
}

func (t *table) place(row int) {
	hash := t.hashes[row]
	mask := len(t.slots) - 1
	at := int(hash * spread >> t.shift) //nolint:gosec // below len(slots)
	for t.slots[at] != 0 {
		at = (at + 1) & mask
	}
	t.slots[at] = hash&^rowMask | uint64(row+1) //nolint:gosec // rows are far below 2^32: their memory is bounded
}

func (t *table) resize(n int) {
	t.slots = make([]uint64, n)
	t.shift = 64
	for ; n > 1; n /= 2 {
		t.shift--
	}
	for row := range t.hashes {
		t.place(row)
	}
}

func (t *table) size() int {
	n := 8*(cap(t.slots)+cap(t.hashes)+cap(t.ends)) + cap(t.arena) + cap(t.last.key)
	for _, c := range t.cols {
		n += c.size()
	}
	return n
}

// reset drops the rows and keeps the memory.
func (t *table) reset() {
	clear(t.slots)
	t.hashes, t.ends, t.arena = t.hashes[:0], t.ends[:0], t.arena[:0]
	t.last.known = 0
	for _, c := range t.cols {
		c.reset()
	}
}
