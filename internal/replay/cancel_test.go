package replay_test

import (
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
	"github.com/seed-56345083/reprise/queue"
	"github.com/seed-56345083/reprise/worker"
)

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
