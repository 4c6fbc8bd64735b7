package replay_test

import (
	"context"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
	"github.com/seed-56345083/reprise/queue"
)

// claim is an attempt that ends without progress; until is the owner's time, and Settle follows where it is zero.
func (s *system) claim(id ledger.CursorID, times int, until time.Time) {
	s.t.Helper()
	ctx := context.Background()
	for range times {
		now := time.Now()
		claimed, err := s.ledger.Claim(ctx, ledger.Claim{ID: id, Owner: "them", Now: now, Until: now})
		if err == nil && until.IsZero() {
			err = s.ledger.Settle(ctx, ledger.Settle{ID: id, Epoch: claimed.Epoch, State: ledger.Pending, Now: now})
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
	if until.IsZero() {
		return
	}
	if _, err := s.ledger.Claim(ctx, ledger.Claim{ID: id, Owner: "them", Now: time.Now(), Until: until}); err != nil {
		s.t.Fatal(err)
	}
}

// setState moves a replay to a state in which nothing else happens.
func (s *system) setState(id string, state ledger.State) {
	s.t.Helper()
	r := s.replay(id)
	r.State = state
	if err := s.ledger.Write(context.Background(), ledger.Writes{Replays: []ledger.Replay{r}}); err != nil {
		s.t.Fatal(err)
	}
}

// TestDeadLetters has one dead letter for a cursor in each state there is, and looks twice.
func TestDeadLetters(t *testing.T) {
	t.Parallel()
	const key = "logs/dns/1"
	letter := func(id string) queue.Task { return queue.Task{Replay: id, Protocol: "dns", Key: key} }
	for name, c := range map[string]struct {
		arrange func(s *system, id ledger.CursorID)
		task    func(id string) queue.Task // nil: letter
		body    string
		want    string       // kept, sent or dropped
		state   ledger.State // of the cursor at the end; "" is not looked at
		reason  string
	}{
		"finished":             {arrange: func(s *system, id ledger.CursorID) { s.finishObject(id.Replay, key) }, want: "dropped", state: ledger.Finished},
		"never tried":          {want: "sent", state: ledger.Pending},
		"below the limit":      {arrange: func(s *system, id ledger.CursorID) { s.claim(id, 4, time.Time{}) }, want: "sent", state: ledger.Pending},
		"at the limit":         {arrange: func(s *system, id ledger.CursorID) { s.claim(id, 5, time.Time{}) }, want: "kept", state: ledger.Failed, reason: "no progress in 5 attempts; dead-lettered by the queue"},
		"owned, at the limit":  {arrange: func(s *system, id ledger.CursorID) { s.claim(id, 4, time.Now().Add(time.Hour)) }, want: "kept", state: ledger.Processing},
		"owned, below":         {arrange: func(s *system, id ledger.CursorID) { s.claim(id, 0, time.Now().Add(time.Hour)) }, want: "kept", state: ledger.Processing},
		"owner died, at limit": {arrange: func(s *system, id ledger.CursorID) { s.claim(id, 4, time.Now().Add(time.Nanosecond)) }, want: "kept", state: ledger.Failed},
		"owner died, below":    {arrange: func(s *system, id ledger.CursorID) { s.claim(id, 0, time.Now().Add(time.Nanosecond)) }, want: "sent", state: ledger.Processing},
		"failed":               {arrange: func(s *system, id ledger.CursorID) { s.fail(id.Replay, key) }, want: "kept", state: ledger.Failed, reason: "broken"},
		"the worker's reason": {
			arrange: func(s *system, id ledger.CursorID) { s.claim(id, 5, time.Time{}) },
			task: func(id string) queue.Task {
				return queue.Task{Replay: id, Protocol: "dns", Key: key, Error: "bad gzip"}
			},
			want: "kept", state: ledger.Failed, reason: "bad gzip",
		},
		"cancelled":             {arrange: func(s *system, id ledger.CursorID) { s.setState(id.Replay, ledger.Cancelled) }, want: "dropped"},
		"replay over, left out": {arrange: func(s *system, id ledger.CursorID) { s.fail(id.Replay, key); s.setState(id.Replay, ledger.Finished) }, want: "kept", state: ledger.Failed},
		"replay over, open": {arrange: func(s *system, id ledger.CursorID) {
			s.claim(id, 5, time.Time{})
			s.setState(id.Replay, ledger.Finished)
		}, want: "kept", state: ledger.Pending},
		"unknown replay":   {task: func(string) queue.Task { return letter("01J00000000000000000000000") }, want: "kept"},
		"unknown object":   {task: func(id string) queue.Task { return queue.Task{Replay: id, Protocol: "dns", Key: "logs/dns/x"} }, want: "dropped"},
		"another protocol": {task: func(id string) queue.Task { return queue.Task{Replay: id, Protocol: "ssl", Key: key} }, want: "kept", state: ledger.Pending},
		"a part of an old fold": {task: func(id string) queue.Task {
			return queue.Task{Replay: id, Protocol: "dns", Key: ledger.FoldKey(7, 0), Fold: true}
		}, want: "dropped"},
		"a part of nothing": {task: func(id string) queue.Task { return queue.Task{Replay: id, Protocol: "dns", Key: "fold#x", Fold: true} }, want: "dropped"},
		"garbage":           {body: "hello", want: "kept"},
		"a later version":   {body: `{"v":99,"replay":"r","key":"k"}`, want: "kept"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			ctx := context.Background()
			s.put(key, "a", "b")
			r := s.running("dns")
			tasks(t, s.work)
			id := ledger.CursorID{Replay: r.ID, Key: key}
			if c.arrange != nil {
				c.arrange(s, id)
			}
			body := []byte(c.body)
			if c.task != nil {
				body = c.task(r.ID).Encode()
			} else if c.body == "" {
				body = letter(r.ID).Encode()
			}
			if err := s.dead.Send(ctx, []queue.Outgoing{{Body: body}}); err != nil {
				t.Fatal(err)
			}
			d := s.driver("watcher", nil, func(o *replay.Options) { o.StuckAfter = time.Hour })
			look(t, d)
			look(t, d)
			dead, err := s.dead.Counts(ctx)
			if err != nil {
				t.Fatal(err)
			}
			sent := 0
			for _, task := range tasks(t, s.work) {
				if !task.Fold {
					sent++
				}
			}
			got := map[[2]int]string{{1, 0}: "kept", {0, 1}: "sent", {0, 0}: "dropped"}[[2]int{int(dead.Visible), sent}]
			if got != c.want || dead.InFlight != 0 {
				t.Errorf("%q, want %q: %+v dead letters, %d sent", got, c.want, dead, sent)
			}
			if c.state == "" {
				return
			}
			now := s.cursor(r.ID, key)
			if now.State != c.state || c.reason != "" && now.Error != c.reason {
				t.Errorf("cursor is %s because of %q, want %s because of %q", now.State, now.Error, c.state, c.reason)
			}
			if tags, err := s.files.Tags(ctx, key); c.reason != "" && name != "failed" && (err != nil || tags[archive.TagReplay] != "FAILED") {
				t.Errorf("tags %v, %v, want FAILED", tags, err)
			}
		})
	}
}

// TestDeadLetterLooks: the queue is read when its count changes, and as long as something in it may change.
func TestDeadLetterLooks(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	s.put("logs/dns/1", "a", "b")
	r := s.running("dns")
	tasks(t, s.work)
	id := ledger.CursorID{Replay: r.ID, Key: "logs/dns/1"}
	reads := 0
	d := s.driver("watcher", &tap{hook: func(c call) error {
		if c.name == "Receive" && !c.after {
			reads++
		}
		return nil
	}}, func(o *replay.Options) { o.StuckAfter = time.Hour })
	step := func(what string, want bool) {
		t.Helper()
		reads = 0
		look(t, d)
		if (reads > 0) != want {
			t.Errorf("%s: read %t, want %t", what, reads > 0, want)
		}
	}
	send := func(body []byte) {
		t.Helper()
		if err := s.dead.Send(ctx, []queue.Outgoing{{Body: body}}); err != nil {
			t.Fatal(err)
		}
	}
	step("empty", false)
	send([]byte("garbage"))
	step("one that stays", true)
	step("nothing new", false)
	s.claim(id, 4, time.Now().Add(300*time.Millisecond))
	send(queue.Task{Replay: r.ID, Protocol: "dns", Key: id.Key}.Encode())
	step("one that is owned", true)
	until(t, "the owner's end", func() bool { look(t, d); return s.cursor(r.ID, id.Key).State == ledger.Failed })
	step("all looked at", false)

	// Somebody has them in hand, be it a watcher that died over them: they come back and the count is the same.
	send([]byte("more garbage"))
	s.finishObjectAgain(r.ID, id.Key)
	held, err := s.dead.Receive(ctx, queue.ReceiveParams{Max: 10, Visibility: time.Hour})
	if err != nil || len(held) != 3 {
		t.Fatalf("received %d, %v", len(held), err)
	}
	step("in somebody's hands", true)
	changes := make([]queue.Change, len(held))
	for i, m := range held {
		changes[i].Receipt = m.Receipt
	}
	if err := s.dead.ChangeVisibility(ctx, changes); err != nil {
		t.Fatal(err)
	}
	step("given back", true)
	if c, err := s.dead.Counts(ctx); err != nil || c.Visible != 2 {
		t.Errorf("dead letters %+v, %v, want that of the finished object dropped", c, err)
	}
}

// finishObjectAgain redrives a FAILED object and finishes it.
func (s *system) finishObjectAgain(id, key string) {
	s.t.Helper()
	s.reopen(id, key, "a", "b")
	s.finishObject(id, key)
}

// TestLetterWalkKeepsLease: a walk through many dead letters outlasts its lease, and a second one at the same time would
// find those missing that the first has in hand.
func TestLetterWalkKeepsLease(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.threeBad()
	for lease, want := range map[time.Duration]int{time.Hour: 2, time.Nanosecond: 5} { // the replay's step and the walk, and each letter
		taken := 0
		d := s.driver("watcher", &tap{hook: func(c call) error {
			if c.name == "AcquireLease" && !c.after {
				taken++
			}
			return nil
		}}, func(o *replay.Options) { o.Lease, o.StuckAfter = lease, time.Hour })
		look(t, d)
		if taken != want {
			t.Errorf("a lease of %s was taken %d times, want %d", lease, taken, want)
		}
	}
	s.wantLetters(3)
}
