package replay_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
	"github.com/seed-56345083/reprise/internal/stats"
	"github.com/seed-56345083/reprise/queue"
)

// at acts once, at the first call of that name, before or after it is made.
func at(name string, after bool, act func()) *tap {
	var once sync.Once
	return &tap{hook: func(c call) error {
		if c.name == name && c.after == after {
			once.Do(act)
		}
		return nil
	}}
}

// oneBad is a replay of two good objects and one corrupt one, with everything read.
func (s *system) oneBad() ledger.Replay {
	s.t.Helper()
	s.put("logs/dns/1", "a", "b")
	s.put("logs/dns/2", "a")
	s.corrupt("logs/dns/bad")
	r := s.running("dns")
	s.workers()
	s.done(r.ID)
	if c := s.cursor(r.ID, "logs/dns/bad"); c.State != ledger.Failed || c.Error == "" {
		s.t.Fatalf("cursor %+v, want FAILED", c)
	}
	return r
}

// reopen is a redrive: the object is put right and its cursor begins again.
func (s *system) reopen(id, key string, lines ...string) {
	s.t.Helper()
	ctx := context.Background()
	s.put(key, lines...)
	o, err := s.files.Stat(ctx, key)
	if err == nil {
		c := s.cursor(id, key)
		err = s.ledger.Reopen(ctx, ledger.Reopen{ID: c.CursorID, Epoch: c.Epoch, ETag: o.ETag, Size: o.Size, Now: time.Now()})
	}
	if err != nil {
		s.t.Error(err)
	}
}

func (s *system) wake(id, key string, fold bool) {
	s.t.Helper()
	body := queue.Task{Replay: id, Protocol: "dns", Key: key, Fold: fold}.Encode()
	if err := s.work.Send(context.Background(), []queue.Outgoing{{Body: body}}); err != nil {
		s.t.Error(err)
	}
}

// TestRedriveAtFold has an accepted object redriven at each moment of a fold, with its message and without: the replay
// goes back, reads it, and the fold that is promoted has it.
func TestRedriveAtFold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		look  int // the look in which it happens: 1 opens the fold, 2 ends it
		at    string
		after bool
		wake  bool
	}{
		"before the fold is written":       {look: 1, at: "Progress", wake: true},
		"after the fold is written":        {look: 1, at: "Insert", wake: true},
		"after the fold is written, alone": {look: 1, at: "Insert"},
		"when the parts are counted":       {look: 2, at: "Summarize"},
		"when the parts are counted, read": {look: 2, at: "Summarize", wake: true},
		"before the audit":                 {look: 2, at: "Summarize", after: true, wake: true},
		"before the audit, alone":          {look: 2, at: "Summarize", after: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			r := s.oneBad()
			redrive := func() {
				s.reopen(r.ID, "logs/dns/bad", "a", "c")
				if c.wake {
					s.wake(r.ID, "logs/dns/bad", false)
					until(t, "the object", func() bool { return s.cursor(r.ID, "logs/dns/bad").State == ledger.Finished })
				}
			}
			none := func() {}
			first, second := none, none
			if c.look == 1 {
				first = redrive
			} else {
				second = redrive
			}
			// The acceptance alone: the look after it folds.
			if _, err := s.driver("operator", &tap{hook: func(now call) error {
				if now.name == "AcquireLease" {
					return ledger.ErrHeld
				}
				return nil
			}}).Finish(context.Background(), r.ID, true, "them"); err != nil {
				t.Fatal(err)
			}
			if now := s.replay(r.ID); now.State != ledger.Running || now.Accepted == nil {
				t.Fatalf("%s, accepted %v", now.State, now.Accepted)
			}
			look(t, s.driver("one", at(c.at, c.after, first)))
			s.folded(r.ID)
			look(t, s.driver("two", at(c.at, c.after, second)))
			s.watch(s.driver("watcher", nil), r.ID, ledger.Finished)
			s.wantFinished(r.ID)
			s.wantRows("dns", 0, map[string]int{"a": 3, "b": 1, "c": 1})
		})
	}
}

// TestStaleReceipts has a part of the fold say another sum than the cursors: a new fold follows, under the next number,
// and readers read that one.
func TestStaleReceipts(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	s.put("logs/dns/1", "a", "b")
	r := s.running("dns")
	d := s.driver("watcher", nil)
	s.finishObject(r.ID, "logs/dns/1")
	look(t, d)
	tasks(t, s.work)
	s.finishPart(r.ID, 1, ledger.Receipt{Objects: 1, Lines: 1, Rows: 1})
	wrong := ledger.Row{Statistic: "queries", Day: "-", Key: `["wrong"]`, Dims: []byte(`["wrong"]`), Measures: []byte(`{}`), State: []byte("x")}
	if err := s.ledger.PutRows(ctx, ledger.Part{Protocol: "dns", Generation: 1, Name: ledger.BasePart(1, 0)}, []ledger.Row{wrong}); err != nil {
		t.Fatal(err)
	}
	look(t, d)
	now := s.replay(r.ID)
	if now.State != ledger.Folding || now.Fold.Number != 2 || !now.Fold.Listed || now.Promoted {
		t.Fatalf("%s, fold %+v, want fold 2", now.State, now.Fold)
	}
	if sent := tasks(t, s.work); len(sent) != 1 || sent[0].Key != ledger.FoldKey(2, 0) || !sent[0].Fold {
		t.Errorf("messages %+v", sent)
	}
	s.finishPart(r.ID, 2, ledger.Receipt{Objects: 1, Lines: 2})
	look(t, d)
	s.wantFinished(r.ID)
	s.wantRows("dns", 0, nil) // what fold 1 wrote is not read
}

