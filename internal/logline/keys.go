package logline

import "encoding/binary"

// keys finds the wanted keys of one object: a small hash table over the length and the outer bytes of a key. Most
// keys of a line are wanted by nobody, so a miss has to be cheap: one hash, one load of an empty slot.
type keys struct {
	// maybe tells most of the unwanted keys by their length and first byte alone.
	maybe   [256]bool
	slots   []uint32 // index into entries plus 1, 0 for none; a power of two
	entries []keyEntry
}

// keyEntry is one wanted key of an object.
type keyEntry struct {
	name  string
	value int   // index of the value, -1 where only something below is wanted
	below *keys // the wanted keys of the object that the value may be, nil for none
	// clears lists the values that lie below: a repeated key replaces all that the earlier one gave.
	clears []int
	flat   bool   // nothing below is wanted: only the value is
	next   uint32 // the next entry of the same slot plus 1
}

// find returns the place among the entries of a key, -1 where nobody wants it.
func (k *keys) find(key []byte) int {
	i := k.slots[hashKey(key)&uint64(len(k.slots)-1)]
	for i != 0 {
		e := &k.entries[i-1]
		if e.name == string(key) {
			return int(i) - 1
		}
		i = e.next
	}
	return -1
}

// add returns the entry of a name, made where there is none. index must follow the last add.
func (k *keys) add(name string) *keyEntry {
	for i := range k.entries {
		if k.entries[i].name == name {
			return &k.entries[i]
		}
	}
	k.entries = append(k.entries, keyEntry{name: name, value: -1})
	return &k.entries[len(k.entries)-1]
}

// index builds the slots, eight for each key so that few unwanted keys meet one that is wanted.
func (k *keys) index() {
	size := 64
	for size < 8*len(k.entries) {
		size *= 2
	}
	k.slots = make([]uint32, size)
	for i := range k.entries {
		e := &k.entries[i]
		e.flat = e.below == nil
		k.maybe[sketch(len(e.name), (e.name + "\"")[0])] = true
		slot := &k.slots[hashKey([]byte(e.name))&uint64(size-1)]
		e.next = *slot
		*slot = uint32(i + 1)
		if e.below != nil {
			e.below.index()
		}
	}
}

// sketch is the place in maybe of a key with this length and first byte; that of an empty key is the quote after it.
func sketch(size int, first byte) uint8 { return uint8(size<<3) ^ first }

// hashKey mixes the length and up to the first and the last eight bytes. It need not be hard to collide with:
// the table never grows, and a chain is at most as long as the list of wanted keys.
func hashKey(key []byte) uint64 {
	n := len(key)
	var a, b uint64
	switch {
	case n >= 8:
		a, b = binary.LittleEndian.Uint64(key), binary.LittleEndian.Uint64(key[n-8:])
	case n >= 4:
		a, b = uint64(binary.LittleEndian.Uint32(key)), uint64(binary.LittleEndian.Uint32(key[n-4:]))
	case n > 0:
		a, b = uint64(key[0]), uint64(key[n/2])<<8|uint64(key[n-1])
	}
	return (a*0x9e3779b97f4a7c15 ^ b*0xc2b2ae3d27d4eb4f ^ uint64(n)*0xff51afd7ed558ccd) >> 40
}
