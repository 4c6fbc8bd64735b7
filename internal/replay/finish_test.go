package replay_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
)

func TestFailedHoldsBack(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	r := s.oneBad()
	d := s.driver("watcher", nil)
	look(t, d)
	look(t, d)
	const why = "1 object FAILED: redrive after a fix, or leave out with reprise finish --accept-failed"
	now := s.replay(r.ID)
	if now.State != ledger.Running || now.Waits != why || now.Fold.Number != 0 {
		t.Fatalf("%s, waits for %q", now.State, now.Waits)
	}
	held, err := d.Held(ctx)
	if err != nil || len(held) != 1 || held[0] != (replay.HeldReplay{Replay: r.ID, Held: true, Why: why}) {
		t.Errorf("Held = %+v, %v", held, err)
	}
	_, err = d.Finish(ctx, r.ID, false, "")
	wantError(t, err, replay.ErrHeld, r.ID, why)

	now, err = d.Finish(ctx, r.ID, true, "them")
	if err != nil { // else the workers were that fast
		wantError(t, err, replay.ErrHeld, "FOLDING", "1 of 1 parts of fold 1")
	}
	if a := now.Accepted; a == nil || a.By != "them" || a.Objects != 1 || time.Since(a.At) > time.Minute {
		t.Errorf("accepted %+v", a)
	}
	s.still()
	again, err := d.Finish(ctx, r.ID, true, "somebody else") // it is FOLDING, and accepted before
	if err != nil || again.State != ledger.Finished || again.Accepted.By != "them" {
		t.Errorf("Finish = %s by %+v, %v", again.State, again.Accepted, err)
	}
	s.wantFinished(r.ID)
	s.wantRows("dns", 0, map[string]int{"a": 2, "b": 1})
	c, err := d.Certify(ctx, r.ID, nil)
	if err != nil || c.Objects.LeftOut != 1 || c.Objects.Failed[0] != "logs/dns/bad" || c.Accepted.By != "them" || c.Protocols[0].Objects != 2 {
		t.Errorf("certificate %+v, %v", c, err)
	}
	if held, err := d.Held(ctx); err != nil || len(held) != 0 {
		t.Errorf("Held = %+v, %v, want none", held, err)
	}
}

// TestAcceptTooEarly: what is still open may fail as well, and nobody has accepted that.
func TestAcceptTooEarly(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	s.put("logs/dns/1", "a", "b")
	s.put("logs/dns/2", "a")
	d := s.driver("operator", nil)
	r, err := d.Start(ctx, params("dns"))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Continue(ctx, r.ID, nil); err != nil {
		t.Fatal(err)
	}
	s.fail(r.ID, "logs/dns/1")
	_, err = d.Finish(ctx, r.ID, true, "them")
	wantError(t, err, replay.ErrHeld, "1 objects")
	if s.replay(r.ID).Accepted != nil {
		t.Error("accepted before everything was read")
	}
	_, err = d.Finish(ctx, "01J00000000000000000000000", true, "them")
	wantError(t, err, ledger.ErrNotFound)
}

// fail plays the worker that gives an object up.
func (s *system) fail(id, key string) {
	s.t.Helper()
	ctx := context.Background()
	c := s.cursor(id, key)
	if err := s.ledger.Settle(ctx, ledger.Settle{ID: c.CursorID, Epoch: c.Epoch, State: ledger.Failed, Error: "broken", Now: time.Now()}); err != nil {
		s.t.Fatal(err)
	}
}

// TestAcceptanceLapses: the word holds for the objects that were FAILED then, be it that one of them was redriven and
// fails again.
func TestAcceptanceLapses(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	for _, key := range []string{"logs/dns/1", "logs/dns/2", "logs/dns/3"} {
		s.put(key, "a", "b")
	}
	r := s.running("dns")
	s.finishObject(r.ID, "logs/dns/1")
	s.fail(r.ID, "logs/dns/2")
	s.fail(r.ID, "logs/dns/3")
	now := s.replay(r.ID)
	now.Accepted = &ledger.Acceptance{At: time.Now().UTC(), By: "them", Objects: 2}
	if err := s.ledger.Write(ctx, ledger.Writes{Replays: []ledger.Replay{now}}); err != nil {
		t.Fatal(err)
	}
	d := s.driver("watcher", nil)
	s.reopen(r.ID, "logs/dns/2", "a", "b")
	look(t, d)
	tasks(t, s.work)
	if now = s.replay(r.ID); now.Accepted == nil || now.Accepted.Objects != 1 || now.Accepted.By != "them" {
		t.Errorf("accepted %+v, want the one that is still out", now.Accepted)
	}
	s.fail(r.ID, "logs/dns/2")
	look(t, d)
	if now = s.replay(r.ID); now.State != ledger.Running || !strings.Contains(now.Waits, "2 objects FAILED") {
		t.Errorf("%s, waits for %q, want to be held again", now.State, now.Waits)
	}
	s.reopen(r.ID, "logs/dns/2", "a", "b")
	s.reopen(r.ID, "logs/dns/3", "a", "b")
	look(t, d)
	if now = s.replay(r.ID); now.Accepted != nil {
		t.Errorf("accepted %+v, want nothing left to accept", now.Accepted)
	}
	tasks(t, s.work)
	s.finishObject(r.ID, "logs/dns/2")
	s.finishObject(r.ID, "logs/dns/3")
	look(t, d)
	s.finishPart(r.ID, 1, ledger.Receipt{Objects: 3, Lines: 6})
	look(t, d)
	s.wantFinished(r.ID)
}

// TestFailedWhileFolding: a failure that nobody has accepted sends a replay back, whatever state it is in.
func TestFailedWhileFolding(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	s.put("logs/dns/1", "a", "b")
	s.put("logs/dns/2", "a", "b")
	r := s.running("dns")
	s.finishObject(r.ID, "logs/dns/1")
	now := s.replay(r.ID)
	now.State, now.Fold = ledger.Folding, ledger.Fold{Number: 1, Parts: []ledger.FoldPart{{Protocol: "dns", Of: 1}}}
	if err := s.ledger.Write(ctx, ledger.Writes{Replays: []ledger.Replay{now}}); err != nil {
		t.Fatal(err)
	}
	s.fail(r.ID, "logs/dns/2")
	d := s.driver("watcher", nil)
	look(t, d) // the parts
	look(t, d)
	look(t, d)
	if now = s.replay(r.ID); now.State != ledger.Running || !strings.Contains(now.Waits, "1 object FAILED") || now.Promoted {
		t.Errorf("%s, waits for %q", now.State, now.Waits)
	}
}
