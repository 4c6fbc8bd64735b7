package replay_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
)

// TestLiveStartCut cuts a start beside a live side off at each of its calls, in four ways, and lets another process go on:
// the batch that was open at the start is in the listing, the one that was begun after it is not.
func TestLiveStartCut(t *testing.T) {
	t.Parallel()
	for name, c := range cuts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLively(t)
			l.opened("dns")
			for c.at = 0; ; c.at++ {
				if !l.startCut(t, c) {
					break
				}
			}
			t.Logf("%d points", c.at)
			if c.at < 35 {
				t.Errorf("only %d points: the start was not cut at all its calls", c.at)
			}
		})
	}
}

func (l *lively) startCut(t *testing.T, c cut) bool {
	ctx := context.Background()
	l.prefix = fmt.Sprintf("cut-%d/", c.at)
	p := params("dns")
	p.Prefix = l.prefix
	archived := func() entries.Batch {
		ids := l.arrive("dns", "x")
		l.live("dns", ids...)
		return l.batch("dns", ids...)
	}
	done := archived()
	l.write(done.ID)
	open := archived()
	tapped, reached := c.tap()
	first := l.beside("first", tapped, noLease)
	r, err := first.Start(ctx, p)
	if err == nil {
		err = first.Look(ctx)
	}
	var later entries.Batch
	if err == nil { // it waits for the open one
		later = archived()
		l.write(later.ID)
		l.write(open.ID)
		err = first.Look(ctx)
	}
	if err != nil && !reached() {
		t.Fatalf("uncut: %v", err)
	}
	second := l.beside("second", nil, noLease)
	if l.protocol("dns").Replay == "" {
		l.open(second, p)
	}
	if r = l.replay(l.protocol("dns").Replay); later.ID == "" {
		look(t, second)
		l.wantWaits(r.ID, ledger.Starting, "1 of dns")
		if sum := l.summary(r.ID); sum.Total().Objects != 0 {
			t.Errorf("point %d: listed too early: %+v", c.at, sum.Total())
		}
		later = archived()
		l.write(later.ID)
		l.write(open.ID)
	}
	look(t, second)
	if r = l.replay(r.ID); r.State != ledger.Running || r.Listing.Objects != 2 || r.Listing.Live != 1 {
		t.Errorf("point %d: %s, waits %q, listing %+v", c.at, r.State, r.Waits, r.Listing)
	}
	for _, b := range []entries.Batch{done, open} {
		l.cursor(r.ID, b.Key)
	}
	if epoch := l.protocol("dns").Epoch; later.Epoch != epoch || open.Epoch != epoch-1 {
		t.Errorf("point %d: epochs %d and %d, of %d", c.at, later.Epoch, open.Epoch, epoch)
	}
	if _, err := second.Cancel(ctx, r.ID); err != nil {
		t.Errorf("point %d: cancelling: %v", c.at, err)
	}
	return reached()
}

