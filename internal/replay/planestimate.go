package replay

import (
	"math"
	"slices"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
)

const (
	// sigmas is how many standard errors a range reaches to each side: of few and uneven objects two would be too few.
	sigmas = 2.5
	// rough is the least width of a range, to each side, of what was not read to its end.
	rough = 0.05
	// unknown is the width of a range that rests on a single object.
	unknown = 0.5
	// sketchError is about three standard errors of the sketch that counts rows.
	sketchError = 0.025
	// missing is how many rows there are for each that two objects of a sample share: such a row is in so many objects that about
	// a sixth of its like is in none of the sample.
	missing = 1.25
)

// estimate says what a sample tells of all objects of a protocol.
func (s *sampler) estimate(d *draw, chunk time.Duration) Estimate {
	e := s.e
	e.Cold, e.ColdBytes = d.cold, d.coldBytes
	e.Whole = e.Skipped == 0
	var lines, after, rejected float64 // of the sample
	e.Lines = s.total(func(o *observation) float64 { return o.lines })
	e.Counted = s.total(func(o *observation) float64 { return o.counted })
	e.Text = s.total(func(o *observation) float64 { return o.text })
	for _, st := range s.strata {
		e.Partial = e.Partial.plus(Range{st.each(atLeast), st.each(atMost)})
		e.units = e.units.plus(Range{st.each(unitsOf(atLeast)), st.each(unitsOf(atMost))})
		e.Whole = e.Whole && st.whole()
		for i := range st.seen {
			o := &st.seen[i]
			lines, after, rejected = lines+o.lines, after+o.after, rejected+o.rejected
		}
	}
	if d.objects > 0 {
		e.Partial = e.Partial.times(1 / float64(d.objects))
	}
	if lines > 0 {
		e.Rejected, e.After = rejected/lines, after/lines
	}
	// Of times the middle one is taken: whatever else the machine does makes some of them long.
	if e.cpu = median(s.perLine); e.cpu > 0 {
		e.Rate = 1 / e.cpu
	}
	e.wait = median(s.opening)
	e.Rows = s.rowRange(e.Whole)
	e.RowUnits, e.RowBytes = s.rowSize()
	e.handOns = d.handOns(e, chunk)
	return e
}

// rowRange is the rows of the sample, which are all there are at the least. At the most the other objects have as many rows that
// are theirs alone as those of the sample; rows that two of the sample share are common, and few like them are missing.
func (s *sampler) rowRange(whole bool) Range {
	n := float64(s.rows.Len()) // to the digit
	r := exactly(n)
	if s.full {
		n = float64(s.sketch.Estimate())
		r = Range{n * (1 - sketchError), n * (1 + sketchError)}
	}
	if whole {
		return r
	}
	alone := make([]float64, len(s.strata))
	known := float64(len(s.owners))
	r.High = 0
	for _, owner := range s.owners {
		if owner == shared {
			r.High += missing
		} else {
			alone[owner]++
		}
	}
	for i, st := range s.strata {
		r.High += alone[i] * st.share()
	}
	if known > 0 { // the keys of too many rows are not kept: the others are like those that are
		r.High *= max(1, n/known)
	}
	return Range{r.Low, max(r.Low, r.High)}
}

// share is how many times more there is in a stratum than was read of it.
func (st *stratum) share() float64 {
	var size, consumed float64
	for i := range st.seen {
		size += st.seen[i].size
		consumed += st.seen[i].consumed
	}
	return float64(st.objects) / float64(max(len(st.seen), 1)) * max(1, size/max(consumed, 1))
}

// median is the middle of some numbers, 0 of none.
func median(of []float64) float64 {
	if len(of) == 0 {
		return 0
	}
	of = slices.Sorted(slices.Values(of))
	return of[len(of)/2]
}

