package demo

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// The protocols.
const (
	protocolDNS = "dns"
	protocolWeb = "web"
	protocolApp = "app"
)

// The compressions of an object.
const (
	codecGzip  = "gz"
	codecZstd  = "zst"
	codecPlain = ""
)

// object is one object to be made.
type object struct {
	protocol string
	key      string
	number   int   // among all objects: seeds its lines, and decides which faults are in it
	bytes    int64 // uncompressed, about
	codec    string
	member   int64 // bytes of one gzip member or zstd frame, uncompressed; 0 for a single one
	hour     int   // hours since Start; all of its lines are in it
	corrupt  bool  // cut off after it was written
	long     bool  // has a line longer than any reader takes
	crlf     bool
}

// share is the part of the archive that a protocol has.
var shares = []struct {
	protocol string
	part     float64
}{{protocolDNS, 0.40}, {protocolWeb, 0.35}, {protocolApp, 0.25}}

// Sizes, as parts of a protocol's bytes: one large object (at the default size more than 20 MB), a dozen medium ones
// and hundreds of small ones, as real archives have them. The last hour has a few percent of all.
const (
	partLarge  = 0.42
	partMedium = 0.30
	mediums    = 12
	leastSmall = 6 << 10
	smalls     = 110
	lastHour   = 48
)

// newPlan lays the archive out. The large objects come first, so that no processor is left alone with one at the end.
func newPlan(seed uint64, total int64) []object {
	r := rand.New(rand.NewPCG(seed, 0))
	var large, rest []object
	number := map[string]int{} // of objects by folder and hour
	place := func(p string, bytes float64, hour int) object {
		at := Start.Add(time.Duration(hour) * time.Hour)
		folder := at.Format("2006/01/02/15")
		number[p+folder]++
		return object{
			protocol: p, bytes: int64(bytes), codec: codecGzip, hour: hour,
			key: fmt.Sprintf("logs/%s/%s-%03d.log", p, folder, number[p+folder]),
		}
	}
	for _, s := range shares {
		bytes := float64(total) * s.part
		o := place(s.protocol, bytes*partLarge, 12+r.IntN(8))
		if s.protocol == protocolWeb {
			o.member = max(o.bytes/40, 16<<10) // one large object of many members, the others of one
		}
		large = append(large, o)
		for i := range mediums {
			o := place(s.protocol, bytes*partMedium/mediums*(0.5+r.Float64()), r.IntN(lastHour))
			if i%4 == 1 {
				o.member = max(o.bytes/9, 4<<10)
			}
			o.corrupt = s.protocol == protocolDNS && i == 4
			o.long = s.protocol == protocolDNS && i == 6
			rest = append(rest, o)
		}
		rest = append(rest, smallObjects(r, bytes*(1-partLarge-partMedium), s.protocol, place)...)
	}
	return finishPlan(append(large, rest...))
}

// smallObjects fills up with small ones, some of them in the last hour.
func smallObjects(r *rand.Rand, bytes float64, protocol string, place func(string, float64, int) object) []object {
	var all []object
	mean := max(bytes/smalls, leastSmall)
	for i := 0; bytes > 0; i++ {
		hour := i % lastHour
		if i%8 == 3 {
			hour = lastHour
		}
		o := place(protocol, mean*(0.25+1.5*r.Float64()), hour)
		switch i {
		case 2:
			o.codec = codecZstd
		case 6:
			o.codec, o.member = codecZstd, o.bytes/3
		case 9:
			o.codec = codecPlain
		}
		bytes -= float64(o.bytes)
		all = append(all, o)
	}
	return all
}

func finishPlan(plan []object) []object {
	for i := range plan {
		o := &plan[i]
		o.number = i + 1
		o.crlf = o.protocol == protocolApp && i%11 == 0
		if o.codec != codecPlain {
			o.key += "." + o.codec
		}
	}
	return plan
}
