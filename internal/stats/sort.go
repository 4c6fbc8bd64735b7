package stats

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// sortRow is a row on its way into an order.
type sortRow struct {
	head uint64 // eight bytes of its key, the first in which it differs from those it is compared with
	row  int
}

// smallRun is how many rows are compared by their whole keys.
const smallRun = 16

// sorted gives the rows in the order of their keys.
func (t *table) sorted(dst []sortRow) []sortRow {
	dst = dst[:0]
	for row := range t.hashes {
		dst = append(dst, sortRow{row: row})
	}
	t.sort(dst, 0)
	return dst
}

// sort sorts rows whose keys have their first depth bytes in common. It compares eight bytes at a time, beginning where the
// keys differ at all, and looks at further ones only of rows that are alike so far: to follow each row to its key in the
// arena for each comparison takes several times as long. A key that is the beginning of another (a text that goes on with a
// zero) sorts before it: the other has an FF where the head has a zero for what is missing.
func (t *table) sort(rows []sortRow, depth int) {
	if len(rows) <= smallRun {
		slices.SortFunc(rows, func(a, b sortRow) int { return bytes.Compare(t.key(a.row)[depth:], t.key(b.row)[depth:]) })
		return
	}
	depth += t.common(rows, depth)
	for i := range rows {
		rows[i].head = head(t.key(rows[i].row)[depth:])
	}
	t.sortHeads(rows, func(same []sortRow) { t.sort(same, depth+8) })
}

// sortHeads sorts rows by their heads and hands on those that have the same one.
func (t *table) sortHeads(rows []sortRow, same func([]sortRow)) {
	slices.SortFunc(rows, func(a, b sortRow) int { return cmp(a.head, b.head) })
	for from := 0; from < len(rows); {
		to := from + 1
		for to < len(rows) && rows[to].head == rows[from].head {
			to++
		}
		if to-from > 1 {
			same(rows[from:to])
		}
		from = to
	}
}

// common is how many bytes after the first depth all keys share.
func (t *table) common(rows []sortRow, depth int) int {
	shared := t.key(rows[0].row)[depth:]
	for i := range rows {
		if len(shared) == 0 {
			break
		}
		shared = shared[:sharedPrefix(shared, t.key(rows[i].row)[depth:])]
	}
	return len(shared)
}

// head is the first eight bytes as a number that sorts as they do, with zeros for those that are missing.
func head(b []byte) uint64 {
	if len(b) >= 8 {
		return binary.BigEndian.Uint64(b)
	}
	var v uint64
	for i, c := range b {
		v |= uint64(c) << (56 - 8*i)
	}
	return v
}

// tableOrder gives the rows in about the order in which a table has them: by time, where there is one, then by the other
// dimensions. It is not quite that of their sort keys, where one text is the beginning of another, or needs an escape.
func (t *table) tableOrder(dst []sortRow) []sortRow {
	if t.stat.time <= 0 {
		return t.sorted(dst)
	}
	dst = dst[:0]
	for row := range t.hashes {
		key := t.key(row)
		for range t.stat.time {
			key = key[textDimLen(key):]
		}
		dst = append(dst, sortRow{head: uint64(binary.BigEndian.Uint32(key)), row: row})
	}
	t.sortHeads(dst, func(same []sortRow) { t.sort(same, 0) })
	return dst
}