// finishObject plays the worker of one object: two lines, both counted.
func (s *system) finishObject(id, key string) {
	s.t.Helper()
	c := s.cursor(id, key)
	program, err := stats.Compile(definition(c.Protocol))
	if err != nil {
		s.t.Fatal(err)
	}
	blob, rows := s.blob(program, "a", "b")
	s.finishAs(c.CursorID, ledger.Commit{
		To: 2, Accounts: ledger.Accounts{Read: 2, Counted: 2, Consumed: c.Size, Bytes: c.Size}, Partial: blob, Rows: rows,
	})
	tasks(s.t, s.work)
}

// blob is the partial of lines, each counted under its text, and how many rows it has.
func (s *system) blob(program *stats.Program, texts ...string) (blob []byte, rows int64) {
	s.t.Helper()
	tally, err := program.NewTally(stats.Rule{All: true})
	if err != nil {
		s.t.Fatal(err)
	}
	for i, text := range texts {
		if _, err := tally.Line(int64(i), fmt.Appendf(nil, `{"ts":"2026-01-02T03:04:05Z","q":%q}`, text)); err != nil {
			s.t.Fatal(err)
		}
	}
	return tally.Partial().AppendBlob(nil), int64(tally.Partial().Len())
}

// finishPart plays the worker of a fold's first part, for which the partials held what the cursors had counted.
func (s *system) finishPart(id string, fold int64, receipt ledger.Receipt) {
	s.t.Helper()
	receipt.Held = receipt.Lines
	s.finishAs(ledger.CursorID{Replay: id, Fold: true, Key: ledger.FoldKey(fold, 0)}, ledger.Commit{Receipt: receipt})
}

func (s *system) finishAs(id ledger.CursorID, c ledger.Commit) {
	s.t.Helper()
	ctx := context.Background()
	claimed, err := s.ledger.Claim(ctx, ledger.Claim{ID: id, Owner: "them", Now: time.Now(), Until: time.Now().Add(time.Minute)})
	if err == nil {
		c.ID, c.Epoch, c.State, c.Now = id, claimed.Epoch, ledger.Finished, time.Now()
		err = s.ledger.Commit(ctx, c)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// TestFoldPartFails has a part of the fold FAILED: after a while a new fold takes its place, and its dead letter goes.
func TestFoldPartFails(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	s.put("logs/dns/1", "a", "b")
	r := s.running("dns")
	s.finishObject(r.ID, "logs/dns/1")
	d := s.driver("watcher", nil)
	look(t, d)
	tasks(t, s.work)
	part := ledger.CursorID{Replay: r.ID, Fold: true, Key: ledger.FoldKey(1, 0)}
	claimed, err := s.ledger.Claim(ctx, ledger.Claim{ID: part, Owner: "them", Now: time.Now(), Until: time.Now().Add(time.Minute)})
	if err == nil {
		err = s.ledger.Settle(ctx, ledger.Settle{ID: part, Epoch: claimed.Epoch, State: ledger.Failed, Error: "broken", Now: time.Now()})
	}
	if err != nil {
		t.Fatal(err)
	}
	letter := queue.Task{Replay: r.ID, Protocol: "dns", Key: part.Key, Fold: true, Error: "broken"}
	if err := s.dead.Send(ctx, []queue.Outgoing{{Body: letter.Encode()}}); err != nil {
		t.Fatal(err)
	}
	look(t, d)
	if now := s.replay(r.ID); now.Fold.Number != 1 || now.Waits != "1 part of fold 1 failed, a new fold follows: broken" {
		t.Errorf("fold %d, waits for %q", now.Fold.Number, now.Waits)
	}
	if counts, err := s.dead.Counts(ctx); err != nil || counts.Visible != 1 {
		t.Errorf("dead letters %+v, %v, want the part's to stay as long as its fold", counts, err)
	}
	replay.FoldPatience(d, 0)
	look(t, d)
	if now := s.replay(r.ID); now.Fold.Number != 2 || now.State != ledger.Folding {
		t.Errorf("%s, fold %d, want fold 2", now.State, now.Fold.Number)
	}
	if counts, err := s.dead.Counts(ctx); err != nil || !counts.Idle() {
		t.Errorf("dead letters %+v, %v, want none of a fold that was replaced", counts, err)
	}
	s.finishPart(r.ID, 2, ledger.Receipt{Objects: 1, Lines: 2})
	look(t, d)
	s.wantFinished(r.ID)
}

// TestPromoteOldFold has a second watcher open the next fold between the audit and the promotion: the fold that nobody
// has audited must not be read.
func TestPromoteOldFold(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	s.put("logs/dns/1", "a", "b")
	r := s.running("dns")
	s.finishObject(r.ID, "logs/dns/1")
	look(t, s.driver("one", nil))
	s.finishPart(r.ID, 1, ledger.Receipt{Objects: 1, Lines: 2})
	scans := 0
	slow := s.driver("slow", &tap{hook: func(c call) error {
		if c.name == "Scan end" && c.after {
			if scans++; scans == 2 { // objects, parts
				now := s.replay(r.ID)
				now.Fold.Number, now.Fold.Listed = 2, false
				if err := s.ledger.Write(ctx, ledger.Writes{Replays: []ledger.Replay{now}}); err != nil {
					t.Error(err)
				}
			}
		}
		return nil
	}})
	look(t, slow)
	if now := s.replay(r.ID); now.Promoted || s.protocol("dns").Serving != 0 || scans < 2 {
		t.Fatalf("promoted %t after %d scans, fold 2 is not there yet", now.Promoted, scans)
	}
	look(t, slow)
	s.finishPart(r.ID, 2, ledger.Receipt{Objects: 1, Lines: 2})
	look(t, slow)
	s.wantFinished(r.ID)
}
