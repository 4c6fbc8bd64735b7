package logline

import "math"

// parseRFC3339 reads 2018-03-24T17:15:23.533701Z. Its first 19 bytes have fixed places.
func parseRFC3339(b []byte) (Time, error) {
	if len(b) < 20 || b[4] != '-' || b[7] != '-' || b[10] != 'T' && b[10] != 't' && b[10] != ' ' {
		return Time{}, ErrBadTime
	}
	year := int64(two(b, 0))*100 + int64(two(b, 2))
	if two(b, 0) > 99 || two(b, 2) > 99 {
		return Time{}, ErrBadTime
	}
	second, ok := clockSeconds(b[11:19])
	if !ok {
		return Time{}, ErrBadTime
	}
	i := 19
	var nanos int64
	digits := 0
	if b[i] == '.' {
		i++
		end := digitsEnd(b, i)
		if end == i {
			return Time{}, ErrBadTime
		}
		digits = min(end-i, maxDigits)
		for _, c := range b[i : i+digits] {
			nanos = nanos*10 + int64(c-'0')
		}
		for range maxDigits - digits {
			nanos *= 10
		}
		i = end
	}
	offset, ok := zoneOffset(b[i:], true)
	if !ok {
		return Time{}, ErrBadTime
	}
	return assemble(year, int64(two(b, 5)), int64(two(b, 8)), second-offset, nanos, digits, b[17] == '6')
}

// parseCLF reads 10/Oct/2000:13:55:36 -0700, all of it in fixed places.
func parseCLF(b []byte) (Time, error) {
	if len(b) != 26 || b[2] != '/' || b[6] != '/' || b[11] != ':' || b[20] != ' ' {
		return Time{}, ErrBadTime
	}
	second, ok := clockSeconds(b[12:20])
	offset, ok2 := zoneOffset(b[21:], false)
	month := monthNumber(b[3:6])
	if !ok || !ok2 || two(b, 7) > 99 || two(b, 9) > 99 {
		return Time{}, ErrBadTime
	}
	year := int64(two(b, 7))*100 + int64(two(b, 9))
	return assemble(year, month, int64(two(b, 0)), second-offset, 0, 0, b[18] == '6')
}

// assemble checks the date and puts an instant together. second counts from the date's midnight, the offset taken
// off already; leap says that it was written with a second 60 and is right only as the last of a UTC day.
func assemble(year, month, day, second, nanos int64, digits int, leap bool) (Time, error) {
	if month < 1 || month > 12 || day < 1 || day > monthDays(year, month) {
		return Time{}, ErrBadTime
	}
	seconds := dayNumber(year, month, day)*secondsPerDay + second
	if leap {
		if seconds%secondsPerDay != 0 {
			return Time{}, ErrBadTime
		}
		seconds, nanos = seconds-1, nanosPerSecond-1
	}
	t, err := makeTime(seconds, nanos)
	t.Digits = uint8(digits)
	return t, err
}

// two reads two digits at i; anything else gives 100 or more.
func two(b []byte, i int) uint {
	tens, units := uint(b[i]-'0'), uint(b[i+1]-'0')
	if tens > 9 || units > 9 {
		return 100
	}
	return tens*10 + units
}

// clockSeconds reads hh:mm:ss as seconds since midnight. It lets second 60 pass.
func clockSeconds(b []byte) (int64, bool) {
	hour, minute, second := two(b, 0), two(b, 3), two(b, 6)
	if b[2] != ':' || b[5] != ':' || hour > 23 || minute > 59 || second > 60 {
		return 0, false
	}
	return int64(hour*3600 + minute*60 + second), true
}

// zoneOffset reads Z or an offset, ±hh:mm with colon and ±hhmm without, as seconds east of Greenwich.
func zoneOffset(b []byte, colon bool) (int64, bool) {
	if colon && len(b) == 1 && b[0]|0x20 == 'z' {
		return 0, true
	}
	minutes := 3
	if colon {
		minutes = 4
	}
	if len(b) != minutes+2 || b[0] != '+' && b[0] != '-' || colon && b[3] != ':' {
		return 0, false
	}
	h, m := two(b, 1), two(b, minutes)
	if h > 23 || m > 59 {
		return 0, false
	}
	offset := int64(h*3600 + m*60)
	if b[0] == '-' {
		offset = -offset
	}
	return offset, true
}

