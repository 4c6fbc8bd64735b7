package crashpoints_test

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/seed-56345083/reprise/internal/faults"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
	"github.com/seed-56345083/reprise/queue"
)

// scenarios are the transitions of a replay.
func scenarios() []scenario {
	all := []scenario{
		{
			name: "start", command: true, begin: (*site).toStart, act: start, again: startAgain, end: (*site).endsFinished,
			must: []string{"archive.List step", "ledger.Write", "ledger.Insert", "archive.MergeTags", "queue.Send"},
		},
		{
			name: "listing", begin: (*site).toList, act: list, end: (*site).endsFinished,
			must: []string{"archive.List step", "ledger.Write", "ledger.Insert", "archive.MergeTags", "queue.Send"},
		},
		{
			name: "chunk", begin: (*site).toRead, act: (*process).pool, end: (*site).endsFinished,
			must: []string{"ledger.Claim", "archive.Open step", "ledger.PutSegment", "ledger.Commit", "queue.Delete"},
		},
		{
			name: "hand on", pace: 600, begin: (*site).toHandOn, act: (*process).pool, acted: (*site).allRead, end: (*site).endsFinished,
			must: []string{"queue.Send", "ledger.Commit"},
		},
		{
			name: "stop of a worker", pace: 600, begin: (*site).toHandOn, act: stopped, acted: (*site).released, end: (*site).endsFinished,
			must: []string{"queue.ChangeVisibility", "ledger.Commit"},
		},
		{
			name: "poison", begin: (*site).toPoison, act: (*process).pool, end: (*site).endsLeftOut,
			must: []string{"queue.Send", "ledger.Settle"},
		},
		{
			name: "fold begins", begin: (*site).toFold, act: foldBegins, end: (*site).endsFinished,
			must: []string{"ledger.Progress", "ledger.Insert", "queue.Send"},
		},
		{
			name: "fold", begin: (*site).toMerge, act: (*process).pool, end: (*site).endsFinished,
			must: []string{"ledger.Segment", "ledger.PutRows"},
		},
		{
			name: "interim fold", lost: true, begin: (*site).toInterim, act: interim, acted: (*site).halfShown, end: (*site).endsFinished,
			must: []string{"ledger.Insert", "ledger.PutRows", "ledger.Write"},
		},
		{
			name: "finish", lost: true, begin: (*site).toFinish, act: finish, end: (*site).endsFinished,
			must: []string{"ledger.Write", "archive.MergeTags", "ledger.Purge", "ledger.ReleaseLease"},
		},
		{
			name: "finish, one left out", command: true, begin: (*site).toLeaveOut, act: leaveOut, again: leaveOut, end: (*site).endsLeftOut,
			must: []string{"ledger.Settle", "ledger.Insert"},
		},
		{
			name: "pause and resume", command: true, begin: (*site).toRead, act: pauseAndResume, again: pauseAndResume, end: (*site).endsFinished,
			must: []string{"ledger.Write"},
		},
		{
			name: "redrive", command: true, lost: true, begin: (*site).toRedrive, act: redrive(), again: redriveAgain, end: (*site).endsRedriven,
			must: []string{"archive.Stat", "ledger.Reopen", "ledger.Write", "queue.Send", "queue.Delete"},
		},
		{
			name: "redrive of one", command: true, lost: true, begin: (*site).toRedrive, act: redrive(badKeys[1]), again: redriveAgain, end: (*site).endsRestRedriven,
			must: []string{"ledger.Cursor", "ledger.Reopen"},
		},
		{
			name: "redrive by message", begin: (*site).toRedriveByMessage, act: (*process).pool, end: (*site).endsRedriven,
			must: []string{"archive.Stat", "ledger.Reopen", "ledger.Claim", "ledger.Commit"},
		},
		{
			name: "dead letters", begin: (*site).toDeadLetters, act: deadLetters, end: (*site).endsFinished,
			must: []string{"queue.Receive", "queue.Send", "queue.Delete"},
		},
		{
			name: "lost messages", lost: true, begin: (*site).toLost, act: bringBack, end: (*site).endsFinished,
			must: []string{"queue.Send"},
		},
		{
			name: "rollback", command: true, begin: (*site).toRollBack, act: rollBack, again: rollBackAgain, end: (*site).endsRolledBack,
			must: []string{"ledger.Write"},
		},
		{
			name: "purge", command: true, begin: (*site).toRollBack, act: purge, again: purgeAgain, end: (*site).endsPurged,
			must: []string{"ledger.Write", "ledger.Purge"},
		},
	}
	for _, state := range []ledger.State{ledger.Starting, ledger.Running, ledger.Paused, ledger.Folding} {
		all = append(all, scenario{
			name: "cancel, " + string(state), command: true, begin: func(s *site) { s.toCancel(state) },
			act: cancel, again: cancelAgain, end: (*site).endsCancelled,
			must: []string{"ledger.Write", "archive.MergeTags", "ledger.DeleteSegments", "ledger.AcquireLease"},
		})
	}
	return all
}

