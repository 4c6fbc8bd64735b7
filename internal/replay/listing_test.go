package replay_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
)

func TestListing(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	wanted := []string{"logs/dns/1", "logs/dns/2", "logs/dns/sub/3", "logs/ssl/1"}
	for _, key := range wanted {
		s.put(key, "a", "b")
	}
	s.put("logs/README", "x")
	s.put("logs/zebra", "x")
	s.put("logs/http/1", "x")
	s.put("elsewhere/dns/1", "x")
	d := s.driver("one", nil)
	replay.PageSize(d, 3)
	r, err := d.Start(ctx, params("dns", "ssl"))
	if err != nil {
		t.Fatal(err)
	}
	var seen []int64
	if err := d.Continue(ctx, r.ID, func(r ledger.Replay) { seen = append(seen, r.Listing.Objects) }); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(seen, []int64{2, 4, 4}) { // README and two of dns; dns, http and ssl; zebra
		t.Errorf("progress %v", seen)
	}
	size := s.cursor(r.ID, "logs/dns/1").Size
	r = s.replay(r.ID)
	want := ledger.Listing{After: "logs/zebra", Done: true, Objects: 4, Bytes: 4 * size, Unmatched: 2, Sample: "logs/README", Others: 1, Passes: 1}
	if r.State != ledger.Running || r.Listing != want {
		t.Errorf("%s, listing %+v, want %+v", r.State, r.Listing, want)
	}
	sent := tasks(t, s.work)
	if got := keys(sent); !slices.Equal(got, wanted) {
		t.Errorf("messages for %v, want %v", got, wanted)
	}
	for _, key := range wanted {
		o, err := s.files.Stat(ctx, key)
		if err != nil {
			t.Fatal(err)
		}
		c := s.cursor(r.ID, key)
		protocol := key[5:8]
		if c.State != ledger.Pending || c.Protocol != protocol || c.ETag != o.ETag || c.Size != o.Size || c.Line != 0 || c.StateChange.IsZero() {
			t.Errorf("cursor %+v", c)
		}
		tags, err := s.files.Tags(ctx, key)
		if err != nil || tags[archive.TagReplay] != "PENDING" || tags[archive.TagReplayLine] != "0" ||
			tags[archive.TagStateChange] != c.StateChange.Format(time.RFC3339) {
			t.Errorf("%s bears %v, %v", key, tags, err)
		}
	}
	for _, task := range sent {
		if task.Protocol != task.Key[5:8] || task.Replay != r.ID || task.Fold || task.Line != 0 {
			t.Errorf("message %+v", task)
		}
	}
	if err := d.Continue(ctx, r.ID, nil); err != nil || len(tasks(t, s.work)) > 0 {
		t.Errorf("a listing that is done was continued: %v", err)
	}
}

// TestListingFullTags lists an object whose tags leave no room: it is replayed, and its cursor says so.
func TestListingFullTags(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.put("logs/dns/1", "a")
	full := map[string]string{}
	for i := range archive.MaxTags {
		full[fmt.Sprint("tag", i)] = "theirs"
	}
	if err := s.files.MergeTags(context.Background(), "logs/dns/1", full, nil); err != nil {
		t.Fatal(err)
	}
	r := s.running("dns")
	if c := s.cursor(r.ID, "logs/dns/1"); c.Note == "" || c.State != ledger.Pending {
		t.Errorf("cursor %+v, want a note", c)
	}
	s.workers()
	s.watch(s.driver("watcher", nil), r.ID, ledger.Finished)
	if tags, err := s.files.Tags(context.Background(), "logs/dns/1"); err != nil || len(tags) != archive.MaxTags {
		t.Errorf("tags %v, %v, want theirs", tags, err)
	}
}

// TestListingTwice has two processes list at once, neither kept out by the lease, each held up at random calls.
func TestListingTwice(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	for i := range 23 {
		s.put(fmt.Sprintf("logs/dns/%02d", i), "a")
	}
	for round := range 5 {
		r, err := s.driver("starter", nil).Start(ctx, params("dns"))
		if err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		for i := range 3 {
			group.Go(func() {
				d := s.driver(fmt.Sprint("lister", i), jitterTap(), noLease)
				replay.PageSize(d, 2+i)
				until(t, "the listing", func() bool { return d.Continue(ctx, r.ID, nil) == nil })
			})
		}
		group.Wait()
		if r = s.replay(r.ID); r.State != ledger.Running || !r.Listing.Done || r.Listing.Objects != 23 {
			t.Errorf("round %d: %s, %+v", round, r.State, r.Listing)
		}
		sent := keys(tasks(t, s.work))
		if sent = slices.Compact(sent); len(sent) != 23 || s.summary(r.ID).Total().Objects != 23 {
			t.Errorf("round %d: %d objects have a message, %d a cursor", round, len(sent), s.summary(r.ID).Total().Objects)
		}
		free := s.protocol("dns")
		free.Replay = ""
		if err := s.ledger.Write(ctx, ledger.Writes{Protocols: []ledger.Protocol{free}}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestListingLate has a process fall asleep in the middle of a page until the replay is over: it leaves no tag, and
// sends nobody astray.
func TestListingLate(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"Insert", "MergeTags", "Send", "Write"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			ctx := context.Background()
			s.put("logs/dns/1", "a")
			s.put("logs/dns/2", "b")
			r, err := s.driver("starter", nil).Start(ctx, params("dns"))
			if err != nil {
				t.Fatal(err)
			}
			s.workers()
			var once sync.Once
			sleeper := s.driver("sleeper", &tap{hook: func(c call) error {
				if c.name == at && !c.after {
					once.Do(func() { s.watch(s.driver("watcher", nil, noLease), r.ID, ledger.Finished) })
				}
				return nil
			}}, noLease)
			if err := sleeper.Continue(ctx, r.ID, nil); err != nil {
				t.Error(err)
			}
			s.still()
			s.wantFinished(r.ID)
			s.wantRows("dns", 0, map[string]int{"a": 1, "b": 1})
		})
	}
}