// TestRollbackOrPurge lets one of the two run whole at each call of the other: one of them is refused, or both have happened one
// after the other, and what serves is counted and never purged.
func TestRollbackOrPurge(t *testing.T) {
	t.Parallel()
	l := newLively(t)
	ctx := context.Background()
	type change = func(*replay.Driver, context.Context, []string) ([]ledger.Protocol, error)
	expire := func(d *replay.Driver, ctx context.Context, _ []string) ([]ledger.Protocol, error) {
		return nil, d.Look(ctx)
	}
	old := time.Now().Add(-8 * 24 * time.Hour)
	outcomes := map[string]int{}
	for name, pair := range map[string][2]change{
		"rollback in purge":       {(*replay.Driver).Purge, (*replay.Driver).Rollback},
		"purge in rollback":       {(*replay.Driver).Rollback, (*replay.Driver).Purge},
		"rollback in the watcher": {expire, (*replay.Driver).Rollback},
		"the watcher in rollback": {(*replay.Driver).Rollback, expire},
		"rollback in rollback":    {(*replay.Driver).Rollback, (*replay.Driver).Rollback},
	} {
		for at, reached := 0, true; reached; at++ {
			record := ledger.Protocol{
				Name: "dns", Epoch: 2, Gens: []int64{1, 2}, Serving: 2, Complete: 2, Previous: 1, Since: old, Version: l.protocol("dns").Version,
			}
			if err := l.ledger.Write(ctx, ledger.Writes{Protocols: []ledger.Protocol{record}}); err != nil {
				t.Fatal(err)
			}
			reached = false
			var inner error
			d := l.operator(&tap{hook: func(c call) error {
				if c.n == at && !c.after {
					reached = true
					_, inner = pair[1](l.operator(nil), ctx, []string{"dns"})
				}
				return nil
			}}, noLease)
			_, outer := pair[0](d, ctx, []string{"dns"})
			for _, err := range []error{inner, outer} {
				if err != nil && !errors.Is(err, replay.ErrState) {
					t.Errorf("%s at %d: %v", name, at, err)
				}
			}
			p := l.protocol("dns")
			if !slices.Contains(p.Gens, p.Serving) || slices.Contains(p.Purging, p.Serving) || p.Previous != 0 && !slices.Contains(p.Gens, p.Previous) ||
				p.Previous == p.Serving || len(p.Gens) == 2 && p.Previous == 0 {
				t.Errorf("%s at %d: %+v", name, at, p)
			}
			outcomes[fmt.Sprint(name, " ", p.Serving, p.Gens)]++
		}
	}
	t.Log(outcomes)
	if len(outcomes) < 7 {
		t.Errorf("%v", outcomes)
	}
}

// TestLiveAnyOrder takes the steps of producers, consumers, the archiver, operators and watchers in any order, some of them
// with a view of Meta that is out of date. In the end each line counts once in every generation that is read.
func TestLiveAnyOrder(t *testing.T) {
	t.Parallel()
	seeds := uint64(12)
	if testing.Short() {
		seeds = 4
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			o := &anyOrder{lively: newLively(t), rand: rand.New(rand.NewPCG(seed, 1)), others: seed%3 == 2}
			o.d = o.opened("dns")
			o.gens = o.protocol("dns").Gens
			for range 200 {
				before := o.protocol("dns")
				o.step()
				o.wantNoMore(before)
			}
			o.end()
			t.Logf("%v", o.done)
		})
	}
}

type anyOrder struct {
	*lively
	d       *replay.Driver
	rand    *rand.Rand
	others  bool // archive it, each line as it is put
	ids     []string
	gens    []int64 // as somebody has read them
	batches []entries.Batch
	done    map[string]int
}

// step is one step of somebody. What the system refuses is refused.
func (o *anyOrder) step() {
	ctx := context.Background()
	steps := map[string]func() error{
		"arrive": func() error {
			o.come()
			return nil
		},
		"count":       func() error { return o.countOne("dns", o.someGen(), o.some()) },
		"count again": func() error { return o.countOne("dns", o.someGen(), o.some()) },
		"consume":     func() error { o.live("dns", o.some()); return nil },
		"view":        func() error { o.gens = o.protocol("dns").Gens; return nil },
		"batch": func() error {
			if len(o.batches) < 4 {
				o.batches = append(o.batches, o.beginAs("dns", !o.others))
			}
			return nil
		},
		"join": func() error {
			if len(o.batches) == 0 {
				return nil
			}
			b := &o.batches[o.rand.IntN(len(o.batches))]
			gens := o.gens // an archiver's view is of the epoch of its batch, or the join is refused
			if p := o.protocol("dns"); p.Epoch == b.Epoch {
				gens = p.Gens
			}
			joined, err := o.join(*b, gens, o.some())
			if err == nil {
				*b = joined
			}
			return err
		},
		"claim": func() error {
			if len(o.batches) == 0 {
				return nil
			}
			_, err := o.entries.ClaimBatch(ctx, o.batches[o.rand.IntN(len(o.batches))].ID)
			return err
		},
		"write": func() error {
			if len(o.batches) == 0 {
				return nil
			}
			i := o.rand.IntN(len(o.batches))
			o.write(o.batches[i].ID)
			o.batches = slices.Delete(o.batches, i, i+1)
			return nil
		},
		"start": func() error {
			p := o.params()
			switch o.rand.IntN(6) {
			case 0:
				p.Immediate = true
			case 1:
				p.Cutoff = time.Now().Add(-time.Minute)
			}
			_, err := o.d.Start(ctx, p)
			return err
		},
		"look":  func() error { return o.d.Look(ctx) },
		"watch": func() error { return o.beside("another", nil, noLease).Look(ctx) },
		"work":  func() error { stop := o.pool(none); o.still(); stop(); return nil },
		"cancel": func() error {
			if id := o.protocol("dns").Replay; id != "" && o.rand.IntN(3) == 0 {
				_, err := o.d.Cancel(ctx, id)
				return err
			}
			return nil
		},
		"rollback": func() error { _, err := o.d.Rollback(ctx, []string{"dns"}); return err },
		"purge": func() error {
			if o.rand.IntN(4) > 0 {
				return nil
			}
			_, err := o.d.Purge(ctx, []string{"dns"})
			return err
		},
	}
	names := slices.Sorted(maps.Keys(steps))
	names = append(names, "arrive", "arrive", "consume", "consume", "join", "join", "look", "work")
	name := names[o.rand.IntN(len(names))]
	err := steps[name]()
	refusals := []error{entries.ErrStale, entries.ErrEpoch, entries.ErrClosed, entries.ErrConflict, ledger.ErrHeld, replay.ErrState, replay.ErrBusy, replay.ErrNothing}
	if err != nil && !slices.ContainsFunc(refusals, func(want error) bool { return errors.Is(err, want) }) {
		o.t.Fatalf("%s: %v", name, err)
	}
	if o.done == nil {
		o.done = map[string]int{}
	}
	if err != nil {
		name += " refused"
	}
	o.done[name]++
}

