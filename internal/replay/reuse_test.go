package replay_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/logline"
	"github.com/seed-56345083/reprise/internal/replay"
	"github.com/seed-56345083/reprise/internal/stats"
	"github.com/seed-56345083/reprise/worker"
)

// reusing are the parameters of a replay that takes over from another one.
func reusing(from string, protocols ...string) replay.StartParams {
	p := params(protocols...)
	p.Reuse = from
	return p
}

// replayedWith takes a replay with these parameters to its end, with workers of its own, and tells what it has read: the
// keys of the messages that were sent for objects.
func (s *system) replayedWith(p replay.StartParams) (r ledger.Replay, read []string) {
	s.t.Helper()
	d := s.operator(nil)
	r = s.start(d, p)
	for c, err := range s.ledger.Scan(context.Background(), ledger.ScanParams{Replay: r.ID}) {
		if err != nil {
			s.t.Fatal(err)
		}
		if !c.Reused() {
			read = append(read, c.Key)
		}
	}
	if c, err := s.work.Counts(context.Background()); err != nil || c.Visible != int64(len(read)) {
		s.t.Errorf("%+v messages, %v, want those of %v", c, err, read)
	}
	if n := r.Listing.Objects - r.Listing.Reused; n != int64(len(read)) {
		s.t.Errorf("listing %+v, want %d objects that are to be read", r.Listing, len(read))
	}
	slices.Sort(read)
	stop := s.pool(none)
	defer stop()
	s.watch(d, r.ID, ledger.Finished)
	s.wantFinished(r.ID)
	return s.replay(r.ID), read
}

