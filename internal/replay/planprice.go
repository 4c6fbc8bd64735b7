package replay

import (
	"math"

	"github.com/seed-56345083/reprise/internal/archive"
)

// Cost is what is paid for by the piece.
type Cost struct {
	What    string  `json:"what"`
	Number  Range   `json:"number"`
	Million float64 `json:"dollars_per_million"`
	Dollars Range   `json:"dollars"`
}

// pricesOf says of where and when the prices below are: the list prices that docs/performance.md reckons with.
const pricesOf = "list prices of us-east-1, on demand, 2026"

// Dollars for a million.
const (
	writeUnit   = 0.625 // DynamoDB: each KiB of an item that is written
	readUnit    = 0.125 // DynamoDB: each 4 KiB that are read consistently
	s3Put       = 5.0   // PUT, LIST, and tagging as PUT
	s3Get       = 0.4   // GET, and reading tags as GET; DELETE is free
	sqsRequest  = 0.4
	listedAtOne = 1000 // keys of one LIST
)

// Calls of one object that is read in one chunk, as TestCallsOnAWS of internal/e2e counts them.
const (
	createUnits = 1.0 // write units of its cursor's PutItem
	claimUnits  = 1.0 // and of the UpdateItem by which it is claimed
	objectGets  = 1.0
	fewestSQS   = 0.3 // a tenth of SendMessageBatch, ReceiveMessage and DeleteMessageBatch each
	mostSQS     = 2.1 // a receive and a deletion of its own, as a pool with one slot makes them
	getItems    = 0.15
	listings    = 2.0 // of the whole archive: start looks whether there is something, then enqueues it
)

// tagCalls are the PUT and GET of one object's tags by the mode of the mirror, those of the clean-up included; the second pair is what
// a hand-on adds.
var tagCalls = map[string]struct{ puts, gets, morePuts, moreGets float64 }{
	archive.TagsAll:   {puts: 3, gets: 4, morePuts: 2, moreGets: 2},
	archive.TagsFinal: {puts: 1, gets: 2},
}

// Bytes, as dynamoledger's TestCursorSize and a look into the files of the embedded backend have them.
const (
	cursorBytes = 280  // of the item of a finished cursor, beside its key and its partial
	rowOverhead = 110  // of a row's item, beside its key, dimensions, measures and state
	localCursor = 900  // of the embedded backend for each object: cursor, tags, message
	localRow    = 1.35 // times the bytes of a row: key, table and index
)

// Times in seconds, beside what the sample has shown.
const (
	awsCall     = 0.005               // of a call within one region, at the least
	awsCallSlow = 0.020               // and at the most
	awsChain    = 3.0                 // calls of an object one after the other, beside the tags: claim, commit, delete
	startChain  = 0.05                // calls of start for an object, one after the other: hundreds are under way together
	lendChain   = 1.0 / cursorReaders // and for one that is taken over, beside these: its earlier cursor
	localObject = 0.0012
	foldRow     = 16e-6 // from partial to table
	// The sample is one look at one moment of this machine.
	quicker = 0.7
	slower  = 1.5
)

// price says what the sums of a plan cost, and how long they take.
func (plan *Plan) price(p PlanParams) {
	s := plan.sums()
	plan.Seconds = plan.time(p, s)
	if !p.AWS {
		disk := Range{}
		for _, e := range plan.Sampled {
			disk = disk.plus(e.Partial.times(s.ofProtocol[e.Protocol])).plus(exactly(e.loan.bytes)).plus(e.Rows.times(e.RowBytes * localRow))
		}
		disk = disk.plus(exactly((s.objects + s.taken) * localCursor))
		plan.Disk = &disk
		return
	}
	tags := tagCalls[p.Tags]
	once := tagCalls[archive.TagsFinal] // what is taken over is FINISHED from the beginning
	if p.Tags == archive.TagsOff {
		once = tags
	}
	all := s.objects + s.taken + float64(plan.Outside+plan.Others+plan.Unmatched+plan.Live)
	h := s.handOns
	// A look counts the cursors, and each part of a fold reads them all with their partials.
	items := s.units.times(0.25).plus(exactly(0.25 * (s.objects + s.takenUnits)))
	looks := Range{2, 4}
	folds := Range{foldParts(plan.Rows.Low), foldParts(plan.Rows.High)}
	reads := Range{items.Low * (looks.Low + folds.Low), items.High * (looks.High + folds.High)}
	for _, c := range []Cost{
		{What: "DynamoDB write units of cursors", Million: writeUnit, Number: exactly(s.objects * (createUnits + claimUnits)).plus(s.units).plus(s.more).plus(exactly(s.takenUnits))},
		{What: "DynamoDB write units of rows", Million: writeUnit, Number: s.rowUnits},
		{What: "DynamoDB read units", Million: readUnit, Number: reads.plus(exactly(s.objects*getItems + s.takenUnits/4))},
		{What: "S3 GET of objects", Million: s3Get, Number: exactly(s.objects*objectGets + h)},
		{What: "S3 LIST", Million: s3Put, Number: exactly(math.Ceil(all/listedAtOne) * listings)},
		{What: "S3 PUT of tags", Million: s3Put, Number: exactly(s.objects*tags.puts + s.taken*once.puts + h*tags.morePuts)},
		{What: "S3 GET of tags", Million: s3Get, Number: exactly(s.objects*tags.gets + s.taken*once.gets + h*tags.moreGets)},
		{What: "SQS requests", Million: sqsRequest, Number: Range{s.objects * fewestSQS, s.objects*mostSQS + 3*h}},
	} {
		c.Dollars = c.Number.times(c.Million / 1e6)
		plan.Calls = append(plan.Calls, c)
		if plan.Dollars == nil {
			plan.Dollars = &Range{}
		}
		*plan.Dollars = plan.Dollars.plus(c.Dollars)
	}
	plan.Prices = pricesOf
}

