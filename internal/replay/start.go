package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/stats"
)

var (
	// ErrBusy says that a protocol is being replayed already.
	ErrBusy = errors.New("protocol is being replayed")
	// ErrNothing says that the archive holds no object of a protocol.
	ErrNothing = errors.New("nothing to replay")
)

// StartParams describe a replay.
type StartParams struct {
	Protocols []ProtocolParams
	Cutoff    time.Time // the last instant that counts; zero: now. Beside a live side one in the past fills a side generation
	Prefix    string    // of the archive's keys
	Layout    string    // how a key names its protocol (archive.ParseLayout)
	Tags      string    // archive.TagsAll, TagsFinal or TagsOff
	Narrow    ledger.Narrow
	Immediate bool          // readers read the new generations at once, and watch them fill
	FoldEvery time.Duration // between two folds of what is finished so far; 0: the last fold alone
	Epoch     int64         // that the new generations must at least have; 0: the next one of each protocol
	Gates     []string      // such as "rows -1%": what must hold, against the generations that serve, before the new ones do
	Reuse     string        // id of an earlier replay: what it has counted is taken over where nothing has changed; "": none
}

// ProtocolParams describe one protocol's part.
type ProtocolParams struct {
	Definition stats.Definition
	Rejects    float64 // the share of bad lines above which an object is FAILED; 1: never
	Others     bool    // its archive is written by others, beside a live side
}

// Start opens a replay: in one transaction over all protocols the epoch is raised, a fresh generation opened with its
// definition, the cutoff written and the replay recorded, all or none. Listing and enqueuing come next, by Continue or
// by any watcher. ErrBusy names the replay that has a protocol already; ErrNothing a protocol without objects.
func (d *Driver) Start(ctx context.Context, p StartParams) (ledger.Replay, error) {
	p.Protocols = slices.SortedFunc(slices.Values(p.Protocols), func(a, b ProtocolParams) int {
		return strings.Compare(a.Definition.Protocol, b.Definition.Protocol)
	})
	side, err := d.check(p)
	if err != nil {
		return ledger.Replay{}, err
	}
	if err := d.checkReuse(ctx, p); err != nil {
		return ledger.Replay{}, err
	}
	if err := d.checkArchive(ctx, p); err != nil {
		return ledger.Replay{}, err
	}
	for {
		now := time.Now().UTC()
		w, err := d.open(ctx, p, side, now)
		if err != nil {
			return ledger.Replay{}, err
		}
		r := w.Replays[0]
		err = d.o.Ledger.Write(ctx, w)
		if err != nil {
			// The reply may be lost, and a driver that tried again may have met its own records: whether the replay is
			// there is what counts.
			if _, e := d.o.Ledger.Replay(ctx, r.ID); e == nil {
				err = nil
			}
		}
		switch {
		case err == nil:
			r.Version++
			d.o.Log.Info("replay opened", zap.String("replay", r.ID), zap.Time("cutoff", r.Cutoff), zap.Int("protocols", len(r.Protocols)))
			return r, nil
		case !errors.Is(err, ledger.ErrConflict):
			return ledger.Replay{}, fmt.Errorf("opening the replay: %w", err)
		}
		if err := d.taken(ctx, w); err != nil {
			return ledger.Replay{}, err
		}
	}
}

// taken says after a conflict that it would come again: a generation is there that no protocol's record has come to, which
// only a Meta table that was changed by hand, or restored in part, can have.
func (d *Driver) taken(ctx context.Context, w ledger.Writes) error {
	for i, g := range w.Generations {
		if _, err := d.o.Ledger.Generation(ctx, g.Protocol, g.Number); errors.Is(err, ledger.ErrNotFound) {
			continue
		} else if err != nil {
			return fmt.Errorf("reading generation %d of %s: %w", g.Number, g.Protocol, err)
		}
		p, err := d.o.Ledger.Protocol(ctx, g.Protocol)
		if err != nil {
			return fmt.Errorf("reading protocol %s: %w", g.Protocol, err)
		}
		if p.Version == w.Protocols[i].Version {
			return fmt.Errorf("generation %d of %s is there already, and its protocol is in epoch %d: the Meta table was changed by hand; start with --epoch, above all generations",
				g.Number, g.Protocol, p.Epoch)
		}
	}
	return nil
}

// maxProtocols is how many a replay may have: each is two records of the transaction that opens it, itself is one.
const maxProtocols = (ledger.MaxWrite - 1) / 2

