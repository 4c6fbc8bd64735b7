package worker

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/queue"
)

// slowTags lets something happen just before a state is written into the tags.
type slowTags struct {
	archive.Archive
	state  ledger.State
	before func()
}

func (s *slowTags) MergeTags(ctx context.Context, key string, set map[string]string, remove []string) error {
	if set[archive.TagReplay] == string(s.state) {
		s.before()
	}
	return s.Archive.MergeTags(ctx, key, set, remove)
}

func (b *bed) wantNoTags(key string) {
	b.t.Helper()
	tags, err := b.archive.Tags(b.ctx, key)
	if err != nil || len(tags) != 0 {
		b.t.Errorf("tags left on %s: %v, %v", key, tags, err)
	}
}

// TestLateTags: the replay comes to its end, tags and all, while a worker is about to write FINISHED.
func TestLateTags(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*ledger.Replay){
		"promoted":  func(r *ledger.Replay) { r.Promoted = true },
		"finished":  func(r *ledger.Replay) { r.State = ledger.Finished },
		"cancelled": func(r *ledger.Replay) { r.State = ledger.Cancelled },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			b.add("dns/a", text(makeLines(10, 2)))
			tags := &slowTags{Archive: b.archive, state: ledger.Finished, before: func() {
				b.become(change)
				if err := (archive.Mirror{Archive: b.archive, Mode: archive.TagsAll}).Clear(b.ctx, "dns/a"); err != nil {
					t.Error(err)
				}
			}}
			b.drain(b.worker(func(o *Options) { o.Archive = tags }))
			b.wantNoTags("dns/a")
		})
	}
}

// TestTagsOfTheDead: a worker wrote a tag and died before it looked; its message comes back after the end. The tags of
// another replay of the protocol, which has begun meanwhile, stay.
func TestTagsOfTheDead(t *testing.T) {
	t.Parallel()
	for holder, stays := range map[string]bool{"": false, "01TEST": false, "02NEXT": true} {
		t.Run("held by "+holder, func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			b.add("dns/a", text(makeLines(10, 2)))
			b.write(ledger.Writes{Protocols: []ledger.Protocol{{Name: protocol, Replay: holder}}})
			b.become(func(r *ledger.Replay) { r.State = ledger.Finished })
			m := archive.Mirror{Archive: b.archive, Mode: archive.TagsAll}
			if err := m.Set(b.ctx, "dns/a", string(ledger.Finished), 10, time.Now(), true); err != nil {
				t.Fatal(err)
			}
			b.drain(b.worker())
			b.wantIdle()
			tags, err := b.archive.Tags(b.ctx, "dns/a")
			if err != nil || (len(tags) > 0) != stays {
				t.Errorf("tags %v, %v; should they stay: %v", tags, err, stays)
			}
		})
	}
}

// meddled lets something happen when an object is opened.
type meddled struct {
	archive.Archive
	opened func()
}

func (m *meddled) Open(ctx context.Context, p archive.OpenParams) (io.ReadCloser, error) {
	m.opened()
	return m.Archive.Open(ctx, p)
}

// TestSteeredInTheMiddle: a chunk ends soon after its replay is cancelled or paused. Cancelled, it commits nothing more;
// paused, it keeps what it has and no attempt is counted.
func TestSteeredInTheMiddle(t *testing.T) {
	t.Parallel()
	for state, line := range map[ledger.State]int64{ledger.Cancelled: 0, ledger.Paused: lookEvery} {
		t.Run(string(state), func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			b.add("dns/a", text(makeLines(10*lookEvery, 2)))
			w := b.worker(func(o *Options) {
				o.Archive = &meddled{b.archive, func() { b.become(func(r *ledger.Replay) { r.State = state }) }}
			})
			w.replays.age = 0
			b.step(w)
			c := b.cursor("dns/a")
			if c.Line != line || c.NoProgress > 1 {
				t.Errorf("at line %d with %d attempts, want line %d", c.Line, c.NoProgress, line)
			}
			if state == ledger.Cancelled {
				b.wantIdle()
				b.become(func(r *ledger.Replay) { r.Cleaned = true })
				return
			}
			if c.State != ledger.Pending || c.NoProgress != 0 || c.Owner != "" {
				t.Errorf("cursor %s, attempts %d, owner %q", c.State, c.NoProgress, c.Owner)
			}
			b.wantCounts(b.queue, queue.Counts{InFlight: 1})
		})
	}
}