var badKeys = []string{"logs/dns/bad1", "logs/dns/bad2"}

// Beginnings.

// add puts an object whose lines count.
func (s *site) add(protocol, key string, lines []string) {
	s.t.Helper()
	s.put(key, text(lines))
	s.objects[protocol] = append(s.objects[protocol], lines)
}

// few are the objects that most scenarios need.
func (s *site) few() {
	s.t.Helper()
	s.add("dns", "logs/dns/1", makeLines(1, 12, 3))
	s.add("dns", "logs/dns/2", makeLines(2, 9, 4))
	s.add("ssl", "logs/ssl/1", makeLines(3, 7, 2))
}

// large is an object of two members that is sealed twice, the second time beyond the middle of its second member.
func (s *site) large() {
	s.t.Helper()
	lines := makeLines(5, 600, 5)
	s.put("logs/dns/0.gz", members(s.t, lines, 300))
	s.objects["dns"] = append(s.objects["dns"], lines)
}

func params() replay.StartParams {
	p := replay.StartParams{Prefix: "logs/", Layout: "{protocol}/{rest}", Tags: "all"}
	for _, name := range []string{"dns", "ssl"} {
		p.Protocols = append(p.Protocols, replay.ProtocolParams{Definition: definition(name), Rejects: 1})
	}
	return p
}

// running starts a replay and lists it.
func (s *site) running(change ...func(*replay.StartParams)) {
	s.t.Helper()
	ctx := context.Background()
	p := params()
	for _, c := range change {
		c(&p)
	}
	d := s.process("starter", nil).driver
	r, err := d.Start(ctx, p)
	s.check(err)
	s.check(d.Continue(ctx, r.ID, nil))
	s.replay = r.ID
}

// earlier has a replay of what is there come to its end.
func (s *site) earlier() {
	s.t.Helper()
	s.running()
	s.recover("an earlier replay", s.finished)
	s.until("its purge", s.purged)
	s.served = s.protocol("dns").Serving
	if len(s.before) == 0 {
		for name, objects := range s.objects {
			s.before[name] = recount(objects...)
		}
	}
}

func (s *site) finished() bool { return s.now().State == ledger.Finished }

// read has everything read that has a message.
func (s *site) read() {
	s.t.Helper()
	s.process("reader", nil).pool()
}

// dropMessages takes messages of the named objects out of the queue, of all where none is named.
func (s *site) dropMessages(keys ...string) {
	s.t.Helper()
	_, _, err := queue.Move(context.Background(), s.work, s.dead, time.Minute, 0, func(m queue.Message) (queue.Fate, error) {
		task, err := queue.DecodeTask(m.Body)
		if err == nil && (len(keys) == 0 || slices.Contains(keys, task.Key)) {
			return queue.Drop, nil
		}
		return queue.Keep, err
	})
	s.check(err)
}

// move moves every message of a queue to another one, by hand.
func (s *site) move(from, to queue.Queue) {
	s.t.Helper()
	_, _, err := queue.Move(context.Background(), from, to, time.Minute, 0, func(queue.Message) (queue.Fate, error) { return queue.Send, nil })
	s.check(err)
}