// Check refuses what Start would refuse now whatever the archive holds: what no state of the ledger could make right, and
// with ErrBusy a protocol that is being replayed. It writes nothing.
func (d *Driver) Check(ctx context.Context, p StartParams) error {
	if _, err := d.check(p); err != nil {
		return err
	}
	if err := d.checkReuse(ctx, p); err != nil {
		return err
	}
	for _, part := range p.Protocols {
		name := part.Definition.Protocol
		protocol, err := d.o.Ledger.Protocol(ctx, name)
		if err != nil {
			return fmt.Errorf("reading protocol %s: %w", name, err)
		}
		if protocol.Replay != "" {
			return busy(protocol)
		}
	}
	return nil
}

// check is StartParams.check, and tells whether the replay is to fill side generations: it is of a part of the archive,
// or, where everything is counted live, of a part of the time.
func (d *Driver) check(p StartParams) (side bool, err error) {
	side = p.Narrow.Narrows()
	if d.o.Live != nil && !p.Cutoff.IsZero() {
		if !p.Cutoff.Before(time.Now()) {
			return side, fmt.Errorf("%w: beside a live side what comes from now on is counted live, so a cutoff lies in the past, or is left out; %s lies ahead",
				ErrNarrow, p.Cutoff.Format(time.RFC3339))
		}
		side = true
	}
	return side, p.check(side)
}

// check refuses what no state of the ledger could make right. A definition that does not compile would be opened, and
// every worker would leave it to another for ever.
func (p StartParams) check(side bool) error {
	if err := p.checkNarrow(); err != nil {
		return err
	}
	for _, text := range p.Gates {
		if _, err := parseGate(text); err != nil {
			return err
		}
	}
	switch {
	case len(p.Gates) > 0 && (side || p.Immediate):
		return fmt.Errorf("%w: a side generation is never promoted, and one that serves at once cannot be held back", ErrGate)
	case p.Immediate && side:
		return fmt.Errorf("%w: a side generation never serves, so not at once either", ErrNarrow)
	case p.Epoch < 0:
		return fmt.Errorf("epoch %d: it is 1 or more, or 0 for the next one", p.Epoch)
	case p.FoldEvery < 0:
		return fmt.Errorf("folding every %v: use a time above 0, or 0 for the last fold alone", p.FoldEvery)
	}
	if len(p.Protocols) == 0 {
		return fmt.Errorf("%w: no protocol is named", ErrNothing)
	}
	if len(p.Protocols) > maxProtocols {
		return fmt.Errorf("%d protocols in one replay are too many for one transaction; start them in groups of at most %d", len(p.Protocols), maxProtocols)
	}
	for i, part := range p.Protocols {
		name := part.Definition.Protocol
		if i > 0 && p.Protocols[i-1].Definition.Protocol == name {
			return fmt.Errorf("protocol %s is named twice", name)
		}
		if _, err := stats.Compile(part.Definition); err != nil {
			return fmt.Errorf("the definition of %s: %w", name, err)
		}
	}
	return nil
}

// ErrNarrow says that a replay cannot be narrowed so.
var ErrNarrow = errors.New("the archive cannot be narrowed so")

func (p StartParams) checkNarrow() error {
	n := p.Narrow
	timed := !n.Since.IsZero() || !n.Until.IsZero()
	switch {
	case !strings.HasPrefix(n.Prefix, p.Prefix) && n.Prefix != "":
		return fmt.Errorf("%w: keys begin with archive.prefix, so the prefix must too: %q does not begin with %q", ErrNarrow, n.Prefix, p.Prefix)
	case timed && !strings.Contains(p.Layout, "{yyyy}"):
		return fmt.Errorf("%w: archive.layout %s names no time ({yyyy}, {mm}, …) by which objects could be told", ErrNarrow, p.Layout)
	case !n.Since.IsZero() && !n.Until.IsZero() && !n.Since.Before(n.Until):
		return fmt.Errorf("%w: nothing lies between %s and %s", ErrNarrow, n.Since.Format(time.RFC3339), n.Until.Format(time.RFC3339))
	}
	return nil
}

