package replay_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
)

func day(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }

// dated are parameters whose keys name a day.
func dated(narrow ledger.Narrow) replay.StartParams {
	p := params("dns")
	p.Layout, p.Narrow = "{protocol}/{yyyy}-{mm}-{dd}/{rest}", narrow
	return p
}

// days is an archive of three days of dns, one object of another protocol and a key that fits no layout.
func (s *system) days() {
	s.t.Helper()
	s.put("logs/dns/2026-01-01/a", "one")
	s.put("logs/dns/2026-01-02/a", "two", "two")
	s.put("logs/dns/2026-01-03/a", "three", "three", "three")
	s.put("logs/ssl/2026-01-02/a", "x")
	s.put("logs/readme", "x")
}

// TestNarrowed replays parts of the archive: side generations beside one that serves, and nothing of the protocol
// changes but its epoch.
func TestNarrowed(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	s.days()
	s.workers()
	d := s.driver("watcher", nil)
	replayed := func(narrow ledger.Narrow) int64 {
		t.Helper()
		r, err := d.Start(ctx, dated(narrow))
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Continue(ctx, r.ID, nil); err != nil {
			t.Fatal(err)
		}
		s.watch(d, r.ID, ledger.Finished)
		if c, err := d.Certify(ctx, r.ID, nil); err != nil || !c.Closes() {
			t.Errorf("certificate of %+v: %+v, %v", narrow, c, err)
		}
		if now, err := d.Status(ctx, r.ID); err != nil || now.Side != narrow.Narrows() {
			t.Errorf("status of %+v: %+v, %v", narrow, now, err)
		}
		return r.Protocols[0].Generation
	}
	all := map[string]int{"one": 1, "two": 2, "three": 3}
	if g := replayed(ledger.Narrow{}); g != 1 {
		t.Fatalf("generation %d", g)
	}
	serving := s.protocol("dns")
	for narrow, want := range map[ledger.Narrow]map[string]int{
		{Since: day(2)}:                               {"two": 2, "three": 3},
		{Until: day(2)}:                               {"one": 1},
		{Since: day(2), Until: day(3)}:                {"two": 2},
		{Since: day(1).Add(time.Hour)}:                all, // the first day goes on after it
		{Until: day(3).Add(time.Nanosecond)}:          all,
		{Prefix: "logs/dns/2026-01-02"}:               {"two": 2},
		{Prefix: "logs/dns/2026", Until: day(2)}:      {"one": 1},
		{Prefix: "logs/", Since: day(3)}:              {"three": 3},
		{Since: day(2), Prefix: "logs/dns/2026-01-0"}: {"two": 2, "three": 3},
	} {
		g := replayed(narrow)
		s.wantRows("dns", g, want)
		s.wantRows("dns", 0, all)
		if side, err := s.ledger.Generation(ctx, "dns", g); err != nil || !side.Side {
			t.Errorf("generation %d: %+v, %v", g, side, err)
		}
		now := s.protocol("dns")
		serving.Epoch, serving.Version = now.Epoch, now.Version
		if now.Replay != "" || now.Serving != serving.Serving || now.Building != 0 || now.Previous != 0 ||
			!slices.Equal(now.Gens, serving.Gens) || len(now.Purging) != 0 || !now.Cutoff.Equal(serving.Cutoff) {
			t.Errorf("protocol %+v, was %+v", now, serving)
		}
	}
}

func TestCannotNarrow(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.days()
	d := s.driver("one", nil)
	timeless := params("dns")
	timeless.Narrow = ledger.Narrow{Since: day(1)}
	for name, c := range map[string]struct {
		p    replay.StartParams
		want error
	}{
		"no time in the layout":  {timeless, replay.ErrNarrow},
		"a prefix of other keys": {dated(ledger.Narrow{Prefix: "other/"}), replay.ErrNarrow},
		"nothing between":        {dated(ledger.Narrow{Since: day(2), Until: day(2)}), replay.ErrNarrow},
		"nothing there":          {dated(ledger.Narrow{Since: day(9)}), replay.ErrNothing},
		"nothing below":          {dated(ledger.Narrow{Prefix: "logs/dns/2027"}), replay.ErrNothing},
	} {
		if _, err := d.Start(context.Background(), c.p); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if _, err := d.DryRun(context.Background(), c.p); !errors.Is(err, c.want) {
			t.Errorf("%s, dry: %v, want %v", name, err, c.want)
		}
	}
}