// toStart is an archive with an earlier replay, a later object, and two keys that are nobody's.
func (s *site) toStart() {
	s.few()
	s.earlier()
	s.add("dns", "logs/dns/3", makeLines(7, 5, 2))
	s.put("logs/http/1", text(makeLines(1, 3, 1)))
	s.put("logs/nothing", text(makeLines(1, 3, 1)))
}

// toList is the same, with a replay that has been opened.
func (s *site) toList() {
	s.toStart()
	r, err := s.process("starter", nil).driver.Start(context.Background(), params())
	s.check(err)
	s.replay = r.ID
}

// toRead is a replay whose messages are all there.
func (s *site) toRead() {
	s.large()
	s.add("ssl", "logs/ssl/1", makeLines(3, 7, 2))
	s.running()
}

// toHandOn is one object that takes several chunks.
func (s *site) toHandOn() {
	lines := makeLines(5, 600, 5)
	s.put("logs/dns/0.gz", members(s.t, lines, 200))
	s.objects["dns"] = append(s.objects["dns"], lines)
	s.add("ssl", "logs/ssl/1", makeLines(3, 7, 2))
	s.running()
}

// toPoison is a replay with an object that nobody can read.
func (s *site) toPoison() {
	s.few()
	s.put(badKeys[0], corrupt())
	s.running()
}

// toFold is a replay with everything read.
func (s *site) toFold() {
	s.toRead()
	s.read()
}

// toMerge is a replay whose fold's parts are all out.
func (s *site) toMerge() {
	s.toFold()
	s.process("watcher", nil).look(s.listed)
}

// listed reports whether the parts of the last fold are out.
func (s *site) listed() bool { r := s.now(); return r.State == ledger.Folding && r.Fold.Listed }

// toInterim is a replay with one object open that has lost its message, and totals that move.
func (s *site) toInterim() {
	s.few()
	s.openAfter(time.Second)
}

// openAfter starts a replay that folds so often, has all read but one object, whose message is lost, and lets the time for
// a fold come.
func (s *site) openAfter(every time.Duration) {
	s.t.Helper()
	s.running(func(p *replay.StartParams) { p.FoldEvery = every })
	s.dropMessages("logs/dns/2")
	s.read()
	pass(every)
}

// toFinish is a replay with two folds, the last one in, after two earlier replays: there is a generation to purge.
func (s *site) toFinish() {
	s.few()
	s.earlier()
	s.earlier()
	s.openAfter(time.Second)
	p := s.process("watcher", nil)
	interim(p)
	p.look(func() bool { return !s.idle() }) // the lost message is sent again
	s.read()
	p.look(s.listed)
	s.read()
	if r := s.now(); r.Fold.Number < 2 || r.State != ledger.Folding {
		s.t.Fatalf("%+v", r)
	}
}

// toLeaveOut is a replay with everything read but one object, which FAILED.
func (s *site) toLeaveOut() {
	s.few()
	s.put(badKeys[0], corrupt())
	s.running()
	s.read()
}

// toRedrive is a replay with two FAILED objects that were put right, and that somebody has accepted.
func (s *site) toRedrive() {
	s.toMend()
	r := s.now()
	r.Accepted = &ledger.Acceptance{At: time.Now().UTC(), By: "them", Objects: 2}
	s.check(s.ledger.Write(context.Background(), ledger.Writes{Replays: []ledger.Replay{r}}))
}

// toRedriveByMessage is the same, but nobody has accepted them, and their dead letters were moved back by hand.
func (s *site) toRedriveByMessage() {
	s.toMend()
	s.move(s.dead, s.work)
}

func (s *site) toMend() {
	s.t.Helper()
	s.add("dns", "logs/dns/1", makeLines(1, 12, 3))
	s.add("ssl", "logs/ssl/1", makeLines(3, 7, 2))
	for _, key := range badKeys {
		s.put(key, corrupt())
	}
	s.running()
	s.read()
	s.wantQuiet(2)
	for i, key := range badKeys {
		s.add("dns", key, makeLines(10+i, 6, 2))
	}
}

