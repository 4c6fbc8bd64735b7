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
)

// estimate says what a sample tells of all objects of a protocol.
func (s *sampler) estimate(d *draw, chunk time.Duration) Estimate {
	e := s.e
	e.Cold, e.ColdBytes = d.cold, d.coldBytes
	e.Whole = e.Skipped == 0
	var lines, after, rejected float64 // of the sample
	for _, st := range d.strata() {
		e.Lines = e.Lines.plus(st.total(func(o *observation) float64 { return o.lines }))
		e.Counted = e.Counted.plus(st.total(func(o *observation) float64 { return o.counted }))
		e.Text = e.Text.plus(st.total(func(o *observation) float64 { return o.text }))
		least, most := st.each(atLeast), st.each(atMost)
		e.Partial = e.Partial.plus(Range{least.Low, most.High})
		least, most = st.each(unitsOf(atLeast)), st.each(unitsOf(atMost))
		e.units = e.units.plus(Range{least.Low, most.High})
		e.Whole = e.Whole && st.whole()
		for i := range st.seen {
			o := &st.seen[i]
			lines, after, rejected = lines+o.lines, after+o.after, rejected+o.rejected
		}
	}
	readable := d.largest.objects + d.others.objects
	if readable > 0 {
		e.Partial = e.Partial.times(1 / float64(readable))
	}
	if lines > 0 {
		e.Rejected, e.After = rejected/lines, after/lines
	}
	// Of times the middle one is taken: whatever else the machine does makes some of them long.
	if e.cpu = median(s.perLine); e.cpu > 0 {
		e.Rate = 1 / e.cpu
	}
	e.wait = median(s.opening)
	e.Rows = s.rowRange(d, e.Whole)
	e.rowUnits, e.rowBytes = s.rowSize()
	e.handOns = d.handOns(e, chunk)
	return e
}

// rowRange is the rows of the sample, which are all there are at the least, and as many more as there would be if the other
// objects brought as many new ones each as those of the sample, which is the most: the more objects, the fewer of their rows
// are new.
func (s *sampler) rowRange(d *draw, whole bool) Range {
	n := float64(s.rows.Len()) // to the digit
	r := exactly(n)
	if s.full {
		n = float64(s.keys.Estimate())
		r = Range{n * (1 - sketchError), n * (1 + sketchError)}
	}
	if whole {
		return r
	}
	r.High = 0
	for _, st := range d.strata() {
		r.High += st.mostRows()
	}
	return Range{r.Low, max(r.Low, r.High)}
}

// mostRows is the most that all objects of a stratum can be expected to have together.
func (st *stratum) mostRows() float64 {
	if len(st.seen) == 0 {
		return 0
	}
	var size, consumed float64
	for i := range st.seen {
		size += st.seen[i].size
		consumed += st.seen[i].consumed
	}
	most := float64(st.keys.Estimate()) * (1 + sketchError) * float64(st.objects) / float64(len(st.seen)) * size / max(consumed, 1)
	if each := st.each(func(o *observation) float64 { return o.rows }); each.High > 0 {
		most *= 2 * each.High / (each.High + each.Low) // how far the objects of the sample are from one another
	}
	return most
}

// median is the middle of some numbers, 0 of none.
func median(of []float64) float64 {
	if len(of) == 0 {
		return 0
	}
	of = slices.Sorted(slices.Values(of))
	return of[len(of)/2]
}

// rowSize is what a row takes on average in a table: write units, and bytes. It is of up to a few thousand of the sample's.
func (s *sampler) rowSize() (units, size float64) {
	const looked = 2000
	every := max(1, s.rows.Len()/looked)
	n, at := 0.0, 0
	for row := range s.rows.Rows() {
		if at++; at%every != 0 {
			continue
		}
		b := rowOverhead + len(row.Key()) + len(row.DimsJSON()) + len(row.MeasuresJSON()) + len(row.State())
		units += math.Ceil(float64(b) / 1024)
		size += float64(b)
		n++
	}
	if n == 0 {
		return 1, 0
	}
	return units / n, size / n
}

// handOns is how many times an object is handed on because it takes longer than a chunk.
func (d *draw) handOns(e Estimate, chunk time.Duration) float64 {
	bytes := float64(d.largest.bytes + d.others.bytes)
	if bytes == 0 || chunk <= 0 {
		return 0
	}
	perByte := e.cpu * e.Lines.High / bytes
	sum := 0.0
	for size, n := range d.sizes {
		if n > 0 {
			each := float64(d.sizeBytes[size]) / float64(n)
			sum += float64(n) * math.Floor(each*perByte/chunk.Seconds())
		}
	}
	return sum
}

// total extrapolates a number that grows with an object's bytes: of each object of the sample to its end, and by the ratio of the
// two to all bytes. Its error is that of a ratio estimate in simple random sampling.
func (st *stratum) total(of func(*observation) float64) Range {
	var sx, sy float64
	for i := range st.seen {
		sx += st.seen[i].size
		sy += of(&st.seen[i]) * st.seen[i].rest()
	}
	if st.whole() {
		return exactly(sy)
	}
	if sx == 0 {
		return Range{}
	}
	ratio := sy / sx
	n, spread := float64(len(st.seen)), 0.0
	for i := range st.seen {
		off := of(&st.seen[i])*st.seen[i].rest() - ratio*st.seen[i].size
		spread += off * off
	}
	guess := ratio * float64(st.bytes)
	off := unknown * guess
	if n > 1 || st.unseen() == 0 {
		off = sigmas * math.Sqrt(st.unseen()*spread/max(n-1, 1)/n) / (sx / n) * float64(st.bytes)
		off = max(off, rough*guess)
	}
	return Range{max(0, guess-off), guess + off}
}

// rest is how many times larger the object is than what was read of it.
func (o *observation) rest() float64 {
	if o.whole || o.consumed <= 0 {
		return 1
	}
	return max(1, o.size/o.consumed)
}

// each extrapolates a number that an object has whatever its size: the sample's mean, times all objects.
func (st *stratum) each(y func(*observation) float64) Range {
	n, sum, spread := float64(len(st.seen)), 0.0, 0.0
	for i := range st.seen {
		sum += y(&st.seen[i])
	}
	if n == 0 {
		return Range{}
	}
	mean := sum / n
	for i := range st.seen {
		spread += (y(&st.seen[i]) - mean) * (y(&st.seen[i]) - mean)
	}
	off := unknown * mean
	if n > 1 || st.unseen() == 0 {
		off = sigmas * math.Sqrt(st.unseen()*spread/max(n-1, 1)/n)
	}
	return Range{max(0, mean-off), mean + off}.times(float64(st.objects))
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