// TestDryRun counts what a start would take, and leaves no trace.
func TestDryRun(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	s.days()
	d := s.driver("one", nil)
	got, err := d.DryRun(ctx, dated(ledger.Narrow{Since: day(2)}))
	if err != nil {
		t.Fatal(err)
	}
	line := int64(len(`{"ts":"2026-01-02T03:04:05Z","q":""}` + "\n"))
	if len(got.Protocols) != 1 || got.Protocols[0] != (replay.Extent{Protocol: "dns", Objects: 2, Bytes: 5*line + 2*3 + 3*5, Rule: ledger.RuleCutoff}) ||
		got.Outside != 1 || got.Others != 1 || got.Unmatched != 1 || !got.Side {
		t.Errorf("%+v", got)
	}
	if p := s.protocol("dns"); p.Version != 0 {
		t.Errorf("protocol %+v", p)
	}
	if replays, err := s.ledger.Replays(ctx); err != nil || len(replays) != 0 || !s.idle() {
		t.Errorf("replays %v, %v", replays, err)
	}
	r, err := d.Start(ctx, dated(ledger.Narrow{Since: day(2)}))
	if err == nil {
		err = d.Continue(ctx, r.ID, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	if l := s.replay(r.ID).Listing; l.Objects != got.Protocols[0].Objects || l.Bytes != got.Protocols[0].Bytes ||
		l.Outside != got.Outside || l.Others != got.Others || l.Unmatched != got.Unmatched {
		t.Errorf("the start lists %+v, the dry run said %+v", l, got)
	}
	if _, err := d.DryRun(ctx, dated(ledger.Narrow{})); !errors.Is(err, replay.ErrBusy) {
		t.Errorf("a dry run beside it: %v", err)
	}
}

// TestKeep: the generation before the one that serves goes when it has been kept long enough, and not while it may be
// rolled back to.
func TestKeep(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.put("logs/dns/1", "a")
	s.workers()
	for range 2 {
		r := s.running("dns")
		s.watch(s.driver("watcher", nil), r.ID, ledger.Finished)
	}
	look(t, s.driver("watcher", nil, func(o *replay.Options) { o.Keep = time.Hour }))
	if p := s.protocol("dns"); p.Previous != 1 || p.Serving != 2 {
		t.Fatalf("protocol %+v", p)
	}
	d := s.driver("watcher", nil, func(o *replay.Options) { o.Keep = 1 })
	look(t, d)
	look(t, d)
	if p := s.protocol("dns"); p.Previous != 0 || p.Serving != 2 || !slices.Equal(p.Gens, []int64{2}) || len(p.Purging) != 0 {
		t.Errorf("protocol %+v", p)
	}
	s.wantRows("dns", 0, map[string]int{"a": 1})
}

// TestGate holds a replay back whose rows are too few or too many, until somebody lets it pass.
func TestGate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		gate  string
		texts []string // of the second replay; the first has a, b, c and d
		held  bool
	}{
		"as many":           {"rows -0%", []string{"a", "b", "c", "d"}, false},
		"fewer":             {"rows -1%", []string{"a", "b", "c"}, true},
		"fewer, as allowed": {"rows -25%", []string{"a", "b", "c"}, false},
		"more":              {"rows +10%", []string{"a", "b", "c", "d", "e"}, true},
		"more, as allowed":  {"rows +25%", []string{"a", "b", "c", "d", "e"}, false},
		"more is not fewer": {"rows -1%", []string{"a", "b", "c", "d", "e"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			ctx := context.Background()
			s.put("logs/dns/1", "a", "b", "c", "d")
			s.workers()
			d := s.driver("watcher", nil)
			start := func() ledger.Replay {
				p := params("dns")
				p.Gates = []string{c.gate}
				r, err := d.Start(ctx, p)
				if err == nil {
					err = d.Continue(ctx, r.ID, nil)
				}
				if err != nil {
					t.Fatal(err)
				}
				return r
			}
			s.watch(d, start().ID, ledger.Finished) // nothing serves yet, so nothing holds it
			s.put("logs/dns/1", c.texts...)
			r := start()
			if !c.held {
				s.watch(d, r.ID, ledger.Finished)
				return
			}
			until(t, "the gate", func() bool {
				look(t, d)
				held, err := d.Held(ctx)
				return err == nil && len(held) == 1 && held[0].Held
			})
			if p := s.protocol("dns"); p.Serving != 1 {
				t.Errorf("serving %d", p.Serving)
			}
			_, err := d.Finish(ctx, r.ID, false, "")
			wantError(t, err, replay.ErrHeld, c.gate, "dns queries", "reprise diff dns", "--pass-gate")
			only := max(len(c.texts)-4, 0) // of a, b, c, d, e the texts are the first
			if got := s.diff(d, []string{"queries"}, 0)[0]; got.A != 1 || got.B != 2 || got.RowsA != 4 || got.RowsB != int64(len(c.texts)) || got.OnlyB != int64(only) {
				t.Errorf("diff at the gate: %s", told(got))
			}
			if _, err := d.PassGate(ctx, r.ID, "them"); err != nil {
				t.Fatal(err)
			}
			s.watch(d, r.ID, ledger.Finished)
			if now := s.replay(r.ID); now.Passed == nil || now.Passed.By != "them" {
				t.Errorf("passed %+v", now.Passed)
			}
		})
	}
}

func TestNoGate(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.days()
	for _, text := range []string{"", "rows", "rows 1%", "rows -1", "lines -1%", "rows -x%", "rows -1% "} {
		p := params("dns")
		p.Gates = []string{text}
		if _, err := s.driver("one", nil).Start(context.Background(), p); !errors.Is(err, replay.ErrGate) {
			t.Errorf("%q: %v", text, err)
		}
	}
	side := dated(ledger.Narrow{Since: day(2)})
	side.Gates = []string{"rows -1%"}
	if _, err := s.driver("one", nil).Start(context.Background(), side); !errors.Is(err, replay.ErrGate) {
		t.Errorf("a side generation: %v", err)
	}
}
