package replay_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
	"github.com/seed-56345083/reprise/queue"
)

var badKeys = []string{"logs/dns/bad1", "logs/dns/bad2", "logs/dns/bad3"}

// threeBad is a replay of a good object and three corrupt ones, with everything read and three dead letters.
func (s *system) threeBad() ledger.Replay {
	s.t.Helper()
	s.put("logs/dns/1", "a", "b")
	for _, key := range badKeys {
		s.corrupt(key)
	}
	r := s.running("dns")
	s.workers()
	s.done(r.ID)
	s.wantLetters(3)
	return r
}

func (s *system) wantLetters(n int64) {
	s.t.Helper()
	if c, err := s.dead.Counts(context.Background()); err != nil || c != (queue.Counts{Visible: n}) {
		s.t.Errorf("dead letters %+v, %v, want %d", c, err, n)
	}
}

// ends has the watcher come to the end, and looks for what must not be left.
func (s *system) ends(id string, want map[string]int) {
	s.t.Helper()
	s.watch(s.operator(nil), id, ledger.Finished)
	s.wantFinished(id)
	s.wantRows("dns", 0, want)
	s.still()
}

func states(results []replay.Redriven) map[string]string {
	m := map[string]string{}
	for _, r := range results {
		m[r.Key] = fmt.Sprint(r.Again, " ", r.Now)
	}
	return m
}

// TestRedrive redrives one object that was put right, one that is gone, and one that nobody has mended.
func TestRedrive(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	r := s.threeBad()
	d := s.operator(nil)
	s.put(badKeys[0], "c", "c")
	mended, err := s.files.Stat(ctx, badKeys[0])
	if err != nil {
		t.Fatal(err)
	}
	s.remove(badKeys[1])
	before := s.cursor(r.ID, badKeys[0])

	dry, err := d.Redrive(ctx, r.ID, nil, true)
	if err != nil || len(dry) != 3 {
		t.Fatalf("dry run: %+v, %v", dry, err)
	}
	want := map[string]string{badKeys[0]: "true PENDING", badKeys[1]: "false the object is not there", badKeys[2]: "true PENDING"}
	if got := states(dry); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("dry run: %v, want %v", got, want)
	}
	for _, result := range dry {
		if result.Error == "" || result.Key == badKeys[0] && (result.Size != mended.Size || result.ETag != mended.ETag) {
			t.Errorf("dry run: %+v, want the object as it is now", result)
		}
	}
	s.wantLetters(3)
	if now := s.cursor(r.ID, badKeys[0]); now.State != ledger.Failed || now.Epoch != before.Epoch || !s.idle() {
		t.Errorf("the dry run has changed %+v", now)
	}
	for _, keys := range [][]string{{"logs/dns/none"}, {badKeys[0], "logs/dns/none"}} {
		_, err = d.Redrive(ctx, r.ID, keys, false)
		wantError(t, err, replay.ErrUnknown, "logs/dns/none", r.ID)
	}
	_, err = d.Redrive(ctx, "01J00000000000000000000000", nil, false)
	wantError(t, err, ledger.ErrNotFound)
	if s.cursor(r.ID, badKeys[0]).State != ledger.Failed {
		t.Error("a redrive that was refused has reopened something")
	}

	named, err := d.Redrive(ctx, r.ID, []string{badKeys[0], badKeys[0], "logs/dns/1"}, false)
	if err != nil || fmt.Sprint(states(named)) != fmt.Sprint(map[string]string{"logs/dns/1": "false FINISHED", badKeys[0]: "true PENDING"}) {
		t.Errorf("named: %+v, %v", named, err)
	}
	s.wantLetters(2)
	s.done(r.ID)
	if now := s.cursor(r.ID, badKeys[0]); now.State != ledger.Finished || now.Counted != 2 || now.NoProgress != 0 || now.ETag != mended.ETag {
		t.Errorf("redriven is %+v", now)
	}
	all, err := d.Redrive(ctx, r.ID, nil, false)
	if err != nil || fmt.Sprint(states(all)) != fmt.Sprint(map[string]string{badKeys[1]: want[badKeys[1]], badKeys[2]: "true PENDING"}) {
		t.Errorf("all: %+v, %v", all, err)
	}
	s.done(r.ID)
	if now := s.cursor(r.ID, badKeys[2]); now.State != ledger.Failed {
		t.Errorf("what nobody has mended is %+v", now)
	}
	s.put(badKeys[1], "d")
	s.put(badKeys[2], "e")
	if _, err := d.Redrive(ctx, r.ID, nil, false); err != nil {
		t.Error(err)
	}
	s.done(r.ID)
	s.wantLetters(0)
	s.ends(r.ID, map[string]int{"a": 1, "b": 1, "c": 2, "d": 1, "e": 1})
	for _, dry := range []bool{true, false} {
		_, err := d.Redrive(ctx, r.ID, nil, dry)
		wantError(t, err, replay.ErrState, "FINISHED")
	}
}

// accept records a word for n objects, and lets nothing follow from it yet.
func (s *system) accept(id string, n int64) {
	s.t.Helper()
	r := s.replay(id)
	r.Accepted = &ledger.Acceptance{At: time.Now().UTC(), By: "them", Objects: n}
	if err := s.ledger.Write(context.Background(), ledger.Writes{Replays: []ledger.Replay{r}}); err != nil {
		s.t.Fatal(err)
	}
}