// rowSize is what a row takes on average in a table: write units, and bytes, at the least where the sample has none. It is of up to
// a few thousand of the sample's.
func (s *sampler) rowSize() (units, size float64) {
	const looked = 2000
	every := max(1, s.rows.Len()/looked)
	n, at := 0.0, 0
	for row := range s.rows.Rows() {
		if at++; at%every != 0 {
			continue
		}
		dims := len(row.DimsJSON())
		b := rowOverhead + len(row.Key()) + len(row.MeasuresJSON()) + len(row.State())
		if dims != len(row.Key()) { // the key is cut, so the item has the whole beside it
			b += dims
		}
		units += math.Ceil(float64(b) / 1024)
		size += float64(b)
		n++
	}
	if n == 0 {
		return 1, rowOverhead
	}
	return units / n, size / n
}

// handOns is how many times an object is handed on because it takes longer than a chunk.
func (d *draw) handOns(e Estimate, chunk time.Duration) float64 {
	if d.bytes == 0 || chunk <= 0 {
		return 0
	}
	perByte := e.cpu * e.Lines.High / float64(d.bytes)
	sum := 0.0
	for _, st := range d.by {
		each := float64(st.bytes) / float64(st.objects)
		sum += float64(st.objects) * math.Floor(each*perByte/chunk.Seconds())
	}
	return sum
}

// total extrapolates a number that grows with an object's bytes: of each object of the sample to its end, and in each stratum by the
// ratio of the two to all bytes. Its error is that of such estimates in stratified random sampling.
func (s *sampler) total(of func(*observation) float64) Range {
	guess, variance, seen, whole := 0.0, 0.0, 0.0, true
	for _, st := range s.strata {
		n := float64(len(st.seen))
		var size, number float64
		for i := range st.seen {
			o := &st.seen[i]
			size, number, seen = size+o.size, number+of(o)*o.rest(), seen+of(o)
		}
		whole = whole && st.whole()
		if size == 0 {
			continue
		}
		ratio, spread := number/size, 0.0
		for i := range st.seen {
			o := &st.seen[i]
			off := of(o)*o.rest() - ratio*o.size
			spread += off * off
		}
		here := ratio * float64(st.bytes)
		guess += here
		all := float64(st.objects)
		if n > 1 {
			variance += all * all * st.unseen() * spread / (n - 1) / n
		} else {
			variance += st.unseen() * (unknown * here) * (unknown * here)
		}
	}
	if whole {
		return exactly(seen)
	}
	off := max(rough*guess, sigmas*math.Sqrt(variance))
	return Range{max(seen, guess-off), guess + off}
}

// rest is how many times larger the object is than what was read of it.
func (o *observation) rest() float64 {
	if o.whole || o.consumed <= 0 {
		return 1
	}
	return max(1, o.size/o.consumed)
}

// each extrapolates a number that an object has: the sample's mean, times all objects.
func (st *stratum) each(of func(*observation) float64) float64 {
	sum := 0.0
	for i := range st.seen {
		sum += of(&st.seen[i])
	}
	return sum / float64(max(len(st.seen), 1)) * float64(st.objects)
}

// unseen is the share of the objects that the sample has not.
func (st *stratum) unseen() float64 {
	return max(0, 1-float64(len(st.seen))/float64(max(st.objects, 1)))
}

// whole reports whether everything was read.
func (st *stratum) whole() bool {
	for i := range st.seen {
		if !st.seen[i].whole {
			return false
		}
	}
	return int64(len(st.seen)) == st.objects
}

// atLeast and atMost are the bytes of an object's partial: what was seen of it, and as much more as the rest of the object is.
func atLeast(o *observation) float64 { return o.blob + o.sealed }

func atMost(o *observation) float64 { return atLeast(o) * o.rest() }

// unitsOf are the write units of an object's commit: one for each KiB of its cursor, whose partial is in a segment where it is
// large.
func unitsOf(partial func(*observation) float64) func(*observation) float64 {
	return func(o *observation) float64 {
		blob := partial(o)
		if o.sealed > 0 || blob > ledger.MaxInline {
			blob = 0
		}
		return math.Ceil((cursorBytes + o.key + blob) / 1024)
	}
}
