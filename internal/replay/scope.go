package replay

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/ledger"
)

// scope tells which objects of the archive a replay is of.
type scope struct {
	prefix string // of the archive
	listed string // of the keys that are listed
	layout *archive.Layout
	narrow ledger.Narrow
}

// place is where a key lies.
type place uint8

const (
	inside  place = iota
	outside       // of the part that a narrowed replay is of
	nowhere       // it fits no layout
)

func newScope(prefix, layout string, narrow ledger.Narrow) (scope, error) {
	l, err := archive.ParseLayout(layout)
	s := scope{prefix: prefix, listed: prefix, layout: l, narrow: narrow}
	if narrow.Prefix != "" {
		s.listed = narrow.Prefix
	}
	return s, err
}

// of reads the protocol out of a key and says where it lies.
func (s scope) of(key string) (protocol string, at place) {
	m, ok := s.layout.Match(strings.TrimPrefix(key, s.prefix))
	switch n := s.narrow; {
	case !ok:
		return "", nowhere
	case !n.Since.IsZero() && !m.Until.After(n.Since), !n.Until.IsZero() && !m.From.Before(n.Until):
		return m.Protocol, outside
	default:
		return m.Protocol, inside
	}
}

// Extent is what a replay would read of one protocol.
type Extent struct {
	Protocol string `json:"protocol"`
	Objects  int64  `json:"objects"`
	Bytes    int64  `json:"bytes"` // as stored
	Rule     string `json:"rule"`  // by which a line of the archive counts: ledger.RuleAll or RuleCutoff
	// Reused is how many of the objects would be taken over from StartParams.Reuse without being read, unless their partials
	// turn out to be damaged or gone; ReusedBytes is their size, as stored.
	Reused      int64 `json:"reused,omitempty"`
	ReusedBytes int64 `json:"reused_bytes,omitempty"`
}

// DryRun is what a start would do.
type DryRun struct {
	Protocols []Extent `json:"protocols"`
	Outside   int64    `json:"outside"`   // objects that the narrowed replay would leave out
	Others    int64    `json:"others"`    // objects of other protocols
	Unmatched int64    `json:"unmatched"` // keys that fit no layout
	Live      int64    `json:"live"`      // objects of later epochs, whose lines are counted live
	Side      bool     `json:"side"`      // it would fill side generations, which are never promoted
}

// DryRun checks a start as Start does, lists the archive and counts, and writes nothing.
func (d *Driver) DryRun(ctx context.Context, p StartParams) (DryRun, error) {
	return d.dryRun(ctx, p, func(string, archive.Object, *ledger.Cursor) {})
}

// dryRun is DryRun, and shows each object that would be replayed.
func (d *Driver) dryRun(ctx context.Context, p StartParams, each eachObject) (DryRun, error) {
	side, err := d.check(p)
	result := DryRun{Side: side}
	if err != nil {
		return result, err
	}
	if err := d.checkReuse(ctx, p); err != nil {
		return result, err
	}
	if err := d.checkArchive(ctx, p); err != nil {
		return result, err
	}
	at := map[string]int{}
	var of ledger.Replay
	of.Live = d.o.Live != nil
	of.Cutoff, of.Listing.Again = d.cutoff(p, side, time.Now().UTC())
	for _, part := range p.Protocols {
		name := part.Definition.Protocol
		protocol, err := d.o.Ledger.Protocol(ctx, name)
		if err != nil {
			return result, fmt.Errorf("reading protocol %s: %w", name, err)
		}
		if protocol.Replay != "" {
			return result, busy(protocol)
		}
		at[name] = len(result.Protocols)
		rule := d.rule(p, part)
		result.Protocols = append(result.Protocols, Extent{Protocol: name, Rule: rule})
		of.Protocols = append(of.Protocols, ledger.ReplayProtocol{Name: name, Generation: max(protocol.Epoch+1, p.Epoch), Rule: rule, Rejects: part.Rejects, Others: of.Live && part.Others})
	}
	scope, err := newScope(p.Prefix, p.Layout, p.Narrow)
	if err != nil {
		return result, err
	}
	loans, err := d.newLoans(ctx, p, of, func(protocol string, object archive.Object, old *ledger.Cursor) {
		if old != nil {
			e := &result.Protocols[at[protocol]]
			e.Reused++
			e.ReusedBytes += object.Size
		}
		each(protocol, object, old)
	})
	if err != nil {
		return result, err
	}
	for object, err := range d.o.Archive.List(ctx, scope.listed, "") {
		if err != nil {
			return result, fmt.Errorf("listing the archive: %w", err)
		}
		name, place := scope.of(object.Key)
		i, wanted := at[name]
		switch {
		case place == nowhere:
			result.Unmatched++
		case !wanted:
			result.Others++
		case place == outside:
			result.Outside++
		case countedLive(of, of.Protocols[i], object.Key):
			result.Live++
		default:
			result.Protocols[i].Objects++
			result.Protocols[i].Bytes += object.Size
			if err := loans.add(ctx, name, object); err != nil {
				return result, err
			}
		}
	}
	return result, loans.flush(ctx)
}

func busy(p ledger.Protocol) error {
	return fmt.Errorf("%w: %s by %s; see reprise status %[3]s, and wait for it or cancel it", ErrBusy, p.Name, p.Replay)
}

// countedLive reports whether an object is one that our archiver began after the replay's start: whatever is in it was
// counted live in the replay's generation before it got there.
func countedLive(r ledger.Replay, part ledger.ReplayProtocol, key string) bool {
	if !r.Live || part.Others {
		return false
	}
	epoch, ours := archive.EpochOf(key)
	return ours && epoch >= part.Generation
}

// ErrForeign says that the archive has objects which were archived under another ledger, so that their epochs say nothing.
var ErrForeign = errors.New("the archive was written under another ledger")

// clocksApart is more than the clocks of two processes differ by.
const clocksApart = time.Hour

// ofThisLedger refuses an object that cannot have been counted live in a replay's generation: its epoch has not come yet,
// or its batch was begun long before the replay. Taken for counted, it would be lost in silence.
func ofThisLedger(r ledger.Replay, part ledger.ReplayProtocol, key string) error {
	epoch, _ := archive.EpochOf(key)
	end := strings.LastIndex(key, ".ndjson.gz")
	batch, err := ulid.ParseStrict(key[max(end-ulid.EncodedSize, 0):end])
	if err == nil && epoch == part.Generation && !ulid.Time(batch.Time()).Before(r.Created.Add(-clocksApart)) {
		return nil
	}
	return fmt.Errorf("%w: %s is of epoch %d, and %s has come to epoch %d only now; cancel this replay and start with --epoch, above all epochs in the archive",
		ErrForeign, key, epoch, part.Name, part.Generation)
}