// sums are what all protocols come to.
type sums struct {
	objects    float64            // that can be read
	ofProtocol map[string]float64 // the same
	units      Range              // write units of the commits that finish them
	more       Range              // write units of hand-ons: a commit and a claim of a cursor with its partial
	rowUnits   Range
	handOns    float64
	taken      float64 // objects that are taken over
	takenUnits float64 // write units of their cursors
	cpu        Range   // seconds of one core
	wait       float64
}

func (plan *Plan) sums() sums {
	s := sums{ofProtocol: map[string]float64{}}
	for i, e := range plan.Sampled {
		n := float64(plan.Protocols[i].Objects-e.Cold) - e.loan.objects
		s.objects += n
		s.taken += e.loan.objects
		s.takenUnits += e.loan.units
		s.ofProtocol[e.Protocol] = n
		s.units = s.units.plus(e.units)
		if n > 0 {
			s.more = s.more.plus(e.units.times(2 * e.handOns / n))
		}
		s.rowUnits = s.rowUnits.plus(e.Rows.times(e.RowUnits))
		s.handOns += e.handOns
		s.cpu = s.cpu.plus(e.Lines.times(e.cpu))
		s.wait += n * e.wait
	}
	return s
}

// time is how long it takes: start, the objects and the fold, one after the other. Lines are read by as many cores as there are, slots wait
// side by side. No object is in two slots at once and no part of the fold in two processes, and those of the embedded backend are all on
// this machine.
func (plan *Plan) time(p PlanParams, s sums) Range {
	workers, slots := float64(p.Workers), float64(p.Slots)
	cores := func(workers float64) float64 {
		if p.AWS {
			return workers * min(slots, float64(plan.Cores))
		}
		return min(workers*slots, float64(plan.Cores))
	}
	fold := func(rows float64) float64 { return rows * foldRow / cores(min(workers, foldParts(rows))) }
	objects := max(s.objects, 1)
	readers, waiters := min(cores(workers), objects), min(workers*slots, objects)
	reading := s.cpu.times(1 / readers).plus(Range{fold(plan.Rows.Low), fold(plan.Rows.High)})
	if !p.AWS {
		// What is taken over is written by start alone, and nobody works on it.
		r := reading.plus(exactly((s.objects*localObject + s.wait) / readers)).plus(Range{0, s.taken * localObject})
		return Range{r.Low * quicker, r.High * slower}
	}
	tags := tagCalls[p.Tags]
	chain := awsChain
	if tags.puts > 0 {
		chain += 2 // FINISHED: read and write
	}
	if tags.morePuts > 0 {
		chain += 2 // PROCESSING
	}
	calls := s.objects*(chain/waiters+startChain) + s.taken*(startChain+lendChain)
	waits := exactly(s.wait / waiters).plus(Range{calls * awsCall, calls * awsCallSlow})
	r := reading.plus(waits)
	return Range{r.Low * quicker, r.High * slower}
}

// foldParts is into how many parts a fold of so many rows is cut.
func foldParts(rows float64) float64 { return 1 + math.Floor(rows/rowsPerPart) }
