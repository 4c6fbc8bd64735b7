package replay

import (
	"cmp"
	"maps"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/seed-56345083/reprise/internal/archive"
)

// draw chooses which objects of a listing are sampled. They are parted into strata of about one size and one coding, and each
// stratum gives as many of its objects, by chance, as its share of all bytes is: so the few large ones, which may hold most of the
// lines, are all looked at, and the small ones are not forgotten.
type draw struct {
	most   int // objects of the whole sample
	random *rand.Rand
	by     map[stratumKey]*stratum

	objects, bytes  int64 // that can be read
	cold, coldBytes int64
}

type stratumKey struct {
	size   int // of an object: 4^size bytes, up to four times as many
	coding string
}

// stratum is a part of the objects that is judged by a sample of its own.
type stratum struct {
	objects, bytes int64 // all of them
	sample         []archive.Object
	seen           []observation // one for each object of the sample that could be looked at
}

// fewest is how many objects of each stratum are looked at, where there are so many.
const fewest = 2

func newDraw(n int) *draw {
	return &draw{
		most: n, random: rand.New(rand.NewPCG(1, 2)), //nolint:gosec // the same choice in every run
		by: map[stratumKey]*stratum{},
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
	d.objects++
	d.bytes += o.Size
	key := stratumKey{size: bits.Len64(uint64(max(o.Size, 0))) / 2} //nolint:gosec // not negative
	for _, suffix := range []string{".gz", ".zst"} {
		if strings.HasSuffix(o.Key, suffix) {
			key.coding = suffix
		}
	}
	st := d.by[key]
	if st == nil {
		st = &stratum{}
		d.by[key] = st
	}
	st.objects++
	st.bytes += o.Size
	if len(st.sample) < d.most {
		st.sample = append(st.sample, o)
	} else if i := d.random.Int64N(st.objects); i < int64(d.most) {
		st.sample[i] = o
	}
}

// strata are those of the listing, in order, each with its share of the sample.
func (d *draw) strata() []*stratum {
	var all []*stratum
	keys := slices.SortedFunc(maps.Keys(d.by), func(a, b stratumKey) int {
		return cmp.Or(cmp.Compare(a.size, b.size), cmp.Compare(a.coding, b.coding))
	})
	left := d.most
	for _, key := range keys {
		all = append(all, d.by[key])
		left -= min(fewest, len(d.by[key].sample))
	}
	for _, st := range all {
		n := fewest
		if left > 0 && d.bytes > 0 {
			n += int(float64(left) * float64(st.bytes) / float64(d.bytes))
		}
		d.random.Shuffle(len(st.sample), func(i, j int) { st.sample[i], st.sample[j] = st.sample[j], st.sample[i] })
		st.sample = st.sample[:min(n, len(st.sample))]
	}
	return fill(all, d.most)
}

// fill gives what is left of the sample, because the large strata have fewer objects than their share, to the others.
func fill(all []*stratum, most int) []*stratum {
	taken := 0
	for _, st := range all {
		taken += len(st.sample)
	}
	for more := true; more && taken < most; {
		more = false
		for _, st := range slices.Backward(all) {
			if n := len(st.sample); taken < most && n < min(cap(st.sample), int(st.objects)) {
				st.sample = st.sample[:n+1]
				taken++
				more = true
			}
		}
	}
	return all
}