// toDeadLetters is a replay one of whose objects was dead-lettered without having failed, beside a letter of one that is
// finished.
func (s *site) toDeadLetters() {
	s.few()
	s.running()
	s.move(s.work, s.dead)
	done := queue.Task{Replay: s.replay, Protocol: "ssl", Key: "logs/ssl/1"}
	s.check(s.work.Send(context.Background(), []queue.Outgoing{{Body: done.Encode()}}))
	s.read()
}

// toLost is a replay whose messages are all lost but one.
func (s *site) toLost() {
	s.few()
	s.running()
	s.dropMessages("logs/dns/1", "logs/ssl/1")
	s.read()
}

// toRollBack is two replays of an archive that has grown between them.
func (s *site) toRollBack() {
	s.few()
	s.earlier()
	s.add("dns", "logs/dns/3", makeLines(7, 5, 2))
	s.add("ssl", "logs/ssl/2", makeLines(8, 5, 2))
	s.earlier()
}

// toCancel is a replay in a state, with all that it can leave behind: tags, segments, rows of a fold and of
// the live side, and an object in work.
func (s *site) toCancel(state ledger.State) {
	ctx := context.Background()
	s.large()
	s.few()
	s.earlier()
	r, err := s.process("starter", nil).driver.Start(ctx, params())
	s.check(err)
	s.replay = r.ID
	dies := func(at string, n int) *process { return s.process("dies", faults.At(at, n, faults.DieAfter)) }
	if state == ledger.Starting {
		_ = dies("ledger.Write", 0).driver.Continue(ctx, r.ID, nil) // one page is listed
	} else {
		s.check(s.process("starter", nil).driver.Continue(ctx, r.ID, nil))
	}
	if state != ledger.Folding {
		dies("ledger.Commit", 1).pool() // after it has sealed
		pass(leaseFor)
	}
	switch state {
	case ledger.Paused:
		_, err := s.process("operator", nil).driver.Pause(ctx, r.ID)
		s.check(err)
	case ledger.Folding:
		s.read()
		s.process("watcher", nil).look(s.listed)
		dies("ledger.PutRows", 0).pool()
		pass(leaseFor)
	}
	live := ledger.Part{Protocol: "dns", Generation: 2, Name: "live.1"}
	s.check(s.ledger.PutRows(ctx, live, []ledger.Row{{
		Statistic: statistic, Day: "-", Key: `["a"]`, Dims: []byte(`["a"]`), Measures: []byte(`{}`), State: []byte("x"),
	}}))
	if r := s.now(); r.State != state {
		s.t.Fatalf("the replay is %s, want %s", r.State, state)
	}
}

// Transitions.

func start(p *process) {
	ctx := context.Background()
	r, err := p.driver.Start(ctx, params())
	if err == nil {
		p.s.replay = r.ID
		err = p.driver.Continue(ctx, r.ID, nil)
	}
	p.s.said = err
}

func list(p *process) { _ = p.driver.Continue(context.Background(), p.s.replay, nil) }

// startAgain starts if nobody has.
func startAgain(p *process) {
	if p.s.protocol("dns").Replay == "" {
		start(p)
	}
	p.s.replay = p.s.protocol("dns").Replay
}

// stopped stops the pool in the middle of an object.
func stopped(p *process) {
	stop := p.start()
	pass(4500 * time.Millisecond) // the read that it is in ends within the drain
	stop()
}

func foldBegins(p *process) { p.look(p.s.listed) }

// interim makes one interim fold of what has been read so far.
func interim(p *process) {
	p.look(func() bool { f := p.s.now().Fold; return f.Interim && f.Listed })
	p.pool()
	p.look(func() bool { f := p.s.now().Fold; return f.Interim && f.Done })
}

func finish(p *process) {
	p.look(func() bool { return p.s.finished() && p.s.purged() })
}

func leaveOut(p *process) {
	_, p.s.said = p.driver.Finish(context.Background(), p.s.replay, true, "them")
}

func pauseAndResume(p *process) {
	ctx := context.Background()
	if _, p.s.said = p.driver.Pause(ctx, p.s.replay); p.s.said == nil {
		_, p.s.said = p.driver.Resume(ctx, p.s.replay)
	}
}

