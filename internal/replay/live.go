package replay

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/stats"
)

// LiveSide is what a replay needs of the live side that it runs beside. How the two share the lines out is in DESIGN.md.
type LiveSide struct {
	Entries entries.Entries
	// Sweep counts each entry of a protocol that is not archived in every generation that is counted live, and returns
	// when nothing is left that it could see. It may be called by several processes at once.
	Sweep func(ctx context.Context, protocol string) error
	// Drain writes the batches of a protocol that were begun before an epoch: an archiver may have died over them. May be
	// nil; ledger.ErrHeld says that an archiver is at it.
	Drain  func(ctx context.Context, protocol string, epoch int64) error
	Settle time.Duration // that the cutoff of a protocol which others archive lies ahead of the start
	Late   time.Duration // after that cutoff such an archive is listed again
}

func (l *LiveSide) check() error {
	switch {
	case l == nil:
		return nil
	case l.Entries == nil || l.Sweep == nil:
		return errors.New("replay: of the live side its entries and its sweep are needed")
	case l.Settle < 0 || l.Late < 0:
		return fmt.Errorf("replay: a settle of %v and a late of %v; both are 0 or more", l.Settle, l.Late)
	}
	return nil
}

// ErrLive says that a replay needs the live side beside which it was started, and that this process has none.
var ErrLive = errors.New("this process has no live side")

// live is the live side of a replay; nil where it was started without one.
func (d *Driver) live(r ledger.Replay) (*LiveSide, error) {
	switch {
	case !r.Live:
		return nil, nil //nolint:nilnil // no live side is an answer
	case d.o.Live == nil:
		return nil, fmt.Errorf("%w: %s was started beside one; set live in the configuration as it was then", ErrLive, r.ID)
	}
	return d.o.Live, nil
}

// openAtOnce is how many protocols one write opens: each is two records.
const openAtOnce = ledger.MaxWrite / 2

// OpenLive gives each of these protocols that has no generation its first one, with the definition given: complete, serving,
// counted live, and without a base. It was never seen, or its only replay was cancelled. Those that have one stay as they are. Whoever counts or archives calls it first, so that
// nothing is archived that no generation counts. It may be called by any number of processes at once.
func (d *Driver) OpenLive(ctx context.Context, protocols []ProtocolParams) error {
	for _, p := range protocols {
		if _, err := stats.Compile(p.Definition); err != nil {
			return fmt.Errorf("the definition of %s: %w", p.Definition.Protocol, err)
		}
	}
	for some := range slices.Chunk(protocols, openAtOnce) {
		if err := d.openLive(ctx, some); err != nil {
			return err
		}
	}
	return nil
}

func (d *Driver) openLive(ctx context.Context, protocols []ProtocolParams) error {
	for {
		w, err := d.withoutGeneration(ctx, protocols)
		if err != nil || len(w.Protocols) == 0 {
			return err
		}
		wrote := d.o.Ledger.Write(ctx, w)
		if wrote == nil {
			for _, p := range w.Protocols {
				d.o.Log.Info("first generation opened", zap.String("protocol", p.Name))
			}
			return nil
		}
		if !errors.Is(wrote, ledger.ErrConflict) {
			// The reply may be lost: what counts is whether they are there.
			if w, err := d.withoutGeneration(ctx, protocols); err == nil && len(w.Protocols) == 0 {
				return nil
			}
			return fmt.Errorf("opening the first generations: %w", wrote)
		}
		if err := pause(ctx, rand.N(50*time.Millisecond)); err != nil {
			return err
		}
	}
}

// withoutGeneration makes the records of the first generations of the protocols that have none.
func (d *Driver) withoutGeneration(ctx context.Context, protocols []ProtocolParams) (ledger.Writes, error) {
	var w ledger.Writes
	for _, part := range protocols {
		name := part.Definition.Protocol
		p, err := d.o.Ledger.Protocol(ctx, name)
		if err != nil {
			return w, fmt.Errorf("reading protocol %s: %w", name, err)
		}
		if len(p.Gens) > 0 {
			continue
		}
		p.Epoch++ // an epoch is never used twice, not even that of a replay that was cancelled
		p.Gens, p.Complete, p.Serving = []int64{p.Epoch}, p.Epoch, p.Epoch
		w.Protocols = append(w.Protocols, p)
		w.Generations = append(w.Generations, ledger.Generation{
			Protocol: name, Number: p.Epoch, Definition: part.Definition.Encode(), Hash: part.Definition.Hash(), Created: time.Now().UTC(),
		})
	}
	return w, nil
}

