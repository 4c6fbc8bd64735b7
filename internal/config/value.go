package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bytes is an amount of bytes, written as a number or with a suffix: 4096, 64KiB, 1.5MB.
type Bytes int64

// The suffixes, the longest of two that end alike first.
var byteUnits = []struct {
	suffix string
	size   float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1},
}

// ParseBytes reads an amount of bytes. It is an error when it is negative or no whole number of bytes.
func ParseBytes(s string) (Bytes, error) {
	number, unit := s, 1.0
	for _, u := range byteUnits {
		if rest, ok := strings.CutSuffix(s, u.suffix); ok {
			number, unit = strings.TrimSpace(rest), u.size
			break
		}
	}
	f, err := strconv.ParseFloat(number, 64)
	v := f * unit
	if err != nil || v < 0 || v != math.Trunc(v) || v > 1<<62 {
		return 0, fmt.Errorf("%q is not a size; write a number of bytes, or a suffix as in 64KiB, 16MiB, 1GB", s)
	}
	return Bytes(v), nil
}

// UnmarshalText is ParseBytes.
func (b *Bytes) UnmarshalText(text []byte) error {
	v, err := ParseBytes(string(text))
	if err == nil {
		*b = v
	}
	return err
}

// String gives the amount with the largest binary suffix that leaves a whole number: 64MiB.
func (b Bytes) String() string {
	for _, u := range []struct {
		suffix string
		size   Bytes
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if b >= u.size && b%u.size == 0 {
			return strconv.FormatInt(int64(b/u.size), 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(b), 10) + "B"
}

// Rejects says what becomes of an object with bad lines. The zero value skips them: they are counted and sampled.
type Rejects struct {
	// Limited says that FailAbove applies.
	Limited bool
	// FailAbove is the fraction of an object's records, 0 to below 1, above which the object is FAILED.
	FailAbove float64
}

// UnmarshalText reads "skip" or "fail_above 0.01".
func (r *Rejects) UnmarshalText(text []byte) error {
	word, rest, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	if word == "skip" && rest == "" {
		*r = Rejects{}
		return nil
	}
	f, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
	if word != "fail_above" || err != nil || !(f >= 0 && f < 1) {
		return fmt.Errorf("%q is neither; write skip, or fail_above and a fraction from 0 to below 1, as in fail_above 0.01", text)
	}
	*r = Rejects{Limited: true, FailAbove: f}
	return nil
}

// String gives what UnmarshalText reads.
func (r Rejects) String() string {
	if !r.Limited {
		return "skip"
	}
	return "fail_above " + strconv.FormatFloat(r.FailAbove, 'g', -1, 64)
}