// linesRead is how many lines the workers have read of a replay.
func (s *system) linesRead(id string) (n int64) {
	s.t.Helper()
	reports, err := s.ledger.Progress(context.Background(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, r := range reports {
		n += r.Lines
	}
	return n
}

func wantKeys(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q were read, want %q", what, got, want)
	}
}

// TestReuse replays again and again, each time from what the one before has: only what has changed is read, and the rows
// are those of all that there is.
func TestReuse(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	for i := range 9 {
		s.put(fmt.Sprintf("logs/dns/%d", i), "a", fmt.Sprint(i), "!")
	}
	s.put("logs/ssl/1", "s", "s")
	first, _ := s.replayedWith(params("dns", "ssl"))

	s.put("logs/dns/4", "b", "changed")
	s.put("logs/dns/new", "b")
	s.remove("logs/dns/8")
	second, read := s.replayedWith(reusing(first.ID, "dns", "ssl"))
	wantKeys(t, "one changed, one new", read, "logs/dns/4", "logs/dns/new")
	if n := s.linesRead(second.ID); n != 3 {
		t.Errorf("%d lines were read, want 3", n)
	}
	want := map[string]int{"a": 7, "b": 2, "changed": 1, "0": 1, "1": 1, "2": 1, "3": 1, "5": 1, "6": 1, "7": 1}
	s.wantRows("dns", 0, want)
	s.wantRows("ssl", 0, map[string]int{"s": 2})
	c, err := s.operator(nil).Certify(ctx, second.ID, nil)
	if err != nil || c.Objects.Reused != 8 || c.Lines.Rejected != 7 || c.Lines.Counted != 7*2+3+2 {
		t.Errorf("certificate %+v, %v", c, err)
	}
	if now, err := s.operator(nil).Status(ctx, second.ID); err != nil || now.Reuse != first.ID || now.Objects.Reused != 8 || now.Objects.Finished != 10 {
		t.Errorf("status %+v, %v", now, err)
	}
	if o := s.cursor(second.ID, "logs/dns/3"); !o.Reused() || len(o.Rejects) != 1 || o.Rejects[0].Line != 2 || len(o.Partial) == 0 || o.Rows != 2 || o.Owner != "" {
		t.Errorf("taken over: %+v", o)
	}

	third, read := s.replayedWith(reusing(second.ID, "dns", "ssl")) // of what was taken over itself, all of it
	wantKeys(t, "nothing changed", read)
	s.wantRows("dns", 0, want)
	if third.Listing.Reused != 10 || third.Listing.ReusedBytes != third.Listing.Bytes || third.Fold.Number != 1 {
		t.Errorf("%+v", third)
	}

	p := reusing(third.ID, "dns", "ssl")
	p.Protocols[0].Definition.Stats[0].Where = `q != "a"`
	fourth, read := s.replayedWith(p)
	wantKeys(t, "another definition of dns", read, "logs/dns/0", "logs/dns/1", "logs/dns/2", "logs/dns/3", "logs/dns/4", "logs/dns/5",
		"logs/dns/6", "logs/dns/7", "logs/dns/new")
	delete(want, "a")
	s.wantRows("dns", 0, want)

	// Rolled back and purged, the rows of a replay are not what it counted.
	if _, err := s.operator(nil).Rollback(ctx, []string{"dns"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.operator(nil).Purge(ctx, []string{"dns"}); err != nil {
		t.Fatal(err)
	}
	until(t, "the purge", func() bool { look(t, s.operator(nil)); return len(s.protocol("dns").Purging) == 0 })
	p.Reuse = fourth.ID
	_, read = s.replayedWith(p)
	wantKeys(t, "after a purge", read)
	s.wantRows("dns", 0, want)
	_, read = s.replayedWith(reusing(first.ID, "dns")) // of one of its protocols, and long ago
	wantKeys(t, "the first one", read, "logs/dns/4", "logs/dns/new")
}

// TestReuseRefused: what is not there is refused before anything is done.
func TestReuseRefused(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	s.put("logs/dns/1", "a")
	d := s.operator(nil)
	p := reusing("01K00000000000000000000000", "dns")
	_, err := d.Start(ctx, p)
	wantError(t, err, replay.ErrReuse, "there is no replay 01K00000000000000000000000", "reprise list")
	wantError(t, d.Check(ctx, p), replay.ErrReuse)
	_, err = d.DryRun(ctx, p)
	wantError(t, err, replay.ErrReuse)
	if now := s.protocol("dns"); now.Version != 0 {
		t.Errorf("something was written: %+v", now)
	}
}

// lend writes an earlier replay down whose cursor for logs/dns/1 is that of a real one, with a change.
func (s *system) lend(of ledger.Replay, change func(*loan)) string {
	s.t.Helper()
	ctx := context.Background()
	l := loan{Replay: of, Cursor: s.cursor(of.ID, "logs/dns/1")}
	l.ID, l.Version = ulid.Make().String(), 0
	l.Protocols = slices.Clone(of.Protocols)
	l.definition = definition("dns")
	change(&l)
	if !bytes.Equal(l.definition.Encode(), definition("dns").Encode()) {
		p := s.protocol("dns") // whose epoch it takes, as a start does
		p.Epoch++
		l.Replay.Protocols[0].Generation = p.Epoch
		g := ledger.Generation{Protocol: "dns", Number: p.Epoch, Definition: l.definition.Encode(), Hash: l.definition.Hash(), Replay: l.ID}
		if err := s.ledger.Write(ctx, ledger.Writes{Protocols: []ledger.Protocol{p}, Generations: []ledger.Generation{g}}); err != nil {
			s.t.Fatal(err)
		}
	}
	l.Cursor.Replay = l.ID
	err := s.ledger.Write(ctx, ledger.Writes{Replays: []ledger.Replay{l.Replay}})
	if err == nil {
		err = s.ledger.Insert(ctx, []ledger.Cursor{l.Cursor})
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return l.ID
}

// loan is what an earlier replay has of one object.
type loan struct {
	ledger.Replay
	ledger.Cursor
	definition stats.Definition
}

// loans are changes of an earlier replay, and whether the object may be taken over then.
var loans = map[string]struct {
	change func(*loan)
	now    func(*replay.StartParams)
	taken  bool
}{
	"the same":                 {taken: true},
	"cancelled":                {change: func(l *loan) { l.Replay.State = ledger.Cancelled }, taken: true},
	"never listed to its end":  {change: func(l *loan) { l.Replay.State, l.Listing.Done = ledger.Paused, false }, taken: true},
	"pending":                  {change: func(l *loan) { l.Cursor.State = ledger.Pending }},
	"processing":               {change: func(l *loan) { l.Cursor.State = ledger.Processing }},
	"failed":                   {change: func(l *loan) { l.Cursor.State = ledger.Failed }},
	"another ETag":             {change: func(l *loan) { l.ETag += "x" }},
	"no ETag":                  {change: func(l *loan) { l.ETag = "" }},
	"another size":             {change: func(l *loan) { l.Size++; l.Consumed++ }},
	"not consumed":             {change: func(l *loan) { l.Consumed-- }},
	"accounts do not close":    {change: func(l *loan) { l.Read++; l.Line++ }},
	"not at its last line":     {change: func(l *loan) { l.Line-- }},
	"another protocol's":       {change: func(l *loan) { l.Cursor.Protocol = "ssl" }},
	"a replay of others":       {change: func(l *loan) { l.Protocols[0].Name = "ssl" }},
	"no object of it":          {change: func(l *loan) { l.Key = "logs/dns/0" }},
	"a part of a fold":         {change: func(l *loan) { l.Key, l.Cursor.Fold = ledger.FoldKey(1, 0), true }},
	"partial cut off":          {change: func(l *loan) { l.Partial = l.Partial[:len(l.Partial)-1] }},
	"partial damaged":          {change: func(l *loan) { l.Partial = slices.Clone(l.Partial); l.Partial[len(l.Partial)/2] ^= 4 }},
	"partial of another codec": {change: func(l *loan) { l.Partial = slices.Clone(l.Partial); l.Partial[2]++ }},
	"partial gone":             {change: func(l *loan) { l.Partial = nil }},
	"rows do not add up":       {change: func(l *loan) { l.Rows++ }},
	"segment gone":             {change: func(l *loan) { l.Segments = []ledger.Segment{{Epoch: 1, To: 1}} }},
	"another aggregator":       {change: func(l *loan) { l.definition.Aggregator = stats.Version + 1 }},
	"aggregator before":        {change: func(l *loan) { l.definition.Aggregator = stats.Version - 1 }, taken: stats.Version == 1}, // 0 is this one
	"another consumer": {change: func(l *loan) {
		l.definition.Format = logline.Format{Name: "go", Consumer: "theirs", Version: "2"}
	}},
	"another statistic":                     {change: func(l *loan) { l.definition.Stats[0].Measures[0].Func = "count(q)" }},
	"another max_line":                      {change: func(l *loan) { l.definition.MaxLine = 100 }},
	"every line counted, whatever its time": {change: func(l *loan) { l.Protocols[0].Rule = ledger.RuleAll }},
	"by an unknown rule":                    {change: func(l *loan) { l.Protocols[0].Rule = "some" }},
	"after its cutoff nothing, and a later one now": {
		change: func(l *loan) { l.Cutoff = l.Cutoff.Add(-time.Nanosecond) }, taken: true,
	},
	"an earlier cutoff now": {change: func(l *loan) { l.Cutoff = l.Cutoff.Add(time.Nanosecond) }},
	"lines after the same cutoff": {
		change: func(l *loan) { l.Read++; l.Line++; l.AfterCutoff++ }, taken: true,
	},
	"lines after an earlier cutoff": {
		change: func(l *loan) { l.Read++; l.Line++; l.AfterCutoff++; l.Cutoff = l.Cutoff.Add(-time.Nanosecond) },
	},
	"bad lines, as many as allowed": {
		change: func(l *loan) { l.Read++; l.Line++; l.Rejected++ }, now: func(p *replay.StartParams) { p.Protocols[0].Rejects = 0.25 }, taken: true,
	},
	"bad lines, more than allowed": {
		change: func(l *loan) { l.Read++; l.Line++; l.Rejected++ }, now: func(p *replay.StartParams) { p.Protocols[0].Rejects = 0.2 },
	},
}

// TestLoans changes one thing at a time of what an earlier replay has: only where what an object counts to cannot be another one
// it is taken over.
func TestLoans(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	s.put("logs/dns/1", "a", "a", "b")
	s.put("logs/dns/0", "c")
	first, _ := s.replayedWith(params("dns"))
	d := s.operator(nil)
	for name, l := range loans {
		change := l.change
		if change == nil {
			change = func(*loan) {}
		}
		id := s.lend(first, change)
		p := reusing(id, "dns")
		p.Cutoff = first.Cutoff
		if l.now != nil {
			l.now(&p)
		}
		dry, err := d.DryRun(ctx, p)
		if err != nil {
			t.Fatal(err)
		}
		r := s.start(d, p)
		c := s.cursor(r.ID, "logs/dns/1")
		other := s.cursor(r.ID, "logs/dns/0")
		if c.Reused() != l.taken || other.Reused() {
			t.Errorf("%s: the cursor is %+v, want it taken over: %t", name, c, l.taken)
		}
		if !c.Reused() && (c.State != ledger.Pending || c.Line != 0 || len(c.Partial)+len(c.Segments) > 0 || c.Read > 0) {
			t.Errorf("%s: the cursor to be read is %+v", name, c)
		}
		if n := dry.Protocols[0].Reused; n > 1 || n == 0 && l.taken {
			t.Errorf("%s: a dry run said %+v", name, dry)
		}
		if _, err := d.Cancel(ctx, r.ID); err != nil {
			t.Fatal(err)
		}
		tasks(t, s.work)
	}
	now, _ := s.replayedWith(reusing(first.ID, "dns"))
	if dry, err := d.DryRun(ctx, reusing(now.ID, "dns")); err != nil || dry.Protocols[0].Reused != 2 || dry.Protocols[0].ReusedBytes != dry.Protocols[0].Bytes {
		t.Errorf("dry run %+v, %v", dry, err)
	}
}

// TestReuseFailed: an object that failed, left out by somebody's word or not, is read.
func TestReuseFailed(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	s.put("logs/dns/1", "a")
	s.corrupt("logs/dns/2")
	stop := s.pool(none)
	d := s.operator(nil)
	first := s.start(d, params("dns"))
	s.done(first.ID)
	if _, err := d.Finish(ctx, first.ID, true, "them"); err != nil && !errors.Is(err, replay.ErrHeld) {
		t.Fatal(err)
	}
	s.watch(d, first.ID, ledger.Finished)
	stop()
	tasks(t, s.dead)
	r := s.start(d, reusing(first.ID, "dns"))
	if got := keys(tasks(t, s.work)); !slices.Equal(got, []string{"logs/dns/2"}) {
		t.Errorf("%q are to be read", got)
	}
	if c := s.cursor(r.ID, "logs/dns/2"); c.State != ledger.Pending || c.Error != "" {
		t.Errorf("%+v", c)
	}
}

// TestReuseNarrowed takes over from a replay of a part of the archive: what it has not listed is read.
func TestReuseNarrowed(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.days()
	first, _ := s.sideReplayed(dated(ledger.Narrow{Since: day(2), Until: day(3)}))
	p := dated(ledger.Narrow{})
	p.Reuse = first.ID
	second, read := s.replayedWith(p)
	wantKeys(t, "the rest", read, "logs/dns/2026-01-01/a", "logs/dns/2026-01-03/a")
	s.wantRows("dns", 0, map[string]int{"one": 1, "two": 2, "three": 3})
	p = dated(ledger.Narrow{Since: day(2)})
	p.Reuse = second.ID
	side, read := s.sideReplayed(p)
	wantKeys(t, "a part of what is known", read)
	s.wantRows("dns", side.Protocols[0].Generation, map[string]int{"two": 2, "three": 3})
}

// sideReplayed is replayedWith for a side generation, which never serves.
func (s *system) sideReplayed(p replay.StartParams) (r ledger.Replay, read []string) {
	s.t.Helper()
	d := s.operator(nil)
	r = s.start(d, p)
	read = keys(tasks(s.t, s.work))
	for _, key := range read {
		s.wake(r.ID, key, false)
	}
	stop := s.pool(none)
	defer stop()
	s.watch(d, r.ID, ledger.Finished)
	if c, err := d.Certify(context.Background(), r.ID, nil); err != nil || !c.Closes() {
		s.t.Errorf("certificate %+v, %v", c, err)
	}
	return s.replay(r.ID), read
}

// TestReuseSealed takes over what does not fit into a cursor, twice, and reads it when it is gone.
func TestReuseSealed(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	var texts []string
	want := map[string]int{}
	for i := range 2000 {
		text := fmt.Sprint(i % 1500)
		texts = append(texts, text)
		want[text]++
	}
	s.put("logs/dns/1", texts...)
	d := s.operator(nil)
	stop := s.pool(func(o *worker.Options) { o.Memory = 1 })
	first := s.start(d, params("dns"))
	s.done(first.ID)
	stop()
	old := s.cursor(first.ID, "logs/dns/1")
	if len(old.Segments) < 3 {
		t.Fatalf("only %d segments", len(old.Segments))
	}
	stop = s.pool(none)
	s.watch(d, first.ID, ledger.Finished)
	stop()
	second, read := s.replayedWith(reusing(first.ID, "dns"))
	wantKeys(t, "sealed", read)
	s.wantRows("dns", 0, want)
	c := s.cursor(second.ID, "logs/dns/1")
	if len(c.Segments) != len(old.Segments) || c.Rows != old.Rows || c.Line != 2000 {
		t.Errorf("%+v of %+v", c, old)
	}
	for i, segment := range c.Segments {
		then, err := s.ledger.Segment(ctx, old.CursorID, old.Segments[i])
		now, err2 := s.ledger.Segment(ctx, c.CursorID, segment)
		if err != nil || err2 != nil || !bytes.Equal(then, now) || segment.Epoch != 0 {
			t.Errorf("segment %+v: %v, %v", segment, err, err2)
		}
	}
	if _, err := s.ledger.DeleteSegments(ctx, first.ID, 1000); err != nil {
		t.Fatal(err)
	}
	third, read := s.replayedWith(reusing(second.ID, "dns"))
	wantKeys(t, "taken over before", read)
	if n, err := s.ledger.DeleteSegments(ctx, third.ID, 1); err != nil || n != 1 { // one is enough
		t.Fatal(n, err)
	}
	_, read = s.replayedWith(reusing(third.ID, "dns"))
	wantKeys(t, "a segment gone", read, "logs/dns/1")
	s.wantRows("dns", 0, want)
}

// TestReuseParts: the fold is cut by the rows of what was taken over, and by those of what was read.
func TestReuseParts(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	for i := range 10 {
		var texts []string
		for j := range 20 {
			texts = append(texts, fmt.Sprint(i*20+j))
		}
		s.put(fmt.Sprintf("logs/dns/%d", i), texts...)
	}
	first, _ := s.replayedWith(params("dns"))
	d := s.operator(nil, func(o *replay.Options) { o.RowsPerPart = 50 })
	replay.PageSize(d, 2)
	replay.ShortTurns(d)
	r, err := d.Start(context.Background(), reusing(first.ID, "dns"))
	if err != nil {
		t.Fatal(err)
	}
	stop := s.pool(none)
	defer stop()
	s.watch(d, r.ID, ledger.Finished) // each look lists a page
	s.wantFinished(r.ID)
	if now := s.replay(r.ID); now.Fold.Parts[0].Of < 4 || now.Fold.Parts[0].Of > 6 || now.Listing.Reused != 10 {
		t.Errorf("parts %+v, listing %+v", now.Fold.Parts, now.Listing)
	}
	if now, err := d.Status(context.Background(), r.ID); err != nil || now.Workers != 0 || now.LinesPerSecond != 0 {
		t.Errorf("status %+v, %v: nobody has read anything", now, err)
	}
}

// TestReuseTags: the tags of what is taken over say FINISHED, where they are asked for.
func TestReuseTags(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]map[string]string{
		archive.TagsAll:   {"logs/dns/1": "FINISHED", "logs/dns/2": "PENDING"},
		archive.TagsFinal: {"logs/dns/1": "FINISHED", "logs/dns/2": ""},
		archive.TagsOff:   {"logs/dns/1": "", "logs/dns/2": ""},
	} {
		s := newSystem(t)
		s.put("logs/dns/1", "a")
		s.put("logs/dns/2", "a")
		first, _ := s.replayedWith(params("dns"))
		s.put("logs/dns/2", "b")
		p := reusing(first.ID, "dns")
		p.Tags = mode
		d := s.operator(nil)
		r := s.start(d, p)
		for key, state := range want {
			if tags, err := s.files.Tags(context.Background(), key); err != nil || tags[archive.TagReplay] != state {
				t.Errorf("tags %s: %s has %v, %v, want %q", mode, key, tags, err, state)
			}
		}
		stop := s.pool(none)
		s.watch(d, r.ID, ledger.Finished)
		stop()
		s.wantFinished(r.ID)
	}
}

// TestReuseImmediate: totals that move begin with what was taken over.
func TestReuseImmediate(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.put("logs/dns/1", "a")
	s.put("logs/dns/2", "b")
	first, _ := s.replayedWith(params("dns"))
	s.put("logs/dns/2", "c")
	p := reusing(first.ID, "dns")
	p.Immediate, p.FoldEvery = true, 1
	d := s.operator(nil)
	r := s.start(d, p)
	open := tasks(t, s.work)
	stop := s.pool(none)
	defer stop()
	until(t, "the interim fold", func() bool { look(t, d); s.still(); return s.replay(r.ID).Fold.Done })
	s.wantRows("dns", 0, map[string]int{"a": 1})
	for _, task := range open {
		s.wake(r.ID, task.Key, false)
	}
	s.watch(d, r.ID, ledger.Finished)
	s.wantRows("dns", 0, map[string]int{"a": 1, "c": 1})
}

// TestReuseOtherVersion: a process that cannot read the definition takes nothing over, and does not have everything read
// for it: the one that started the replay can.
func TestReuseOtherVersion(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	s.put("logs/dns/1", "a")
	first, _ := s.replayedWith(params("dns"))
	d := s.operator(nil)
	r, err := d.Start(ctx, reusing(first.ID, "dns"))
	if err != nil {
		t.Fatal(err)
	}
	later := definition("dns")
	later.Aggregator = stats.Version + 1
	for _, n := range []int64{1, 2} {
		g, err := s.ledger.Generation(ctx, "dns", n)
		if err != nil {
			t.Fatal(err)
		}
		g.Definition, g.Hash = later.Encode(), later.Hash()
		if err := s.ledger.Write(ctx, ledger.Writes{Generations: []ledger.Generation{g}}); err != nil {
			t.Fatal(err)
		}
	}
	wantError(t, d.Continue(ctx, r.ID, nil), stats.ErrVersion, "dns")
	if sum := s.summary(r.ID); sum.Total().Objects > 0 {
		t.Errorf("%+v was written down", sum)
	}
}

// TestReuseLive takes over beside a live side: objects of our archiver, those that were counted live, and what a cutoff has
// split.
func TestReuseLive(t *testing.T) {
	t.Parallel()
	l := newLively(t)
	d := l.opened("dns")
	write := func(texts ...string) (key string) {
		ids := l.arrive("dns", texts...)
		l.live("dns", ids...)
		b := l.batch("dns", ids...)
		l.write(b.ID)
		return b.Key
	}
	finish := func(p replay.StartParams) (r ledger.Replay, read []string) {
		t.Helper()
		r = l.open(d, p)
		if err := d.Continue(context.Background(), r.ID, nil); err != nil {
			t.Fatal(err)
		}
		read = keys(tasks(t, l.work))
		for _, key := range read {
			l.wake(r.ID, key, false)
		}
		stop := l.pool(none)
		defer stop()
		l.watch(d, r.ID, ledger.Finished)
		return l.replay(r.ID), read
	}
	write("a", "b")
	first, _ := finish(params("dns"))
	later := write("c") // of the epoch that the first replay has raised: counted live
	second, read := finish(reusing(first.ID, "dns"))
	wantKeys(t, "an object of a later epoch", read, later)
	l.wantAll("dns", 0)
	if second.Protocols[0].Rule != ledger.RuleAll || second.Listing.Reused != 1 {
		t.Errorf("%+v", second)
	}
	last := write("d")
	side := reusing(second.ID, "dns") // its rule is by time: what counted whatever its time may lie after the cutoff
	side.Cutoff = time.Now().Add(-time.Microsecond)
	split, read := finish(side)
	if !split.Side || len(read) != 3 {
		t.Errorf("%+v: %q were read", split, read)
	}
	_, read = finish(reusing(split.ID, "dns")) // no line of it lies after that cutoff
	wantKeys(t, "a side generation", read)
	side.Cutoff = time.Now().Add(-time.Hour)
	side.Reuse = ""
	split, _ = finish(side)
	_, read = finish(reusing(split.ID, "dns")) // all lines do
	if len(read) != 3 || !slices.Contains(read, last) {
		t.Errorf("%q were read", read)
	}
	l.wantAll("dns", 0)
}

// TestReuseSecondListing takes over what the second listing of an archive of others finds, and reads what is new.
func TestReuseSecondListing(t *testing.T) {
	t.Parallel()
	l := newLively(t)
	l.late = time.Hour
	l.put("logs/dns/1", "a")
	l.put("logs/dns/2", "b")
	d := l.opened("dns")
	due := func(id string) {
		l.set(id, func(r *ledger.Replay) { r.Listing.Again = time.Now().UTC() })
	}
	first := l.start(d, others("dns"))
	due(first.ID)
	l.finish(d, first.ID)
	kept := l.away("logs/dns/2")
	p := others("dns")
	p.Reuse = first.ID
	r := l.start(d, p)
	if r.Listing.Reused != 1 || r.Listing.Done {
		t.Errorf("after the first listing: %+v", r.Listing)
	}
	l.restore("logs/dns/2", kept)
	l.put("logs/dns/3", "c")
	due(r.ID)
	look(t, d)
	read := keys(tasks(t, l.work))
	wantKeys(t, "listed again", read, "logs/dns/3")
	if c := l.cursor(r.ID, "logs/dns/2"); !c.Reused() || l.replay(r.ID).Listing.Reused != 2 {
		t.Errorf("%+v, listing %+v", c, l.replay(r.ID).Listing)
	}
	l.wake(r.ID, "logs/dns/3", false)
	l.finish(d, r.ID)
	l.wantRows("dns", 0, map[string]int{"a": 1, "b": 1, "c": 1})
}

// TestReuseKeepsLease: a page that takes over much is one process's as long as that lasts.
func TestReuseKeepsLease(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	for i := range 150 { // of one page, which is written down in three pieces
		s.put(fmt.Sprintf("logs/dns/%d", i), "a")
	}
	first := s.start(s.operator(nil), params("dns"))
	s.free("dns")
	r, err := s.operator(nil).Start(context.Background(), reusing(first.ID, "dns"))
	if err != nil {
		t.Fatal(err)
	}
	var inserted, renewed int
	d := s.driver("lister", &tap{hook: func(now call) error {
		switch {
		case now.name == "Insert" && !now.after:
			inserted++
		case now.name == "AcquireLease" && !now.after && inserted > 0:
			renewed++
		}
		return nil
	}}, noLease)
	if err := d.Continue(context.Background(), r.ID, nil); err != nil {
		t.Fatal(err)
	}
	if inserted != 3 || renewed < 2 {
		t.Errorf("the lease was renewed %d times between %d pieces", renewed, inserted)
	}
}

// TestReuseOvertaken: whoever had the lease in between and died has written an object of the next page down to be read, as it
// had changed at the time. It is as it was again, and is read all the same: its cursor stays, so it has a message.
func TestReuseOvertaken(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	for _, name := range []string{"a", "b", "c", "d"} {
		s.put("logs/dns/"+name, "x")
	}
	first, _ := s.replayedWith(params("dns"))
	r, err := s.operator(nil).Start(context.Background(), reusing(first.ID, "dns"))
	if err != nil {
		t.Fatal(err)
	}
	overtake := func() {
		original := s.away("logs/dns/c")
		s.put("logs/dns/c", "changed")
		dies := &tap{hook: func(now call) error {
			if now.name == "MergeTags" || now.name == "Send" {
				return errCut
			}
			return nil
		}}
		if err := s.driver("other", dies, noLease).Continue(context.Background(), r.ID, nil); !errors.Is(err, errCut) {
			t.Errorf("the other one: %v", err)
		}
		s.restore("logs/dns/c", original)
	}
	pages := 0
	d := s.driver("lister", &tap{hook: func(now call) error {
		if now.name == "Write" && now.after {
			if pages++; pages == 1 {
				overtake()
			}
		}
		return nil
	}}, noLease)
	replay.PageSize(d, 2)
	if err := d.Continue(context.Background(), r.ID, nil); err != nil {
		t.Fatal(err)
	}
	wantKeys(t, "overtaken", keys(tasks(t, s.work)), "logs/dns/c")
	if c, n := s.cursor(r.ID, "logs/dns/c"), s.replay(r.ID).Listing.Reused; c.State != ledger.Pending || n != 3 {
		t.Errorf("%+v, %d were taken over", c, n)
	}
}

// TestReuseCut cuts a listing that takes over off at each of its calls, in four ways. The archive changes
// meanwhile, so that the next attempt decides otherwise about some objects: whatever was decided, what is to be read has a
// message, and what was taken over is what the earlier replay had.
func TestReuseCut(t *testing.T) {
	t.Parallel()
	for name, c := range cuts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			for c.at = 0; ; c.at++ {
				if !s.reuseCut(t, c) {
					break
				}
			}
			t.Logf("%d points", c.at)
			if c.at < 40 {
				t.Errorf("only %d points: the listing was not cut at all its calls", c.at)
			}
		})
	}
}