// TestRedriveAcceptance: the word is taken back for as many as are redriven, and for no more of them, also when the
// watcher looks in the middle; one that fails again holds the replay back.
func TestRedriveAcceptance(t *testing.T) {
	t.Parallel()
	for _, look := range []string{"", "Summarize", "Reopen", "Send", "Receive"} {
		t.Run("look at "+look, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			ctx := context.Background()
			r := s.threeBad()
			s.accept(r.ID, 3)
			d := s.operator(nil)
			if look != "" {
				d = s.operator(at(look, true, func() {
					// The watcher's own look would fold before anything is taken back; what it lowers is looked at here.
					if now := s.replay(r.ID); look != "Summarize" && now.Accepted != nil && s.summary(r.ID).Open() > 0 {
						_ = s.driver("watcher", nil).Look(ctx)
					}
				}))
			}
			if got, err := d.Redrive(ctx, r.ID, badKeys[1:2], false); err != nil || len(got) != 1 || !got[0].Again {
				t.Fatalf("%+v, %v", got, err)
			}
			s.done(r.ID) // it fails again
			if now := s.replay(r.ID); now.Accepted == nil || now.Accepted.Objects != 2 || now.Accepted.By != "them" {
				t.Fatalf("accepted %+v, want 2", now.Accepted)
			}
			_, err := s.operator(nil).Finish(ctx, r.ID, false, "")
			wantError(t, err, replay.ErrHeld, "3 objects FAILED")
			for _, key := range badKeys {
				s.put(key, "c")
			}
			if _, err := s.operator(nil).Redrive(ctx, r.ID, nil, false); err != nil {
				t.Error(err)
			}
			s.done(r.ID)
			s.wantLetters(0)
			s.ends(r.ID, map[string]int{"a": 1, "b": 1, "c": 3})
		})
	}
}

// TestRedriveRefused: a fold that leaves objects out must not see them come back, PAUSED or not.
func TestRedriveRefused(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	s.put("logs/dns/1", "a", "b")
	s.put("logs/dns/bad", "a", "b")
	r := s.running("dns")
	s.finishObject(r.ID, "logs/dns/1")
	s.fail(r.ID, "logs/dns/bad")
	s.accept(r.ID, 1)
	d := s.operator(nil)
	folds := s.operator(at("Stat", true, func() { look(t, s.driver("watcher", nil)) })) // the fold begins in its middle
	_, err := folds.Redrive(ctx, r.ID, nil, false)
	wantError(t, err, replay.ErrState, "FOLDING")
	refused := func() {
		t.Helper()
		for _, dry := range []bool{true, false} {
			_, err := d.Redrive(ctx, r.ID, []string{"logs/dns/bad"}, dry)
			wantError(t, err, replay.ErrState, r.ID)
		}
		if c := s.cursor(r.ID, "logs/dns/bad"); c.State != ledger.Failed || s.replay(r.ID).Accepted == nil {
			t.Errorf("a redrive that was refused has changed %+v", c)
		}
	}
	refused()
	s.pause(d, r.ID, ledger.Folding)
	refused()
	s.resume(d, r.ID, ledger.Folding)
	s.finishPart(r.ID, 1, ledger.Receipt{Objects: 1, Lines: 2})
	look(t, d)
	s.wantFinished(r.ID)
	refused()
}

// TestRedriveTwice has several operators redrive at once: one of them has each object, and each is read once.
func TestRedriveTwice(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	r := s.threeBad()
	for _, key := range badKeys {
		s.put(key, "c")
	}
	var mu sync.Mutex
	var won []string
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() {
			d := s.driver(fmt.Sprint("operator ", i), jitterTap(), func(o *replay.Options) {
				o.DeadLetters, o.Lease = quick{o.DeadLetters}, time.Minute // two walks at once would hide letters from each other
			})
			results, err := d.Redrive(ctx, r.ID, nil, false)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, result := range results {
				if result.Again {
					won = append(won, result.Key)
				} else if result.Now != "somebody else has redriven it" {
					t.Errorf("%+v", result)
				}
			}
		})
	}
	group.Wait()
	if slices.Sort(won); !slices.Equal(won, badKeys) {
		t.Errorf("redriven were %v", won)
	}
	s.done(r.ID)
	s.wantLetters(0)
	for _, key := range badKeys {
		if c := s.cursor(r.ID, key); c.State != ledger.Finished || c.Counted != 1 {
			t.Errorf("cursor %+v", c)
		}
	}
	s.ends(r.ID, map[string]int{"a": 1, "b": 1, "c": 3})
}

// TestRedriveFailsAgain: an object that has failed again before its dead letter is dropped keeps one.
func TestRedriveFailsAgain(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	r := s.threeBad()
	d := s.operator(at("Send", true, func() {
		until(t, "the second failure", func() bool {
			c, err := s.dead.Counts(ctx)
			return err == nil && c.Visible == 4 && s.cursor(r.ID, badKeys[0]).State == ledger.Failed
		})
	}))
	if got, err := d.Redrive(ctx, r.ID, badKeys[:1], false); err != nil || len(got) != 1 || !got[0].Again {
		t.Errorf("%+v, %v", got, err)
	}
	s.wantLetters(4)
}
