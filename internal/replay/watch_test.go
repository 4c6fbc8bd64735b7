package replay_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
	"github.com/seed-56345083/reprise/worker"
)

// TestLife takes a replay of two protocols from its start to its end.
func TestLife(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	s.put("logs/dns/1", "a", "b", "!", "a")
	s.put("logs/dns/2", "a", "c")
	s.put("logs/ssl/1", "x")
	theirs := map[string]string{"owner": "them"}
	if err := s.files.MergeTags(ctx, "logs/ssl/1", theirs, nil); err != nil {
		t.Fatal(err)
	}
	r := s.running("dns", "ssl")
	d := s.driver("watcher", nil)
	look(t, d)
	if now := s.replay(r.ID); now.State != ledger.Running || now.Waits != "3 objects to be read" {
		t.Errorf("%s, waits for %q", now.State, now.Waits)
	}
	s.workers()
	s.done(r.ID)
	if _, err := d.Read(ctx, "dns", "queries", 0); !errors.Is(err, replay.ErrUnknown) {
		t.Errorf("readers see something before the end: %v", err)
	}
	look(t, d)
	if now := s.replay(r.ID); now.State != ledger.Folding || now.Fold.Number != 1 || len(now.Fold.Parts) != 2 || !now.Fold.Listed || now.Promoted {
		t.Errorf("%s, fold %+v", now.State, now.Fold)
	}
	s.still()
	if p := s.protocol("dns"); p.Serving != 0 || p.Building != 1 || p.Replay != r.ID {
		t.Errorf("protocol %+v before the promotion", p)
	}
	look(t, d)
	tags, err := s.files.Tags(ctx, "logs/ssl/1")
	if err != nil || !maps.Equal(tags, theirs) {
		t.Errorf("tags %v, %v, want theirs alone", tags, err)
	}
	if err := s.files.MergeTags(ctx, "logs/ssl/1", nil, []string{"owner"}); err != nil {
		t.Fatal(err)
	}
	s.wantFinished(r.ID)
	s.wantRows("dns", 0, map[string]int{"a": 3, "b": 1, "c": 1})
	s.wantRows("ssl", 0, map[string]int{"x": 1})
	version := s.replay(r.ID).Version
	look(t, d)
	if again, err := d.Finish(ctx, r.ID, true, "test"); err != nil || again.Version != version {
		t.Errorf("a replay that is over was touched: version %d, %v, want %d", again.Version, err, version)
	}
}

// TestWatchLoop has the loop do it all, listing included, and end with its context.
func TestWatchLoop(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.put("logs/dns/1", "a")
	d := s.driver("watcher", nil)
	r, err := d.Start(context.Background(), params("dns"))
	if err != nil {
		t.Fatal(err)
	}
	s.workers()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- d.Watch(ctx) }()
	until(t, "the end", func() bool { return s.replay(r.ID).State == ledger.Finished })
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Watch = %v, want nil after its context", err)
	}
	s.wantRows("dns", 0, map[string]int{"a": 1})
}

// TestWake has a watcher whose next look is an hour away come to the end, because the workers tell it when they have nothing
// left to do, and tell of each look.
func TestWake(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.put("logs/dns/1", "a")
	s.put("logs/dns/2", "b")
	r := s.running("dns")
	d := s.driver("watcher", nil, func(o *replay.Options) { o.Interval = time.Hour })
	looked := make(chan struct{}, 100)
	d.Hasten(time.Hour, func() { looked <- struct{}{} })
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- d.Watch(ctx) }()
	<-looked
	d.Wake() // messages wait: there is nothing to look at
	s.workers(func(o *worker.Options) { o.Dry = d.Wake })
	until(t, "the end", func() bool { return s.replay(r.ID).State == ledger.Finished })
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	s.wantRows("dns", 0, map[string]int{"a": 1, "b": 1})
}

// TestWatchLog has looks fail for one reason, and then for another: each is told, and not again at every look.
func TestWatchLog(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	reasons := []error{errors.New("no such table"), errors.New("no permission")}
	const each = 50
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	looks := 0
	tap := &tap{hook: func(c call) error {
		if c.name != "Replays" || c.after {
			return nil
		}
		if looks++; looks == each*len(reasons) {
			stop()
		}
		return reasons[(looks-1)/each%len(reasons)]
	}}
	core, logs := observer.New(zap.WarnLevel)
	if err := s.driver("watcher", tap, func(o *replay.Options) { o.Log = zap.New(core) }).Watch(ctx); err != nil {
		t.Error(err)
	}
	for _, reason := range reasons {
		told := 0
		for _, line := range logs.FilterMessage("watching").All() {
			if strings.Contains(fmt.Sprint(line.ContextMap()["error"]), reason.Error()) {
				told++
			}
		}
		if told == 0 || told >= each-1 {
			t.Errorf("%q was told %d times in %d looks", reason, told, each)
		}
	}
}

