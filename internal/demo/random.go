package demo

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
)

// skew draws ranks from 0 up, the low ones far more often (Zipf), as clients and names are drawn in life.
type skew []uint16

func newSkew(n int, exponent float64) skew {
	weights := make([]float64, n)
	var sum float64
	for i := range weights {
		weights[i] = math.Pow(float64(i+1), -exponent)
		sum += weights[i]
	}
	s := make(skew, 0, 1<<15)
	var reached float64
	for i, w := range weights {
		reached += w
		for float64(len(s)) < reached/sum*float64(cap(s)) && len(s) < cap(s) {
			s = append(s, uint16(i)) //nolint:gosec // n is a few thousand
		}
	}
	return s
}

func (s skew) draw(r *rand.Rand) int { return int(s[r.IntN(len(s))]) }

// delays are in microseconds, with the long tail of real ones.
type delays []int64

func newDelays(median, spread float64) delays {
	r := rand.New(rand.NewPCG(1, 2)) // the distribution is the same for every seed
	d := make(delays, 4096)
	for i := range d {
		d[i] = int64(median * math.Exp(spread*r.NormFloat64()))
	}
	return d
}

func (d delays) draw(r *rand.Rand) int64 { return d[r.IntN(len(d))] + r.Int64N(100) }

// hosts are IPv4 addresses of a few networks.
func hosts(n int, network string) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("%s.%d.%d", network, i/250, i%250+1)
	}
	return all
}

// names joins words to n different names.
func names(n int, format string, first, second []string) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf(format, first[i%len(first)], second[i/len(first)%len(second)], i)
	}
	return all
}

// pick takes a word by weight: it stands in the list as often as it is heavy.
func pick(r *rand.Rand, words []string) string { return words[r.IntN(len(words))] }

// appendPadded appends n with leading zeros.
func appendPadded(dst []byte, n int64, width int) []byte {
	for pow, w := int64(1), 1; w < width; w++ {
		if pow *= 10; n < pow {
			dst = append(dst, '0')
		}
	}
	return strconv.AppendInt(dst, n, 10)
}

// appendSeconds appends microseconds as seconds with six digits.
func appendSeconds(dst []byte, micros int64) []byte {
	dst = strconv.AppendInt(dst, micros/second, 10)
	return appendPadded(append(dst, '.'), micros%second, 6)
}

// appendClock appends hh:mm:ss.
func appendClock(dst []byte, micros int64) []byte {
	dst = appendPadded(dst, micros/hour%24, 2)
	dst = appendPadded(append(dst, ':'), micros/minute%60, 2)
	return appendPadded(append(dst, ':'), micros/second%60, 2)
}

// dates keeps the text of each day of the logs, so that no line formats one.
type dates map[int64]string

func (d dates) text(micros int64) string { return d[micros/day] }

func newDates(layout string) dates {
	d := dates{}
	for t := Start; t.Before(Cutoff.AddDate(0, 0, 1)); t = t.AddDate(0, 0, 1) {
		d[t.UnixMicro()/day] = t.Format(layout)
	}
	return d
}

// appendToken appends n letters and digits that look random.
func appendToken(dst []byte, bits uint64, n int) []byte {
	const letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"
	for range n {
		dst = append(dst, letters[bits&63])
		bits = bits>>6 | bits<<58
	}
	return dst
}