// drained writes down what a listing waits for, "" for nothing: a batch that was begun before the start, and is not
// written yet, holds lines that are the replay's to count. There can be no new one, as the epoch has been raised.
func (d *Driver) drained(ctx context.Context, r ledger.Replay) (why string, err error) {
	live, err := d.live(r)
	if live == nil || err != nil {
		return "", err
	}
	var waits []string
	for _, part := range r.Protocols {
		older, err := live.olderBatches(ctx, part)
		if err != nil {
			return "", err
		}
		if len(older) > 0 && live.Drain != nil {
			err := d.holding(ctx, r.ID, func(ctx context.Context) error { return live.Drain(ctx, part.Name, part.Generation) })
			if err != nil && !errors.Is(err, ledger.ErrHeld) {
				return "", fmt.Errorf("archiving the older batches of %s: %w", part.Name, err)
			}
			if older, err = live.olderBatches(ctx, part); err != nil {
				return "", err
			}
		}
		if len(older) > 0 {
			oldest := slices.MinFunc(older, func(a, b entries.Batch) int { return a.Opened.Compare(b.Opened) }).Opened
			waits = append(waits, fmt.Sprintf("%d of %s, begun at %s or later", len(older), part.Name, oldest.UTC().Format(time.RFC3339)))
		}
	}
	if len(waits) == 0 {
		return "", nil
	}
	return batchesToWrite + strings.Join(waits, "; "), nil
}

// batchesToWrite begins what a STARTING replay waits for while the archiver is at work.
const batchesToWrite = "batches to be archived that were begun before the start: "

// olderBatches are those of a protocol that were begun before a replay's start and are not written yet.
func (l *LiveSide) olderBatches(ctx context.Context, part ledger.ReplayProtocol) ([]entries.Batch, error) {
	batches, err := l.Entries.Unwritten(ctx, part.Name)
	if err != nil {
		return nil, fmt.Errorf("reading the batches of %s: %w", part.Name, err)
	}
	return slices.DeleteFunc(batches, func(b entries.Batch) bool { return b.Epoch >= part.Generation }), nil
}

// sweep counts what the live side has left, before readers move to generations that it counts. That another generation
// cannot be counted, such as the one before, whose definition this program may be too new for, keeps nobody from moving.
func (d *Driver) sweep(ctx context.Context, r ledger.Replay) error {
	live, err := d.live(r)
	if live == nil || r.Side || err != nil {
		return err
	}
	// A sweep of many entries takes a while, and whoever looks should see what for.
	if err := d.wait(ctx, r.ID, ledger.Folding, "the live entries to be looked through before readers move"); err != nil {
		return err
	}
	for _, part := range r.Protocols {
		var left int64
		err := d.holding(ctx, r.ID, func(ctx context.Context) (err error) {
			if err = live.Sweep(ctx, part.Name); err == nil || ctx.Err() != nil {
				return err
			}
			d.o.Log.Warn("sweeping before the promotion", zap.String("replay", r.ID), zap.String("protocol", part.Name), zap.Error(err))
			var e error
			if left, e = live.uncounted(ctx, part); left == 0 {
				err = e
			}
			return err
		})
		switch {
		case err != nil && left > 0:
			return fmt.Errorf("%d of %s are not, in generation %d: %w", left, part.Name, part.Generation, err)
		case err != nil:
			return fmt.Errorf("sweeping %s: %w", part.Name, err)
		}
	}
	return nil
}

// uncounted counts the entries that a generation lacks and the index shows.
func (l *LiveSide) uncounted(ctx context.Context, part ledger.ReplayProtocol) (n int64, err error) {
	ids := make([]string, 0, entries.MaxRead)
	look := func() error {
		found, err := l.Entries.Read(ctx, ids)
		for _, e := range found {
			if e.Protocol == part.Name && e.Batch == "" && !slices.Contains(e.Gens, part.Generation) {
				n++
			}
		}
		ids = ids[:0]
		return err
	}
	for u, err := range l.Entries.Unfinished(ctx, part.Name) {
		if err != nil {
			return n, fmt.Errorf("looking for entries that are not counted: %w", err)
		}
		if ids = append(ids, u.ID); len(ids) == entries.MaxRead {
			if err := look(); err != nil {
				return n, err
			}
		}
	}
	if len(ids) == 0 {
		return n, nil
	}
	return n, look()
}

// entriesToCount begins what a replay waits for whose entries could not be counted to the last.
const entriesToCount = "the live entries to be counted to the last: "

// holding keeps a replay's lease while do is at work, however long that takes, and ends it when the lease is lost.
func (d *Driver) holding(ctx context.Context, id string, do func(context.Context) error) error {
	ctx, end := context.WithCancelCause(ctx)
	renewing := make(chan struct{})
	go func() {
		defer close(renewing)
		for pause(ctx, d.o.Lease/3) == nil {
			if err := d.lease(ctx, id); err != nil && ctx.Err() == nil {
				end(err)
			}
		}
	}()
	err := do(ctx)
	if lost := context.Cause(ctx); err != nil && lost != nil {
		err = lost
	}
	end(nil)
	<-renewing
	return err
}

// notComing leaves out the protocols whose first objects the archiver is about to write: a start waits for them.
func (d *Driver) notComing(ctx context.Context, p StartParams, protocols []string) ([]string, error) {
	if d.o.Live == nil || p.Narrow.Narrows() {
		return protocols, nil
	}
	var left []string
	for _, name := range protocols {
		batches, err := d.o.Live.Entries.Unwritten(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("reading the batches of %s: %w", name, err)
		}
		if !slices.ContainsFunc(batches, func(b entries.Batch) bool { return b.Key != "" && b.Entries > 0 }) {
			left = append(left, name)
		}
	}
	return left, nil
}
