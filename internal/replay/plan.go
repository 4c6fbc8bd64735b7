package replay

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"time"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/stats"
)

// PlanParams say what to plan, and how much of the archive to read for it. Zero numbers take the defaults.
type PlanParams struct {
	StartParams
	Sample   int                                     // objects of each protocol that are read (default 40)
	Bytes    int64                                   // stored bytes of each that are read at most (default 4 MiB)
	Workers  int                                     // processes that will work (default 1)
	Slots    int                                     // of each (default 1)
	Chunk    time.Duration                           // that a worker reads of an object between two commits (default 4.5 min)
	AWS      bool                                    // the backend is paid by the call
	Progress func(doing string, objects, most int64) // may be nil; most is 0 where nobody knows it
}

// Plan is what a replay would read, write, cost and take.
type Plan struct {
	DryRun

	Sampled []Estimate `json:"sampled"` // of each protocol, in the order of DryRun.Protocols
	Lines   Range      `json:"lines"`
	Rows    Range      `json:"rows"`
	Workers int        `json:"workers"`
	Slots   int        `json:"slots"`      // of each worker
	Cores   int        `json:"processors"` // of this machine, and so of each worker on AWS: more slots than these read no faster
	Seconds Range      `json:"seconds"`    // from start to the end, without machines that are slower than this one
	Calls   []Cost     `json:"calls,omitempty"`
	Dollars *Range     `json:"dollars,omitempty"`    // the sum of Calls; none on the embedded backend
	Disk    *Range     `json:"disk_bytes,omitempty"` // of the embedded backend
	Prices  string     `json:"prices,omitempty"`     // of which place and day
}

// Estimate is what a sample says of one protocol. What would be taken over from an earlier replay is in the rows and in what the
// whole costs, and in no other figure. Objects in a cold storage class count for nothing in it: a replay cannot read
// them, and they become FAILED.
type Estimate struct {
	Protocol string `json:"protocol"`

	Objects    int64    `json:"sampled_objects"`
	Bytes      int64    `json:"sampled_bytes"` // as stored
	Whole      bool     `json:"whole"`         // every object of the protocol that is to be read was read to its end
	Unreadable int64    `json:"unreadable"`    // sampled objects that a replay could not read either
	Skipped    int64    `json:"skipped"`       // sampled objects that could not be read now, and say nothing
	Reasons    []string `json:"reasons,omitempty"`

	Cold      int64   `json:"cold"` // of all objects
	ColdBytes int64   `json:"cold_bytes"`
	Lines     Range   `json:"lines"`        // read: counted, after the cutoff, rejected
	Counted   Range   `json:"counted"`      // of them
	Text      Range   `json:"text_bytes"`   // uncompressed
	Rejected  float64 `json:"rejected"`     // share of the sample's lines
	After     float64 `json:"after_cutoff"` // share of the sample's lines
	Rows      Range   `json:"rows"`
	Partial   Range   `json:"partial_bytes"` // of an object, on average
	Rate      float64 `json:"lines_per_second_and_core"`
	RowBytes  float64 `json:"row_bytes"`       // of a row in a DynamoDB table, on average
	RowUnits  float64 `json:"row_write_units"` // and what writing it costs

	units   Range   // write units of all objects' commits
	cpu     float64 // seconds for a line
	wait    float64 // seconds until an object's first byte
	handOns float64 // of all objects
	loan    loan
}

// Range is where a number lies as far as a sample can tell.
type Range struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

func exactly(x float64) Range         { return Range{x, x} }
func (r Range) plus(o Range) Range    { return Range{r.Low + o.Low, r.High + o.High} }
func (r Range) times(f float64) Range { return Range{r.Low * f, r.High * f} }

// Plan lists what a start would list, reads a sample of it as a worker would, and says what the whole comes to. It writes
// nothing. Of what would be taken over from StartParams.Reuse nothing is read but the cursors of the earlier replay. Its errors are those of DryRun; an object that cannot be read is counted, and shown. Its memory does not depend on the archive.
// The sample is the same in every run over the same listing.
func (d *Driver) Plan(ctx context.Context, p PlanParams) (Plan, error) {
	p = p.withDefaults()
	plan := Plan{Workers: p.Workers, Slots: p.Slots, Cores: runtime.NumCPU()}
	draws, loans := map[string]*draw{}, map[string]*loan{}
	for _, part := range p.Protocols {
		draws[part.Definition.Protocol], loans[part.Definition.Protocol] = newDraw(p.Sample), &loan{}
	}
	listed := int64(0)
	var err error
	plan.DryRun, err = d.dryRun(ctx, p.StartParams, func(protocol string, object archive.Object, old *ledger.Cursor) {
		if old == nil {
			draws[protocol].add(object)
		} else {
			loans[protocol].add(old)
		}
		listed++
		p.Progress("listed", listed, 0)
	})
	if err != nil {
		return plan, err
	}
	if err := d.seen(ctx, p.Reuse, loans); err != nil {
		return plan, err
	}
	cutoff, _ := d.cutoff(p.StartParams, plan.Side, time.Now().UTC())
	for i, extent := range plan.Protocols {
		program, err := stats.Compile(p.Protocols[i].Definition)
		if err != nil {
			return plan, fmt.Errorf("protocol %s: %w", extent.Protocol, err)
		}
		s := &sampler{
			archive: d.o.Archive, program: program, most: p.Bytes, progress: p.Progress,
			rule: stats.Rule{All: extent.Rule == ledger.RuleAll, Cutoff: cutoffNanos(cutoff)},
		}
		if err := s.read(ctx, draws[extent.Protocol]); err != nil {
			return plan, err
		}
		e := s.estimate(draws[extent.Protocol], p.Chunk)
		e.Protocol, e.loan = extent.Protocol, *loans[extent.Protocol]
		e.Rows = e.loan.widen(e.Rows)
		plan.Sampled = append(plan.Sampled, e)
		plan.Lines, plan.Rows = plan.Lines.plus(e.Lines), plan.Rows.plus(e.Rows)
	}
	plan.price(p)
	return plan, nil
}

func (p PlanParams) withDefaults() PlanParams {
	for n, value := range map[*int]int{&p.Sample: 40, &p.Workers: 1, &p.Slots: 1} {
		if *n <= 0 {
			*n = value
		}
	}
	if p.Bytes <= 0 {
		p.Bytes = 4 << 20
	}
	if p.Chunk <= 0 {
		p.Chunk = 4*time.Minute + 30*time.Second
	}
	if p.Progress == nil {
		p.Progress = func(string, int64, int64) {}
	}
	return p
}

// cutoffNanos is an instant as a tally compares it.
func cutoffNanos(t time.Time) int64 {
	switch {
	case t.Before(time.Unix(0, math.MinInt64)):
		return math.MinInt64
	case t.After(time.Unix(0, math.MaxInt64)):
		return math.MaxInt64
	default:
		return t.UnixNano()
	}
}