func redrive(keys ...string) func(*process) {
	return func(p *process) { _, p.s.said = p.driver.Redrive(context.Background(), p.s.replay, keys, false) }
}

func redriveAgain(p *process) {
	_, err := p.driver.Redrive(context.Background(), p.s.replay, nil, false)
	p.s.check(err)
}

func deadLetters(p *process) {
	p.look(func() bool { return p.s.counts(p.s.dead).Idle() })
}

func bringBack(p *process) { p.look(func() bool { return !p.s.idle() }) }

func cancel(p *process) { _, p.s.said = p.driver.Cancel(context.Background(), p.s.replay) }

func cancelAgain(p *process) {
	if p.s.now().State == ledger.Cancelled {
		return // the watcher comes to the end
	}
	_, err := p.driver.Cancel(context.Background(), p.s.replay)
	p.s.check(err)
}

func rollBack(p *process) {
	_, p.s.said = p.driver.Rollback(context.Background(), []string{"dns", "ssl"})
}

// rollBackAgain looks what readers read: rolling back twice would be none.
func rollBackAgain(p *process) {
	if p.s.protocol("dns").Serving == 2 {
		_, err := p.driver.Rollback(context.Background(), []string{"dns", "ssl"})
		p.s.check(err)
	}
}

func purge(p *process) {
	if _, p.s.said = p.driver.Purge(context.Background(), []string{"dns", "ssl"}); p.s.said == nil {
		p.look(p.s.purged)
	}
}

func purgeAgain(p *process) {
	_, err := p.driver.Purge(context.Background(), []string{"dns", "ssl"})
	if err != nil && !errors.Is(err, replay.ErrState) { // there is none any more
		p.s.check(err)
	}
}

// What is to be seen after a transition that was not cut.

func (s *site) allRead() {
	if c := s.cursor("logs/dns/0.gz"); c.State != ledger.Finished || c.Epoch < 3 {
		s.t.Errorf("%+v, want it finished in three chunks", c)
	}
}

func (s *site) released() {
	if c := s.cursor("logs/dns/0.gz"); c.State != ledger.Pending || c.Line == 0 || c.NoProgress != 0 {
		s.t.Errorf("%+v, want it handed back with what was read", c)
	}
}

func (s *site) halfShown() {
	s.wantRows("dns", 1, recount(s.objects["dns"][0]))
	s.wantRows("ssl", 1, s.rows["ssl"])
}

// Ends.

func (s *site) endsFinished() {
	s.recover("the end", func() bool { return s.finished() && s.purged() })
	if !s.counts(s.dead).Idle() { // what a walk through the dead letters had in hand comes back
		pass(2 * time.Minute)
		s.process("watcher", nil).look(func() bool { return s.counts(s.dead).Idle() })
	}
	s.wantFinished()
	s.wantQuiet(0)
	r := s.now()
	var objects int
	for _, o := range s.objects {
		objects += len(o)
	}
	if r.Listing.Objects != int64(objects) || r.Listing.Others > 1 || r.Listing.Others != r.Listing.Unmatched {
		s.t.Errorf("listing %+v, want %d objects", r.Listing, objects)
	}
	c := s.summary()
	if c.Objects[ledger.Finished].Objects != int64(objects) || c.Total().Objects != int64(objects) {
		s.t.Errorf("cursors %+v, want %d FINISHED", c.Objects, objects)
	}
	parts := 0
	for _, n := range r.Fold.PartsOf() {
		parts += n
	}
	if r.FoldEvery == 0 && (r.Fold.Number != 1 || c.Parts[1][ledger.Finished] != int64(parts)) {
		s.t.Errorf("fold %d, parts %v, want one fold that is whole", r.Fold.Number, c.Parts)
	}
	for name, rows := range s.before {
		if p := s.protocol(name); len(p.Gens) != 2 || p.Previous != s.served {
			s.t.Errorf("protocol %+v", p)
		} else {
			s.wantRows(name, p.Previous, rows)
		}
	}
}

