package replay_test

import (
	"context"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
	"github.com/seed-56345083/reprise/queue"
)

func (s *system) status(id string) replay.Status {
	s.t.Helper()
	status, err := s.driver("reader", nil).Status(context.Background(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return status
}

func TestStatus(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	for _, key := range []string{"logs/dns/1", "logs/dns/2", "logs/dns/3", "logs/dns/4"} {
		s.put(key, "a", "b")
	}
	s.put("logs/nothing", "x")
	s.put("logs/http/1", "x")
	d := s.driver("one", nil)
	r, err := d.Start(ctx, params("dns"))
	if err != nil {
		t.Fatal(err)
	}
	if st := s.status(r.ID); st.State != ledger.Starting || st.Waits != "the archive to be listed" || st.Objects != (replay.StatusObjects{}) || st.SecondsLeft != nil {
		t.Errorf("at the start: %+v", st)
	}
	if err := d.Continue(ctx, r.ID, nil); err != nil {
		t.Fatal(err)
	}
	st := s.status(r.ID)
	if st.Waits != "4 objects to be read" || st.Queue.Visible != 4 || st.LinesPerSecond != 0 || st.SecondsLeft != nil {
		t.Errorf("listed: %+v", st)
	}
	s.finishObject(r.ID, "logs/dns/1")
	s.fail(r.ID, "logs/dns/2")
	s.claim(ledger.CursorID{Replay: r.ID, Key: "logs/dns/3"}, 0, time.Now().Add(time.Hour))
	if err := s.dead.Send(ctx, []queue.Outgoing{{Body: []byte("x")}}); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for name, p := range map[string]ledger.Progress{
		"now": {Since: now.Add(-10 * time.Second), At: now, Lines: 150, Bytes: 1500},
		"old": {Since: now.Add(-8 * time.Second), At: now.Add(-5 * time.Minute), Lines: 50, Bytes: 500},
	} {
		p.Replay, p.Worker = r.ID, name
		if err := s.ledger.PutProgress(ctx, p); err != nil {
			t.Fatal(err)
		}
	}
	st = s.status(r.ID)
	size := s.cursor(r.ID, "logs/dns/1").Size
	if want := (replay.StatusObjects{Listed: 4, ListedAll: true, Pending: 1, Processing: 1, Finished: 1, Failed: 1, Unmatched: 1, Others: 1}); st.Objects != want {
		t.Errorf("objects %+v, want %+v", st.Objects, want)
	}
	if st.Bytes != (replay.StatusBytes{Listed: 4 * size, Read: size}) || st.Lines.Counted != 2 || st.DeadLetters != 1 || st.Workers != 1 {
		t.Errorf("bytes %+v, lines %+v, %d dead letters, %d workers", st.Bytes, st.Lines, st.DeadLetters, st.Workers)
	}
	if st.LinesPerSecond != 20 || st.BytesPerSecond != 200 || st.SecondsLeft == nil || *st.SecondsLeft != 20 { // twice what took 10 s
		t.Errorf("%v lines, %v bytes a second, %v seconds left", st.LinesPerSecond, st.BytesPerSecond, st.SecondsLeft)
	}
	if want := (replay.StatusProtocol{Protocol: "dns", Generation: 1, Rule: ledger.RuleCutoff, Objects: 4, Counted: 2}); len(st.Protocols) != 1 || st.Protocols[0] != want {
		t.Errorf("protocols %+v, want %+v", st.Protocols, want)
	}
	if _, err := d.Status(ctx, "01J00000000000000000000000"); err == nil {
		t.Error("the status of a replay that is none")
	}
}

// TestStatusWaits has what each state waits for, in words.
func TestStatusWaits(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.put("logs/dns/1", "a")
	r := s.running("dns")
	for _, c := range []struct {
		change func(*ledger.Replay)
		want   string
		held   bool
	}{
		{func(r *ledger.Replay) { r.State = ledger.Paused }, "somebody to resume it", true},
		{func(r *ledger.Replay) { r.State, r.Waits = ledger.Folding, "1 of 2 parts of fold 1" }, "1 of 2 parts of fold 1", false},
		{func(r *ledger.Replay) { r.Waits = "" }, "the fold", false},
		{func(r *ledger.Replay) { r.Waits = "the accounts do not close: see reprise certify " + r.ID }, "the accounts do not close: see reprise certify " + r.ID, true},
		{func(r *ledger.Replay) { r.Promoted, r.Waits = true, "" }, "the tags to be taken off", false},
		{func(r *ledger.Replay) { r.State = ledger.Finished }, "", false},
	} {
		now := s.replay(r.ID)
		c.change(&now)
		if err := s.ledger.Write(context.Background(), ledger.Writes{Replays: []ledger.Replay{now}}); err != nil {
			t.Fatal(err)
		}
		if got := s.status(r.ID).Waits; got != c.want {
			t.Errorf("%s waits for %q, want %q", now.State, got, c.want)
		}
		held, err := s.driver("reader", nil).Held(context.Background())
		if err != nil || now.State != ledger.Finished && (len(held) != 1 || held[0].Held != c.held || held[0].Why == "") || now.State == ledger.Finished && len(held) != 0 {
			t.Errorf("%s: held %+v, %v, want %t", now.State, held, err, c.held)
		}
	}
}

// TestStatusOver: the cursors of a replay that is over are not counted again, and it says the same as if they were.
func TestStatusOver(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	s.put("logs/dns/1", "a", "b", "!")
	s.corrupt("logs/dns/2")
	s.put("logs/ssl/1", "a")
	finished, cancelled := s.running("dns"), s.running("ssl")
	if _, err := s.operator(nil).Cancel(ctx, cancelled.ID); err != nil {
		t.Fatal(err)
	}
	s.workers()
	s.done(finished.ID)
	d := s.driver("watcher", nil)
	if _, err := d.Finish(ctx, finished.ID, true, "somebody"); err != nil {
		t.Fatal(err)
	}
	s.watch(d, finished.ID, ledger.Finished)
	var counted atomic.Int64
	reader := s.driver("reader", countTap(&counted))
	for _, r := range []ledger.Replay{finished, cancelled} {
		got, err := reader.Status(ctx, r.ID)
		if n := counted.Load(); err != nil || n != 0 {
			t.Fatalf("%s: counted %d times, %v", got.State, n, err)
		}
		old := s.replay(r.ID)
		old.Final = nil // as records were before
		if err := s.ledger.Write(ctx, ledger.Writes{Replays: []ledger.Replay{old}}); err != nil {
			t.Fatal(err)
		}
		want, err := reader.Status(ctx, r.ID)
		got.Queue, got.DeadLetters = want.Queue, want.DeadLetters // which the workers may still tidy up
		got.LinesPerSecond, got.BytesPerSecond = want.LinesPerSecond, want.BytesPerSecond
		if n := counted.Swap(0); err != nil || n != 1 || !want.State.Ended() || want.Objects.Listed == 0 || !reflect.DeepEqual(got, want) {
			t.Errorf("counted %d times, %v:\n%+v, want\n%+v", n, err, got, want)
		}
	}
}
