package replay_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

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
	"lines do not add up":      {change: func(l *loan) { l.Counted++; l.Read++; l.Line++ }},
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
