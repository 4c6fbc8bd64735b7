package replay

import (
	"math/bits"
	"math/rand/v2"

	"github.com/axiomhq/hyperloglog"

	"github.com/seed-56345083/reprise/internal/archive"
)

// draw chooses which objects of a listing are sampled: the largest, which may hold most of the lines, and a random choice of
// the others, each as likely as any other.
type draw struct {
	largest stratum
	others  stratum
	most    int // of largest
	random  *rand.Rand
	chosen  int // of others

	cold, coldBytes int64
	sizes           [65]int64 // how many objects have so many bits in their size
	sizeBytes       [65]int64
}

// stratum is a part of the objects that is judged by a sample of its own.
type stratum struct {
	objects, bytes int64 // all of them
	sample         []archive.Object
	seen           []observation // one for each object of the sample that could be looked at
	keys           *hyperloglog.Sketch
}

// newDraw chooses up to n objects, a quarter of them the largest.
func newDraw(n int) *draw {
	return &draw{
		largest: stratum{keys: hyperloglog.New()}, others: stratum{keys: hyperloglog.New()}, most: n / 4, chosen: n - n/4, random: rand.New(rand.NewPCG(1, 2)), //nolint:gosec // the same choice in every run
	}
}

// coldClasses are those that must be restored before they can be read. Of INTELLIGENT_TIERING a listing does not tell.
var coldClasses = map[string]bool{"GLACIER": true, "DEEP_ARCHIVE": true}

func (d *draw) add(o archive.Object) {
	if coldClasses[o.Class] {
		d.cold++
		d.coldBytes += o.Size
		return
	}
	size := bits.Len64(uint64(max(o.Size, 0))) //nolint:gosec // not negative
	d.sizes[size]++
	d.sizeBytes[size] += o.Size
	if d.most > 0 {
		d.largest.objects++
		d.largest.bytes += o.Size
		if len(d.largest.sample) < d.most {
			d.largest.sample = append(d.largest.sample, o)
			return
		}
		// What falls out of the largest is one of the others. There are few, so the least is looked for.
		least := 0
		for i, l := range d.largest.sample {
			if l.Size < d.largest.sample[least].Size {
				least = i
			}
		}
		if l := d.largest.sample[least]; o.Size > l.Size {
			d.largest.sample[least], o = o, l
		}
		d.largest.objects--
		d.largest.bytes -= o.Size
	}
	d.others.objects++
	d.others.bytes += o.Size
	if len(d.others.sample) < d.chosen {
		d.others.sample = append(d.others.sample, o)
	} else if i := d.random.Int64N(d.others.objects); i < int64(d.chosen) {
		d.others.sample[i] = o
	}
}

func (d *draw) strata() []*stratum { return []*stratum{&d.largest, &d.others} }
