package replay_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
	"github.com/seed-56345083/reprise/queue"
	"github.com/seed-56345083/reprise/worker"
)

// toCancel makes a replay of dns and ssl in a state, with all that it can leave behind: tags, segments, rows, objects
// in work.
func (s *system) toCancel(state ledger.State) (id string, before map[string]ledger.Protocol) {
	s.t.Helper()
	ctx := context.Background()
	before = map[string]ledger.Protocol{"dns": s.protocol("dns"), "ssl": s.protocol("ssl")}
	d := s.driver("starter", nil)
	replay.PageSize(d, 2)
	r, err := d.Start(ctx, params("dns", "ssl"))
	if err != nil {
		s.t.Fatal(err)
	}
	stopped := errors.New("stopped")
	if state == ledger.Starting { // one page is listed, and the lister dies
		writes := 0
		d = s.driver("starter", &tap{hook: func(c call) error {
			if c.name == "Write" && c.after {
				writes++
			}
			if writes > 0 {
				return stopped
			}
			return nil
		}}, noLease)
		replay.PageSize(d, 2)
		if err := d.Continue(ctx, r.ID, nil); !errors.Is(err, stopped) || s.replay(r.ID).Listing.Objects != 2 {
			s.t.Fatalf("Continue = %v", err)
		}

	} else if err := d.Continue(ctx, r.ID, nil); err != nil {
		s.t.Fatal(err)
	}
	tasks(s.t, s.work)
	id = r.ID
	first := ledger.CursorID{Replay: id, Key: "logs/dns/1"}
	if err := s.ledger.PutSegment(ctx, first, ledger.Segment{Epoch: 1, To: 2, Bytes: 1}, []byte("x")); err != nil {
		s.t.Fatal(err)
	}
	part, _ := r.Protocol("dns")
	rows := []ledger.Row{{Statistic: "queries", Day: "-", Key: `["a"]`, Dims: []byte(`["a"]`), Measures: []byte(`{}`), State: []byte("x")}}
	for _, name := range []string{ledger.BasePart(1, 0), "live.1"} {
		if err := s.ledger.PutRows(ctx, ledger.Part{Protocol: "dns", Generation: part.Generation, Name: name}, rows); err != nil {
			s.t.Fatal(err)
		}
	}
	switch state {
	case ledger.Running:
		s.claim(first, 0, time.Now().Add(time.Hour))
	case ledger.Paused:
		if _, err := s.driver("starter", nil).Pause(ctx, id); err != nil {
			s.t.Fatal(err)
		}
	case ledger.Folding:
		for _, key := range []string{"logs/dns/1", "logs/dns/2", "logs/dns/3", "logs/ssl/1"} {
			s.finishObject(id, key)
		}
		look(s.t, s.driver("starter", nil))
		tasks(s.t, s.work)
	}
	if now := s.replay(id); now.State != state {
		s.t.Fatalf("the replay is %s, want %s", now.State, state)
	}
	return id, before
}

// TestCancelCut cuts a cancel off at each of its calls, in each state, in four ways; the watcher, or a second cancel,
// comes to the end. The points are those that a cancel reaches.
func TestCancelCut(t *testing.T) {
	t.Parallel()
	for _, state := range []ledger.State{ledger.Starting, ledger.Running, ledger.Paused, ledger.Folding} {
		for name, c := range cuts {
			t.Run(string(state)+" "+name, func(t *testing.T) {
				t.Parallel()
				s := newSystem(t)
				for _, key := range []string{"logs/dns/1", "logs/dns/2", "logs/dns/3", "logs/ssl/1"} {
					s.put(key, "a", "b")
				}
				s.replayed("dns", "ssl")
				for reached := true; reached; c.at++ {
					reached = cancelCut(t, s, state, c)
				}
				t.Logf("%d points", c.at-1)
				if c.at < 20 {
					t.Errorf("only %d points: the cancel was not cut at all its calls", c.at-1)
				}
				epoch := s.protocol("dns").Epoch
				r := s.replayed("dns", "ssl")
				if part, _ := r.Protocol("dns"); part.Generation != epoch+1 {
					t.Errorf("the next replay fills generation %d, want %d", part.Generation, epoch+1)
				}
				s.wantRows("dns", 0, map[string]int{"a": 3, "b": 3})
				s.wantRows("ssl", 0, map[string]int{"a": 1, "b": 1})
				if p := s.protocol("dns"); p.Previous != 1 {
					t.Errorf("previous is %d, want the first", p.Previous)
				}
			})
		}
	}
}

func cancelCut(t *testing.T, s *system, state ledger.State, c cut) bool {
	ctx := context.Background()
	id, before := s.toCancel(state)
	tap, reached := c.tap()
	r, err := s.operator(tap, noLease).Cancel(ctx, id)
	switch {
	case err != nil && (!reached() || !errors.Is(err, errCut)):
		t.Fatalf("point %d: %v", c.at, err)
	case !reached() && !r.Cleaned:
		t.Errorf("an uncut cancel has not come to its end: %+v", r)
	}
	second := s.operator(nil, noLease)
	if c.at%2 == 0 || s.replay(id).State != ledger.Cancelled {
		if r, err := second.Cancel(ctx, id); err != nil || !r.Cleaned || r.State != ledger.Cancelled {
			t.Fatalf("point %d: cancelling again: %+v, %v", c.at, r, err)
		}
	}
	until(t, "the watcher", func() bool {
		look(t, second)
		return s.replay(id).Cleaned && len(s.protocol("dns").Purging)+len(s.protocol("ssl").Purging) == 0
	})
	s.wantCancelled(id, before)
	s.wantRows("dns", 0, map[string]int{"a": 3, "b": 3})
	version := s.replay(id).Version
	if again, err := second.Cancel(ctx, id); err != nil || again.Version != version {
		t.Errorf("cancelling what is cancelled: %+v, %v", again, err)
	}
	if t.Failed() {
		t.Fatalf("at point %d", c.at)
	}
	return reached()
}