func (s *system) reuseCut(t *testing.T, c cut) bool {
	ctx := context.Background()
	prefix := fmt.Sprintf("cut-%d/", c.at)
	key := func(name string) string { return prefix + "dns/" + name }
	names := []string{"a", "b", "c", "d", "e"}
	p := params("dns")
	p.Prefix = prefix
	for _, name := range names {
		s.put(key(name), "x", name)
	}
	first := s.start(s.driver("starter", nil), p)
	tasks(t, s.work)
	program, err := stats.Compile(definition("dns"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		s.finishCounted(program, first.ID, key(name), "x", name)
	}
	s.free("dns")

	original := s.away(key("b"))
	s.put(key("b"), "y") // changed at first, then as it was
	s.put(key("c"), "changed")
	p.Reuse = first.ID
	r, err := s.driver("starter", nil).Start(ctx, p)
	if err != nil {
		t.Fatal(err)
	}
	tap, reached := c.tap()
	d := s.driver("first", tap, noLease)
	replay.PageSize(d, 2)
	if err := d.Continue(ctx, r.ID, nil); err != nil && !reached() {
		t.Errorf("an uncut listing: %v", err)
	}
	s.restore(key("b"), original)
	s.put(key("d"), "z") // as it was at first, then changed
	second := s.driver("second", nil)
	replay.PageSize(second, 3)
	if err := second.Continue(ctx, r.ID, nil); err != nil {
		t.Errorf("point %d: continuing: %v", c.at, err)
	}

	r = s.replay(r.ID)
	sent := keys(tasks(t, s.work))
	taken := int64(0)
	for _, name := range names {
		now, old := s.cursor(r.ID, key(name)), s.cursor(first.ID, key(name))
		switch {
		case now.Reused():
			taken++
			if now.ETag != old.ETag || !bytes.Equal(now.Partial, old.Partial) || now.Accounts != old.Accounts || now.Line != 2 || now.Rows != 2 || name == "c" {
				t.Errorf("point %d: %s: %+v was taken over from %+v", c.at, name, now, old)
			}
		case now.State != ledger.Pending || now.Line > 0 || !slices.Contains(sent, key(name)):
			t.Errorf("point %d: %s: %+v is to be read, messages are %q", c.at, name, now, sent)
		case name == "a" || name == "e":
			t.Errorf("point %d: %s has not changed, and is read", c.at, name)
		}
	}
	if l := r.Listing; r.State != ledger.Running || l.Objects != 5 || l.Reused != taken {
		t.Errorf("point %d: %s, listing %+v, %d were taken over", c.at, r.State, l, taken)
	}
	s.free("dns")
	return reached()
}

// finishCounted plays the worker of an object of these texts.
func (s *system) finishCounted(program *stats.Program, id, key string, texts ...string) {
	s.t.Helper()
	tally, err := program.NewTally(stats.Rule{All: true})
	if err != nil {
		s.t.Fatal(err)
	}
	c := ledger.Commit{To: int64(len(texts)), Accounts: ledger.Accounts{Read: int64(len(texts)), Counted: int64(len(texts))}}
	for i, text := range texts {
		line := fmt.Appendf(nil, `{"ts":"2026-01-02T03:04:05Z","q":%q}`, text)
		c.Accounts.Bytes += int64(len(line) + 1)
		if _, err := tally.Line(int64(i), line); err != nil {
			s.t.Fatal(err)
		}
	}
	c.Accounts.Consumed = c.Accounts.Bytes
	c.Partial, c.Rows = tally.Partial().AppendBlob(nil), int64(tally.Partial().Len())
	s.finishAs(ledger.CursorID{Replay: id, Key: key}, c)
}

// free takes a protocol from its replay.
func (s *system) free(protocol string) {
	s.t.Helper()
	free := s.protocol(protocol)
	free.Replay = ""
	if err := s.ledger.Write(context.Background(), ledger.Writes{Protocols: []ledger.Protocol{free}}); err != nil {
		s.t.Fatal(err)
	}
}

// away takes an object out of the archive and keeps it, as it is.
func (s *system) away(key string) (kept string) {
	s.t.Helper()
	kept = filepath.Join(s.t.TempDir(), "kept")
	if err := os.Rename(filepath.Join(s.dir, "archive", filepath.FromSlash(key)), kept); err != nil {
		s.t.Fatal(err)
	}
	return kept
}

func (s *system) restore(key, kept string) {
	s.t.Helper()
	if err := os.Rename(kept, filepath.Join(s.dir, "archive", filepath.FromSlash(key))); err != nil {
		s.t.Fatal(err)
	}
}
