package logline

// Time is an instant with the precision that it was written with.
type Time struct {
	// Nanos counts nanoseconds since the Unix epoch: years 1677 to 2262.
	Nanos int64
	// Digits is the number of digits of the fraction of a second as written, 0 to 9.
	Digits uint8
}

const (
	nanosPerSecond = 1_000_000_000
	secondsPerDay  = 86_400
	maxDigits      = 9
)

// Append appends the RFC 3339 form in UTC with exactly Digits digits of the fraction, the rest cut off:
// 2018-03-24T17:15:23.533701Z. More than nine digits are taken as nine.
func (t Time) Append(dst []byte) []byte {
	seconds, nanos := t.Nanos/nanosPerSecond, t.Nanos%nanosPerSecond
	if nanos < 0 {
		seconds, nanos = seconds-1, nanos+nanosPerSecond
	}
	days, second := seconds/secondsPerDay, seconds%secondsPerDay
	if second < 0 {
		days, second = days-1, second+secondsPerDay
	}
	year, month, day := civil(days)
	dst = appendPadded(dst, year, 4)
	dst = appendPadded(append(dst, '-'), month, 2)
	dst = appendPadded(append(dst, '-'), day, 2)
	dst = appendPadded(append(dst, 'T'), second/3600, 2)
	dst = appendPadded(append(dst, ':'), second/60%60, 2)
	dst = appendPadded(append(dst, ':'), second%60, 2)
	if digits := min(t.Digits, maxDigits); digits > 0 {
		for range maxDigits - digits {
			nanos /= 10
		}
		dst = appendPadded(append(dst, '.'), nanos, int(digits))
	}
	return append(dst, 'Z')
}

// String returns the form that Append appends.
func (t Time) String() string { return string(t.Append(nil)) }

// appendPadded appends the last width decimal digits of a number that is not negative.
func appendPadded(dst []byte, n int64, width int) []byte {
	for range width {
		dst = append(dst, '0')
	}
	for i := len(dst) - 1; width > 0; i, width = i-1, width-1 {
		dst[i] = byte('0' + n%10)
		n /= 10
	}
	return dst
}

// civil returns the date of a day counted from 1970-01-01, and dayNumber is its inverse. Both count in eras of 400
// years that begin on the first of March, so that the leap day is the last of its year; see Howard Hinnant,
// "chrono-Compatible Low-Level Date Algorithms".
func civil(days int64) (year, month, day int64) {
	days += 719468
	era := days / 146097
	if days < 0 {
		era = (days - 146096) / 146097
	}
	dayOfEra := days - era*146097
	yearOfEra := (dayOfEra - dayOfEra/1460 + dayOfEra/36524 - dayOfEra/146096) / 365
	dayOfYear := dayOfEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	shifted := (5*dayOfYear + 2) / 153
	day = dayOfYear - (153*shifted+2)/5 + 1
	month = shifted + 3
	if month > 12 {
		month -= 12
	}
	year = yearOfEra + era*400
	if month <= 2 {
		year++
	}
	return year, month, day
}

// dayNumber takes years from 0 on.
func dayNumber(year, month, day int64) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	era := year / 400
	if year < 0 {
		era = -1
	}
	yearOfEra := year - era*400
	dayOfYear := (153*(month-3)+2)/5 + day - 1
	return era*146097 + yearOfEra*365 + yearOfEra/4 - yearOfEra/100 + dayOfYear - 719468
}

// monthDays returns the number of days of a month, 1 to 12.
func monthDays(year, month int64) int64 {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}