// TestChain runs three replays of one protocol: the generation before stays, the one before that is purged, and
// nothing else is.
func TestChain(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.workers()
	d := s.driver("watcher", nil)
	want := []map[string]int{{"a": 1}, {"a": 2}, {"a": 3}, {"a": 4}}
	lines := []string{}
	for i := range want {
		lines = append(lines, "a")
		s.put("logs/dns/1", lines...)
		r := s.running("dns")
		s.done(r.ID)
		s.watch(d, r.ID, ledger.Finished)
		s.wantFinished(r.ID)
		until(t, "the purge", func() bool { look(t, d); return len(s.protocol("dns").Purging) == 0 })
		n := int64(i + 1)
		p := s.protocol("dns")
		gens := []int64{n - 1, n}
		if n == 1 {
			gens = []int64{1}
		}
		if p.Serving != n || p.Previous != n-1 || !slices.Equal(p.Gens, gens) {
			t.Errorf("after replay %d: %+v", n, p)
		}
		s.wantRows("dns", 0, want[i])
		if n > 1 {
			s.wantRows("dns", n-1, want[i-1])
		}
		if n > 2 {
			_, err := d.Read(context.Background(), "dns", "queries", n-2)
			wantError(t, err, replay.ErrUnknown, "removed")
			s.wantNoRows(n - 2)
		}
	}
}

// wantNoRows looks into the table itself.
func (s *system) wantNoRows(generation int64) {
	s.t.Helper()
	for base := range int64(5) {
		p := ledger.RowsParams{Protocol: "dns", Generation: generation, Statistic: "queries", Base: base}
		for row, err := range s.ledger.Rows(context.Background(), p) {
			s.t.Errorf("generation %d has the row %s of base %d, %v", generation, row.Key, base, err)
		}
	}
}

// TestPurgeNamed purges what is named and nothing else, and tells of it only when it is all gone.
func TestPurgeNamed(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	for g := int64(1); g <= 4; g++ {
		for _, part := range []string{ledger.BasePart(1, 0), "live.3"} {
			rows := []ledger.Row{{Statistic: "queries", Day: "-", Key: `["a"]`, Dims: []byte(`["a"]`), Measures: []byte(`{}`), State: []byte("x")}}
			if err := s.ledger.PutRows(ctx, ledger.Part{Protocol: "dns", Generation: g, Name: part}, rows); err != nil {
				t.Fatal(err)
			}
		}
	}
	p := ledger.Protocol{Name: "dns", Epoch: 4, Gens: []int64{3, 4}, Serving: 4, Complete: 4, Previous: 3, Purging: []int64{1}}
	if err := s.ledger.Write(ctx, ledger.Writes{Protocols: []ledger.Protocol{p}}); err != nil {
		t.Fatal(err)
	}
	removed := 0
	tap := &tap{hook: func(c call) error {
		if c.name == "Purge" && c.after {
			if removed++; len(s.protocol("dns").Purging) == 0 {
				t.Error("the name went before the rows")
			}
		}
		return nil
	}}
	d := s.driver("watcher", tap)
	until(t, "the purge", func() bool { look(t, d); return len(s.protocol("dns").Purging) == 0 })
	look(t, d)
	if removed != 2 { // the rows, and nothing any more
		t.Errorf("%d purges", removed)
	}
	for g := int64(1); g <= 4; g++ {
		n := 0
		for _, err := range s.ledger.Rows(ctx, ledger.RowsParams{Protocol: "dns", Generation: g, Statistic: "queries", Base: 1}) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if want := map[int64]int{1: 0, 2: 2, 3: 2, 4: 2}[g]; n != want {
			t.Errorf("generation %d has %d rows, want %d", g, n, want)
		}
	}
}

// TestTagsStay has one object whose tags cannot be taken off: readers have the new generation, the others are clean,
// the replay says what it waits for, and ends when they can.
func TestTagsStay(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	for _, key := range []string{"logs/dns/1", "logs/dns/2", "logs/dns/3"} {
		s.put(key, "a")
	}
	r := s.running("dns")
	s.workers()
	s.done(r.ID)
	denied := true
	d := s.driver("watcher", nil, func(o *replay.Options) { o.Archive = denying{o.Archive, "logs/dns/2", &denied} })
	look(t, d)
	s.still()
	if err := d.Look(ctx); !errors.Is(err, errCut) {
		t.Errorf("Look = %v, want the error", err)
	}
	now := s.replay(r.ID)
	if now.State != ledger.Folding || !now.Promoted || s.protocol("dns").Replay != r.ID {
		t.Errorf("%s, promoted %t, want to wait for the tags", now.State, now.Promoted)
	}
	if want := "the tags of 1 objects to be taken off: taking the tags off logs/dns/2: cut off"; now.Waits != want {
		t.Errorf("waits for %q, want %q", now.Waits, want)
	}
	for key, n := range map[string]int{"logs/dns/1": 0, "logs/dns/2": 3, "logs/dns/3": 0} {
		if tags, err := s.files.Tags(ctx, key); err != nil || len(tags) != n {
			t.Errorf("%s bears %v, %v, want %d", key, tags, err, n)
		}
	}
	for patience, held := range map[time.Duration]bool{time.Hour: false, 0: true} {
		replay.FoldPatience(d, patience)
		if h, err := d.Held(ctx); err != nil || len(h) != 1 || h[0].Held != held {
			t.Errorf("held %+v, %v, want %t after %v", h, err, held, patience)
		}
	}
	s.wantRows("dns", 0, map[string]int{"a": 3})
	denied = false
	look(t, d)
	s.wantFinished(r.ID)
}

// denying refuses to change the tags of one object.
type denying struct {
	archive.Archive
	key    string
	denied *bool
}

func (a denying) MergeTags(ctx context.Context, key string, set map[string]string, remove []string) error {
	if key == a.key && *a.denied {
		return errCut
	}
	return a.Archive.MergeTags(ctx, key, set, remove)
}