// open makes the records of a new replay.
func (d *Driver) open(ctx context.Context, p StartParams, side bool, now time.Time) (ledger.Writes, error) {
	var w ledger.Writes
	r := ledger.Replay{
		ID: ulid.MustNewDefault(now).String(), State: ledger.Starting,
		Prefix: p.Prefix, Layout: p.Layout, Tags: p.Tags, Narrow: p.Narrow, Gates: p.Gates, Reuse: p.Reuse,
		Immediate: p.Immediate, FoldEvery: p.FoldEvery, Created: now, Changed: now, Live: d.o.Live != nil, Side: side,
	}
	r.Cutoff, r.Listing.Again = d.cutoff(p, side, now)
	for _, part := range p.Protocols {
		name := part.Definition.Protocol
		protocol, err := d.o.Ledger.Protocol(ctx, name)
		if err != nil {
			return w, fmt.Errorf("reading protocol %s: %w", name, err)
		}
		if protocol.Replay != "" {
			return w, busy(protocol)
		}
		protocol.Epoch = max(protocol.Epoch+1, p.Epoch)
		protocol.Replay = r.ID
		if !side {
			protocol.Gens = append(protocol.Gens, protocol.Epoch)
			protocol.Building, protocol.Cutoff = protocol.Epoch, r.Cutoff
		}
		if p.Immediate {
			protocol = serve(protocol, protocol.Epoch)
		}
		w.Protocols = append(w.Protocols, protocol)
		generation := ledger.Generation{
			Protocol: name, Number: protocol.Epoch, Definition: part.Definition.Encode(), Hash: part.Definition.Hash(),
			Replay: r.ID, Side: side, Created: now,
		}
		of := ledger.ReplayProtocol{Name: name, Generation: protocol.Epoch, Rule: d.rule(p, part), Rejects: part.Rejects}
		if of.Others = d.o.Live != nil && part.Others; of.Others && !side {
			generation.Cutoff = r.Cutoff
		}
		w.Generations = append(w.Generations, generation)
		r.Protocols = append(r.Protocols, of)
	}
	w.Replays = []ledger.Replay{r}
	return w, nil
}

// cutoff is the last instant that counts in a replay that starts now, and when the archive is to be listed again; zero: never.
func (d *Driver) cutoff(p StartParams, side bool, now time.Time) (cutoff, again time.Time) {
	cutoff = p.Cutoff.UTC()
	if p.Cutoff.IsZero() {
		cutoff = now
	}
	if d.o.Live != nil && !side && slices.ContainsFunc(p.Protocols, func(p ProtocolParams) bool { return p.Others }) {
		cutoff = now.Add(d.o.Live.Settle)
		again = cutoff.Add(d.o.Live.Late)
	}
	return cutoff, again
}

// rule says how the replay and the live side share the lines of a protocol: by the epoch of the archive's objects where
// our archiver wrote them, so that every line in those of an earlier one counts; by the line's own time otherwise.
func (d *Driver) rule(p StartParams, part ProtocolParams) string {
	if d.o.Live != nil && !part.Others && p.Cutoff.IsZero() {
		return ledger.RuleAll
	}
	return ledger.RuleCutoff
}

// checkArchive refuses a replay that would put an empty generation in the place of a full one: each protocol must have
// an object. It looks no further than it must.
func (d *Driver) checkArchive(ctx context.Context, p StartParams) error {
	var missing []string
	for _, part := range p.Protocols {
		missing = append(missing, part.Definition.Protocol)
	}
	scope, err := newScope(p.Prefix, p.Layout, p.Narrow)
	if err != nil {
		return err
	}
	if missing, err = d.notComing(ctx, p, missing); err != nil || len(missing) == 0 {
		return err
	}
	seen, first := 0, ""
	for object, err := range d.o.Archive.List(ctx, scope.listed, "") {
		if err != nil {
			return fmt.Errorf("listing the archive: %w", err)
		}
		if seen++; seen == 1 {
			first = object.Key
		}
		if name, place := scope.of(object.Key); place == inside {
			missing = slices.DeleteFunc(missing, func(m string) bool { return name == m })
		}
		if len(missing) == 0 {
			return nil
		}
	}
	if seen == 0 {
		return fmt.Errorf("%w: the archive has no object below %q; check where the archive is, and archive.prefix", ErrNothing, scope.listed)
	}
	within := ""
	if p.Narrow.Narrows() {
		within = " in the part that was asked for"
	}
	return fmt.Errorf("%w: of %s below %q, such as %s, none%s is of protocol %s; check archive.layout (%s), or name protocols with --protocol",
		ErrNothing, count(int64(seen), "object"), scope.listed, first, within, strings.Join(missing, ", "), p.Layout)
}