// endsLeftOut is a replay whose corrupt object was left out by somebody's word: its dead letters stay, and no others.
func (s *site) endsLeftOut() {
	ctx := context.Background()
	s.recover("the verdict", func() bool {
		sum := s.summary()
		return sum.Open() == 0 && sum.Objects[ledger.Failed].Objects == 1
	})
	p := s.process("operator", nil)
	_, err := p.driver.Finish(ctx, s.replay, true, "them")
	s.check(err)
	s.recover("the end", s.finished)
	s.wantFinished()
	if r := s.now(); r.Accepted == nil || r.Accepted.Objects != 1 {
		s.t.Errorf("accepted %+v", r.Accepted)
	}
	letters, err := s.dead.Receive(ctx, queue.ReceiveParams{Max: queue.MaxBatch, Visibility: time.Minute})
	s.check(err)
	for _, m := range letters {
		if task, err := queue.DecodeTask(m.Body); err != nil || task.Key != badKeys[0] {
			s.t.Errorf("dead letter %s, %v", m.Body, err)
		}
		s.check(s.dead.ChangeVisibility(ctx, []queue.Change{{Receipt: m.Receipt}}))
	}
	if len(letters) == 0 || !s.idle() {
		s.t.Errorf("%d dead letters, want some; the queue holds %+v", len(letters), s.counts(s.work))
	}
}

// endsRedriven is a replay in which nothing was left out.
func (s *site) endsRedriven() {
	s.endsFinished()
	if r := s.now(); r.Accepted != nil {
		s.t.Errorf("accepted %+v", r.Accepted)
	}
}

// endsRestRedriven is the same, where one was redriven before the others.
func (s *site) endsRestRedriven() {
	redriveAgain(s.process("operator", nil))
	s.endsRedriven()
}

func (s *site) endsRolledBack() {
	for _, name := range []string{"dns", "ssl"} {
		if p := s.protocol(name); p.Serving != 1 || p.Previous != 2 || p.Complete != 2 {
			s.t.Errorf("protocol %+v, want the first generation to serve", p)
		}
		s.wantRows(name, 0, s.before[name])
		s.wantRows(name, 2, s.rows[name])
	}
	s.wantNoTags()
	s.wantQuiet(0)
}

func (s *site) endsPurged() {
	s.recover("the purge", s.purged)
	for _, name := range []string{"dns", "ssl"} {
		if p := s.protocol(name); p.Serving != 2 || p.Previous != 0 || !slices.Equal(p.Gens, []int64{2}) {
			s.t.Errorf("protocol %+v, want the second generation alone", p)
		}
		s.wantRows(name, 0, s.rows[name])
		s.wantGone(name, 1)
	}
	s.wantQuiet(0)
}

// endsCancelled is a replay of which nothing is left; what served serves, and the next one counts right.
func (s *site) endsCancelled() {
	s.recover("the cancel", func() bool { return s.now().Cleaned && s.purged() })
	if r := s.now(); r.State != ledger.Cancelled || r.Promoted {
		s.t.Errorf("replay is %s, promoted %t", r.State, r.Promoted)
	}
	for name, rows := range s.before {
		if p := s.protocol(name); p.Serving != 1 || p.Previous != 0 || p.Building != 0 || p.Replay != "" || !slices.Equal(p.Gens, []int64{1}) {
			s.t.Errorf("protocol %+v, want the first generation alone, and no replay", p)
		}
		s.wantRows(name, 0, rows)
		s.wantGone(name, 2)
	}
	if n, err := s.ledger.DeleteSegments(context.Background(), s.replay, 1000); err != nil || n > 0 {
		s.t.Errorf("%d segments are left, %v", n, err)
	}
	s.wantNoTags()
	s.wantQuiet(0)
	version := s.now().Version
	cancel(s.process("operator", nil))
	if now := s.now().Version; now != version {
		s.t.Errorf("cancelling again has written version %d over %d", now, version)
	}
	s.running()
	if part, _ := new(s.now()).Protocol("dns"); part.Generation != 3 {
		s.t.Errorf("the next replay fills generation %d, want 3", part.Generation)
	}
	s.endsFinished()
}