// TestListingLateObject has the sleeper bring an object along that the others never saw, while the replay runs.
func TestListingLateObject(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	s.put("logs/dns/1", "a")
	s.put("logs/dns/2", "b")
	r, err := s.driver("starter", nil).Start(ctx, params("dns"))
	if err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	sleeper := s.driver("sleeper", &tap{hook: func(c call) error {
		if c.name == "Insert" && !c.after {
			once.Do(func() {
				body := s.remove("logs/dns/2")
				if err := s.driver("other", nil, noLease).Continue(ctx, r.ID, nil); err != nil {
					t.Error(err)
				}
				tasks(t, s.work) // the sleeper sends them again
				s.putBytes("logs/dns/2", body)
			})
		}
		return nil
	}}, noLease)
	if err := sleeper.Continue(ctx, r.ID, nil); err != nil {
		t.Fatal(err)
	}
	if r = s.replay(r.ID); r.Listing.Objects != 1 || s.summary(r.ID).Total().Objects != 2 {
		t.Fatalf("listed %d, want the object that the sleeper saw alone to be missing", r.Listing.Objects)
	}
	s.workers()
	d := s.driver("watcher", nil)
	until(t, "the objects", func() bool { sum := s.summary(r.ID); return sum.Open() == 0 })
	if c := s.cursor(r.ID, "logs/dns/2"); c.State == ledger.Failed { // put again, it is another version
		if _, err := d.Finish(ctx, r.ID, true, "test"); err != nil {
			t.Logf("held until the fold is in: %v", err)
		}
	}
	s.watch(d, r.ID, ledger.Finished)
	if r = s.replay(r.ID); r.Listing.Objects != 2 {
		t.Errorf("listed %d, want 2", r.Listing.Objects)
	}
}

// TestListingEmptied has all objects of a protocol go between start and listing: nothing must not take the place of
// its statistics.
func TestListingEmptied(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	s.put("logs/dns/1", "a")
	s.put("logs/ssl/1", "a")
	d := s.driver("one", nil)
	r, err := d.Start(ctx, params("dns", "ssl"))
	if err != nil {
		t.Fatal(err)
	}
	s.remove("logs/ssl/1")
	s.workers()
	s.watch(d, r.ID, ledger.Running)
	s.done(r.ID)
	look(t, d)
	held, err := d.Held(ctx)
	if r = s.replay(r.ID); err != nil || r.State != ledger.Running || len(held) != 1 || !held[0].Held || held[0].Why != r.Waits {
		t.Errorf("%s, waits %q, held %+v, %v", r.State, r.Waits, held, err)
	}
	if s.protocol("dns").Serving != 0 {
		t.Error("promoted")
	}
}

// TestListingTurns: a look lists for no longer than its turn, looks after everything else, and goes on at the next look, for
// which Watch does not wait; whoever asks for the end gets it.
func TestListingTurns(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx, stop := context.WithTimeout(context.Background(), 4*time.Minute)
	defer stop()
	for i := range 4 {
		s.put(fmt.Sprint("logs/dns/", i), "a")
		s.put(fmt.Sprint("logs/ssl/", i), "a")
	}
	hourly := func(o *replay.Options) { o.Interval = time.Hour }
	start := func(d *replay.Driver, protocol string) string {
		t.Helper()
		replay.PageSize(d, 2)
		replay.ShortTurns(d)
		r, err := d.Start(ctx, params(protocol))
		if err != nil {
			t.Fatal(err)
		}
		return r.ID
	}
	looked := 0
	d := s.driver("watcher", &tap{hook: func(c call) error {
		if c.name == "Replays" && c.after {
			looked++
		}
		return nil
	}}, hourly)
	id := start(d, "dns")
	look(t, d)
	if r := s.replay(id); r.State != ledger.Starting || r.Listing.Objects != 2 {
		t.Fatalf("%s, %d listed in a turn, want a page of 2", r.State, r.Listing.Objects)
	}
	watched := make(chan error, 1)
	go func() { watched <- d.Watch(ctx) }()
	until(t, "the listing", func() bool { return s.replay(id).State == ledger.Running })
	stop()
	if err := <-watched; err != nil {
		t.Error(err)
	}
	if pages := 8/2 + 1; looked < pages { // those of ssl are seen and left; the last page is empty
		t.Errorf("%d looks for %d pages", looked, pages)
	}
	ctx = context.Background()
	d = s.driver("operator", nil, hourly)
	id = start(d, "ssl")
	if r, err := d.Finish(ctx, id, false, ""); err != nil || r.State != ledger.Running {
		t.Errorf("%s, %v", r.State, err)
	}
}