// TestCancelRefused: what readers read is past cancelling; nothing of it changes.
func TestCancelRefused(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	s.put("logs/dns/1", "a")
	r := s.running("dns")
	s.workers()
	s.done(r.ID)
	d := s.operator(nil)
	look(t, d)
	s.folded(r.ID)
	// The watcher dies between promotion and cleaning up.
	promoted := false
	_ = s.driver("dies", &tap{hook: func(c call) error {
		promoted = promoted || c.name == "Write" && c.after
		if promoted {
			return errCut
		}
		return nil
	}}, noLease).Look(ctx)
	for _, state := range []ledger.State{ledger.Folding, ledger.Finished} {
		now, p := s.replay(r.ID), s.protocol("dns")
		if now.State != state || !now.Promoted {
			t.Fatalf("%s, promoted %t, want %s", now.State, now.Promoted, state)
		}
		_, err := d.Cancel(ctx, r.ID)
		wantError(t, err, replay.ErrState, r.ID, "rollback")
		if s.replay(r.ID).Version != now.Version || s.protocol("dns").Version != p.Version {
			t.Error("a cancel that was refused has changed something")
		}
		if state == ledger.Folding {
			_, err = d.Pause(ctx, r.ID)
			wantError(t, err, replay.ErrState, r.ID)
			s.watch(d, r.ID, ledger.Finished)
		}
	}
	s.wantFinished(r.ID)
}

// TestCancelLate has a watcher that read the replay before somebody else cancelled it to the end, and that comes to it
// when the next replay has set its tags: it leaves them alone.
func TestCancelLate(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	s.put("logs/dns/1", "a")
	r := s.running("dns")
	s.setState(r.ID, ledger.Cancelled) // and nothing more of it yet
	var next ledger.Replay
	late := s.operator(at("AcquireLease", false, func() {
		if r, err := s.operator(nil, noLease).Cancel(ctx, r.ID); err != nil || !r.Cleaned {
			t.Errorf("%+v, %v", r, err)
		}
		next = s.running("dns")
	}), noLease)
	look(t, late)
	if tags, err := s.files.Tags(ctx, "logs/dns/1"); err != nil || tags[archive.TagReplay] != "PENDING" {
		t.Errorf("tags %v, %v, want those of the next replay", tags, err)
	}
	if p := s.protocol("dns"); p.Replay != next.ID {
		t.Errorf("protocol %+v is not of the next replay", p)
	}
}

// gate holds readers of one object up until it is opened.
type gate struct {
	archive.Archive
	key           string
	reached, open chan struct{}
}

func (g *gate) Open(ctx context.Context, p archive.OpenParams) (io.ReadCloser, error) {
	if p.Key == g.key {
		close(g.reached)
		<-g.open
	}
	return g.Archive.Open(ctx, p)
}

// TestCancelInWork cancels a replay while a worker is in the middle of an object, and has a dead letter of it: nothing of
// it is read, no tag and no message stays, and the next replay counts right.
func TestCancelInWork(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	s.put("logs/dns/1", "a", "b")
	s.put("logs/dns/2", "a")
	s.corrupt("logs/dns/bad")
	g := &gate{Archive: s.files, key: "logs/dns/1", reached: make(chan struct{}), open: make(chan struct{})}
	r := s.running("dns")
	stop := s.pool(func(o *worker.Options) { o.Archive = g })
	<-g.reached
	until(t, "the others", func() bool { return s.summary(r.ID).Open() == 1 })
	until(t, "the dead letter", func() bool { c, err := s.dead.Counts(ctx); return err == nil && c.Visible == 1 })
	d := s.operator(nil)
	if r, err := d.Cancel(ctx, r.ID); err != nil || !r.Cleaned {
		t.Fatalf("Cancel = %+v, %v", r, err)
	}
	if err := s.dead.Send(ctx, []queue.Outgoing{{Body: []byte("somebody else's")}}); err != nil {
		t.Fatal(err)
	}
	close(g.open)
	s.still()
	stop()
	until(t, "the watcher", func() bool { look(t, d); return len(s.protocol("dns").Purging) == 0 })
	s.wantCancelled(r.ID, map[string]ledger.Protocol{"dns": {}})
	if c, err := s.dead.Counts(ctx); err != nil || c.Visible != 1 || c.InFlight != 0 {
		t.Errorf("dead letters %+v, %v, want the other one alone", c, err)
	}
	for _, generation := range []int64{0, 1} {
		_, err := d.Read(ctx, "dns", "queries", generation)
		wantError(t, err, replay.ErrUnknown)
	}
	s.put("logs/dns/bad", "c")
	next := s.replayed("dns")
	if next.Protocols[0].Generation != 2 {
		t.Errorf("generation %d, want 2", next.Protocols[0].Generation)
	}
	s.wantRows("dns", 0, map[string]int{"a": 2, "b": 1, "c": 1})
	_, err := d.Resume(ctx, r.ID)
	wantError(t, err, replay.ErrState, fmt.Sprint(ledger.Cancelled))
}
