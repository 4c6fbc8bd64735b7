package inflate

import "math/bits"

const (
	maxCode = 15 // bits of the longest code

	litRoot  = 11 // bits that find most literals and lengths at once
	litLink  = maxCode - litRoot
	distRoot = 9 // bits that find most distances at once
	distLink = maxCode - distRoot

	numLit  = 286 // literals, the end of the block, lengths
	numDist = 30
	numMeta = 19
)

// An entry says what the bits mean that found it:
//
//	 0 to 5   how many bits it uses up, code and extra bits
//	 8 to 11  how many of them are the code
//	12 to 15  flags; none of them: a length or a distance
//	16 to 30  the literal; the least length or distance, to which the extra bits are added; the place of a linked table
//	31        it is a literal
type entry = uint32

const (
	literal entry = 1 << 31
	special entry = 1 << 15 // a link, the end, or (nothing else set) no code at all
	link    entry = 1 << 14
	end     entry = 1 << 13

	codeShift  = 8
	codeMask   = 15
	valueShift = 16
)

// litTable finds literals and lengths: at first by litRoot bits, and codes longer than these in a linked table of
// 1<<litLink entries. In a complete code at least two long codes share one link, so that 144 links are enough for 288.
type litTable [1<<litRoot + 144<<litLink]entry

// distTable finds distances in the same way: at most 16 links for 32 codes.
type distTable [1<<distRoot + 16<<distLink]entry

// build fills a table for the canonical code of these lengths, in bits from 0 (not used) to maxCode; symbols are the
// entries without their code. It refuses what zlib and compress/flate refuse: a code must be complete, but for two
// exceptions: it may have no symbol, or one of a single bit. The unused rest is then no code.
func build(table []entry, root int, lengths []uint8, symbols []entry) bool {
	var count, next [maxCode + 1]int
	longest := 0
	for _, n := range lengths {
		count[n&maxCode]++
		longest = max(longest, int(n))
	}
	code := 0
	for n := 1; n <= longest; n++ {
		code <<= 1
		next[n] = code
		code += count[n]
	}
	if code != 1<<longest || longest == 0 {
		if longest > 1 || code > 1 {
			return false
		}
		for i := range 1 << root {
			table[i] = special
		}
	}
	if longest > root {
		addLinks(table, root, next[root+1]>>1)
	}
	for symbol, n := range lengths {
		if n == 0 {
			continue
		}
		reversed := int(bits.Reverse16(uint16(next[n])) >> (16 - n))
		next[n]++
		e := symbols[symbol] + entry(n)<<codeShift + entry(n)
		if int(n) <= root {
			for i := reversed; i < 1<<root; i += 1 << n {
				table[i] = e
			}
			continue
		}
		linked := table[table[reversed&(1<<root-1)]>>valueShift:][:1<<(maxCode-root)]
		for i := reversed >> root; i < len(linked); i += 1 << (int(n) - root) {
			linked[i] = e
		}
	}
	return true
}

// addLinks gives every beginning of root bits, from the first that is longer than that, a linked table.
func addLinks(table []entry, root, first int) {
	at := 1 << root
	for code := first; code < 1<<root; code++ {
		reversed := bits.Reverse16(uint16(code)) >> (16 - root)
		table[reversed] = special | link | entry(at)<<valueShift
		at += 1 << (maxCode - root)
	}
}

// The symbols of the codes; RFC 1951, 3.2.5.
var (
	litSymbols  = makeLitSymbols()
	distSymbols = makeDistSymbols()
)

func makeLitSymbols() (s [288]entry) {
	for i := range 256 {
		s[i] = literal | entry(i)<<valueShift
	}
	s[256] = special | end
	length := entry(3)
	for i := 257; i < 285; i++ {
		extra := entry(max(0, (i-261)/4))
		s[i] = length<<valueShift | extra
		length += 1 << extra
	}
	s[285] = 258 << valueShift
	s[286], s[287] = special, special // have a code in fixed blocks, and no meaning
	return s
}

func makeDistSymbols() (s [32]entry) {
	distance := entry(1)
	for i := range 30 {
		extra := entry(max(0, (i-2)/2))
		s[i] = distance<<valueShift | extra
		distance += 1 << extra
	}
	s[30], s[31] = special, special
	return s
}