// TestFarCutoffs: an instant beyond the range of 64-bit nanoseconds is still after, or before, every line.
func TestFarCutoffs(t *testing.T) {
	t.Parallel()
	for at, all := range map[time.Time]bool{
		time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC): true,
		time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC):      false,
	} {
		b := newBed(t, func(r *ledger.Replay) { r.Cutoff = at })
		b.add("dns/a", text(makeLines(10, 2)))
		b.drain(b.worker())
		a := b.cursor("dns/a").Accounts
		if late := a.AfterCutoff; all && late != 0 || !all && (late == 0 || a.Counted != 0) {
			t.Errorf("cutoff %v: %d counted, %d after it", at, a.Counted, late)
		}
	}
}

// TestRedriveOfWhatIsOver: the worker's record of the replay is a moment old and says RUNNING, and it is over, paused or
// folding.
func TestRedriveOfWhatIsOver(t *testing.T) {
	t.Parallel()
	for state, left := range map[ledger.State]queue.Counts{
		ledger.Finished: {}, ledger.Cancelled: {}, ledger.Paused: {InFlight: 1}, ledger.Folding: {InFlight: 1},
	} {
		b := newBed(t)
		failed(b, "dns/a.gz", makeLines(1000, 20))
		w := b.worker()
		if _, err := w.replays.get(b.ctx, b.replay.ID, false); err != nil {
			t.Fatal(err)
		}
		w.replays.age = time.Hour
		b.become(func(r *ledger.Replay) { r.State = state })
		b.send(b.task("dns/a.gz").Encode())
		b.drain(w)
		if c := b.cursor("dns/a.gz"); c.State != ledger.Failed {
			t.Errorf("the object of a %s replay became %s", state, c.State)
		}
		b.wantCounts(b.queue, left)
	}
}

// TestWrongProtocol: a message says another protocol of the replay; the cursor knows better.
func TestWrongProtocol(t *testing.T) {
	t.Parallel()
	b := newBed(t, func(r *ledger.Replay) {
		r.Protocols = append(r.Protocols, ledger.ReplayProtocol{Name: "other", Generation: 1, Rule: ledger.RuleCutoff, Rejects: 1})
	})
	other := definition()
	other.Protocol, other.Stats = "other", other.Stats[:1]
	b.write(ledger.Writes{Generations: []ledger.Generation{{Protocol: "other", Number: 1, Definition: other.Encode(), Replay: b.replay.ID}}})
	lines := makeLines(300, 10)
	b.add("dns/a", text(lines))
	if _, ok := b.receive(b.queue, time.Hour); !ok { // the right message is put aside
		t.Fatal("no message")
	}
	wrong := b.task("dns/a")
	wrong.Protocol = "other"
	b.send(wrong.Encode())
	b.drain(b.worker())
	b.wantFinished("dns/a", lines)
}

// commitLog keeps the claims that were made longer.
type commitLog struct {
	ledger.Ledger
	renewals []time.Duration
	changed  string // beside the time
}

func (l *commitLog) Commit(ctx context.Context, c ledger.Commit) error {
	if c.State != ledger.Processing || c.From != c.To {
		return l.Ledger.Commit(ctx, c)
	}
	l.renewals = append(l.renewals, c.Until.Sub(c.Now))
	before, err := l.Cursor(ctx, c.ID)
	if err != nil {
		return err
	}
	if err := l.Ledger.Commit(ctx, c); err != nil {
		return err
	}
	after, err := l.Cursor(ctx, c.ID)
	before.StateChange, before.OwnedUntil = after.StateChange, after.OwnedUntil
	l.changed += cmp.Diff(before, after)
	return err
}