// monthNumber returns 1 to 12 for Jan to Dec, 0 for anything else.
func monthNumber(b []byte) int64 {
	const names = "JanFebMarAprMayJunJulAugSepOctNovDec"
	for i := 0; i < len(names); i += 3 {
		if names[i:i+3] == string(b) {
			return int64(i/3 + 1)
		}
	}
	return 0
}

// parseDecimal reads a decimal number of seconds divided by 10^shift, exactly: the nanoseconds are the first digits
// of the number, however far the point has to move, and no float is involved.
func parseDecimal(b []byte, shift int) (Time, error) {
	if shift == 0 {
		if t, ok := plainSeconds(b); ok {
			return t, nil
		}
	}
	negative := len(b) > 0 && b[0] == '-'
	if negative {
		b = b[1:]
	}
	whole := digitsEnd(b, 0)
	end := whole
	fraction := 0
	if end < len(b) && b[end] == '.' {
		end = digitsEnd(b, whole+1)
		fraction = end - whole - 1
		if fraction == 0 {
			return Time{}, ErrBadTime
		}
	}
	exponent, ok := decimalExponent(b[end:])
	if whole == 0 || !ok {
		return Time{}, ErrBadTime
	}
	// Nanoseconds are the digits up to here, zeros appended as needed.
	places := max(whole+exponent+maxDigits-shift, 0)
	nanos, fits := addDigits(0, b[:min(whole, places)])
	if more := min(places-whole, fraction); more > 0 && fits {
		nanos, fits = addDigits(nanos, b[whole+1:whole+1+more])
	}
	// Zero stays zero however many there are, and anything else soon fits no longer.
	for zeros := places - whole - fraction; zeros > 0 && nanos > 0 && fits; zeros-- {
		nanos, fits = addDigits(nanos, []byte{'0'})
	}
	if !fits {
		return Time{}, ErrTimeRange
	}
	digits := uint8(min(max(fraction-exponent+shift, 0), maxDigits))
	switch {
	case nanos <= math.MaxInt64 && negative:
		return Time{Nanos: -int64(nanos), Digits: digits}, nil
	case nanos <= math.MaxInt64:
		return Time{Nanos: int64(nanos), Digits: digits}, nil
	case nanos == math.MaxInt64+1 && negative:
		return Time{Nanos: math.MinInt64, Digits: digits}, nil
	}
	return Time{}, ErrTimeRange
}

// plainSeconds reads the usual form of Unix time in seconds: ten digits, and a fraction of up to eight or none.
func plainSeconds(b []byte) (Time, bool) {
	n := len(b) - 11
	if n == 0 || n > 8 || n < -1 || n > 0 && b[10] != '.' || two(b, 0) > 91 {
		return Time{}, false
	}
	low := load(b, 2)
	fraction := uint64(ones * '0')
	if n > 0 { // the last eight bytes, those that are none of the fraction's taken for zeros
		before := uint64(1)<<(64-8*n) - 1
		fraction = load(b, len(b)-8)&^before | fraction&before
	}
	if !eightAreDigits(low) || !eightAreDigits(fraction) {
		return Time{}, false
	}
	seconds := int64(two(b, 0))*100_000_000 + int64(eightDigits(low))
	n = max(n, 0)
	return Time{Nanos: seconds*nanosPerSecond + int64(eightDigits(fraction))*fractionUnits[n], Digits: uint8(n)}, true
}

// addDigits appends decimal digits to n, and reports whether the result is at most 9 above 2^63: the caller checks the
// exact limit, which depends on the sign.
func addDigits(n uint64, digits []byte) (uint64, bool) {
	for _, c := range digits {
		if n > (math.MaxInt64+1)/10 {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, true
}

// decimalExponent reads nothing, or an e with an exponent; one beyond ±100,000,000 is taken as that, far
// outside of what can be an instant, whatever digits a line has room for.
func decimalExponent(b []byte) (int, bool) {
	if len(b) == 0 {
		return 0, true
	}
	if b[0]|0x20 != 'e' {
		return 0, false
	}
	b = b[1:]
	negative := len(b) > 0 && b[0] == '-'
	if negative || len(b) > 0 && b[0] == '+' {
		b = b[1:]
	}
	if len(b) == 0 || digitsEnd(b, 0) != len(b) {
		return 0, false
	}
	exponent := 0
	for _, c := range b {
		exponent = min(exponent*10+int(c-'0'), 100_000_000)
	}
	if negative {
		exponent = -exponent
	}
	return exponent, true
}