// wantNoMore wants no line to count more than once in any generation, and those who read the next one to miss nothing.
func (o *anyOrder) wantNoMore(before ledger.Protocol) {
	o.t.Helper()
	p := o.protocol("dns")
	if p.Version == before.Version {
		return
	}
	all := o.all["dns"]
	for _, g := range p.Gens {
		for key, row := range o.rows("dns", g) {
			if n := number(row); n > all[key] {
				o.t.Errorf("generation %d counts %s %d times, of %d", g, key, n, all[key])
			}
		}
	}
	if p.Serving == before.Serving || p.Building != 0 || before.Building != p.Serving || before.Serving == 0 {
		return
	}
	now := o.rows("dns", p.Serving)
	for key, row := range o.rows("dns", p.Previous) {
		if number(now[key]) < number(row) {
			o.t.Errorf("promoted with %s of %s, and the one before has %s", now[key], key, row)
		}
	}
}

// number is the count that a row of these tests shows.
func number(row string) (n int) {
	_, _ = fmt.Sscanf(row, `{"n":%d}`, &n)
	return n
}

func (o *anyOrder) some() string {
	if len(o.ids) == 0 {
		o.come()
	}
	return o.ids[o.rand.IntN(len(o.ids))]
}

// come puts one line.
func (o *anyOrder) come() {
	o.t.Helper()
	ids := o.arrive("dns", string(rune('a'+o.rand.IntN(5))))
	o.ids = append(o.ids, ids...)
	if o.others {
		o.copies(fmt.Sprintf("logs/dns/%08d", o.rand.Uint32()), ids...)
	}
}

func (o *anyOrder) params() replay.StartParams {
	p := params("dns")
	p.Protocols[0].Others = o.others
	return p
}

func (o *anyOrder) someGen() int64 { return o.gens[o.rand.IntN(len(o.gens))] }

// end lets everything come to its end, and compares; then it replays once more, from what is archived by then.
func (o *anyOrder) end() {
	ctx := context.Background()
	for range 2 {
		for _, b := range o.batches {
			o.write(b.ID)
		}
		o.batches = nil
		if id := o.protocol("dns").Replay; id != "" {
			stop := o.pool(none)
			until(o.t, "the end of "+id, func() bool { look(o.t, o.d); o.folded(id); return o.replay(id).State.Ended() })
			stop()
		}
		if err := o.sweep(ctx, "dns"); err != nil {
			o.t.Fatal(err)
		}
		p := o.protocol("dns")
		o.wantAll("dns", p.Gens...)
		o.wantAll("dns", 0)
		if _, err := o.d.Start(ctx, o.params()); err != nil && !errors.Is(err, replay.ErrNothing) {
			o.t.Fatal(err)
		}
	}
}