// TestLongWay: the middle of a gzip member is far from its start, so the claim is made longer before the way is gone,
// and the budget begins behind it. Nothing of the cursor is lost by that.
func TestLongWay(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	lines := makeLines(20*lookEvery, 10)
	b.add("dns/a.gz", gzipped(t, lines, 0))
	log := &commitLog{Ledger: b.ledger}
	w := b.worker(shortest, func(o *Options) { o.Ledger = log })
	b.drain(w)
	b.wantFinished("dns/a.gz", lines)
	if len(log.renewals) != 0 {
		t.Errorf("claims of a short way were made longer: %v", log.renewals)
	}
	b.add("dns/b.gz", gzipped(t, lines, 0))
	w = b.worker(func(o *Options) { o.Ledger, o.Reserve, o.ChunkTime, o.Writes = log, 1, 2, time.Minute })
	b.drain(w)
	b.wantFinished("dns/b.gz", lines)
	if len(log.renewals) < 5 {
		t.Errorf("%d claims of a long way were made longer", len(log.renewals))
	}
	if log.changed != "" {
		t.Errorf("a claim that was made longer changed (-before +after):\n%s", log.changed)
	}
	for _, d := range log.renewals {
		if d < w.o.ChunkTime {
			t.Errorf("a claim was made longer by %v only", d)
		}
	}
}

// TestLongestLine: a CR is no part of the line, so it does not make one too long.
func TestLongestLine(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	line := makeLines(1, 1)[0]
	longest := line + strings.Repeat(" ", b.program.MaxLine()-len(line))
	b.add("dns/a", []byte(longest+"\r\n"+longest+"\n"+longest+" \n"+longest+" \r\n"+longest+strings.Repeat(" ", 9)+"\n"))
	b.drain(b.worker())
	if a := b.cursor("dns/a").Accounts; a.Counted+a.AfterCutoff != 2 || a.Rejected != 3 {
		t.Errorf("accounts %+v; two lines are of the greatest length, three longer", a)
	}
}

// replayReads counts how often the record of a replay is read.
type replayReads struct {
	ledger.Ledger
	n int
}

func (r *replayReads) Replay(ctx context.Context, id string) (ledger.Replay, error) {
	r.n++
	return r.Ledger.Replay(ctx, id)
}

// TestTagsWithAYoungCopy: while the copy of the replay is young enough, no tag costs a read of it.
func TestTagsWithAYoungCopy(t *testing.T) {
	t.Parallel()
	for age, want := range map[time.Duration]int{time.Hour: 1, 0: 1 + 2*3} { // PROCESSING and FINISHED of three objects
		b := newBed(t)
		for _, key := range []string{"dns/a", "dns/b", "dns/c"} {
			b.add(key, text(makeLines(10, 2)))
		}
		reads := &replayReads{Ledger: b.ledger}
		w := b.worker(func(o *Options) { o.Ledger, o.TagAge = reads, age })
		w.replays.age = time.Hour
		b.drain(w)
		if reads.n != want {
			t.Errorf("with copies of up to %v the replay was read %d times, want %d", age, reads.n, want)
		}
	}
}

// TestLateTagsWithAnOldCopy: writing a tag takes so long that the replay may be over and its tags taken off. The copy that
// the worker has is too old by then, though it was young when the write began.
func TestLateTagsWithAnOldCopy(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.add("dns/a", text(makeLines(10, 2)))
	var w *Worker
	tags := &slowTags{Archive: b.archive, state: ledger.Finished, before: func() {
		b.become(func(r *ledger.Replay) { r.Promoted = true })
		if err := (archive.Mirror{Archive: b.archive, Mode: archive.TagsAll}).Clear(b.ctx, "dns/a"); err != nil {
			t.Error(err)
		}
		w.replays.mu.Lock()
		defer w.replays.mu.Unlock()
		seen := w.replays.known[b.replay.ID]
		seen.at = seen.at.Add(-time.Hour)
		w.replays.known[b.replay.ID] = seen
	}}
	w = b.worker(func(o *Options) { o.Archive, o.TagAge = tags, time.Hour })
	b.drain(w)
	b.wantNoTags("dns/a")
}
