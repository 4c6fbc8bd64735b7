package crashpoints_test

import (
	"context"
	"slices"
	"time"

	"github.com/seed-56345083/reprise/internal/faults"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
	"github.com/seed-56345083/reprise/queue"
)

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

// toReuse is an archive with an earlier replay that has an object which was sealed, another one that has changed since, and a
// new one.
func (s *site) toReuse() {
	s.few()
	s.large()
	s.earlier()
	s.reuse = s.replay
	changed := makeLines(9, 11, 4)
	s.put("logs/dns/2", text(changed))
	s.objects["dns"][1] = changed
	s.add("dns", "logs/dns/3", makeLines(7, 5, 2))
}

// reusing are the parameters of the later replay. It has the earlier one's cutoff, because every object has a line after that.
func (s *site) reusing() replay.StartParams {
	s.t.Helper()
	earlier, err := s.ledger.Replay(context.Background(), s.reuse)
	s.check(err)
	p := params()
	p.Reuse, p.Cutoff = s.reuse, earlier.Cutoff
	return p
}

// toListReusing is the same, with a replay that has been opened.
func (s *site) toListReusing() {
	s.toReuse()
	r, err := s.process("starter", nil).driver.Start(context.Background(), s.reusing())
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
