package crashpoints_test

import (
	"context"
	"errors"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
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
			name: "start with reuse", command: true, begin: (*site).toReuse, act: startReusing, again: startReusingAgain, end: (*site).endsReused,
			must: []string{"ledger.Cursor", "ledger.Segment", "ledger.PutSegment", "ledger.Insert", "archive.MergeTags", "queue.Send", "ledger.PutProgress", "ledger.Write"},
		},
		{
			name: "listing with reuse", begin: (*site).toListReusing, act: list, end: (*site).endsReused,
			must: []string{"ledger.Cursor", "ledger.Segment", "ledger.PutSegment", "ledger.Insert", "archive.MergeTags", "queue.Send", "ledger.PutProgress", "ledger.Write"},
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

// Transitions.

func start(p *process) { p.begins(params()) }

func (p *process) begins(params replay.StartParams) {
	ctx := context.Background()
	r, err := p.driver.Start(ctx, params)
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

func startReusing(p *process) { p.begins(p.s.reusing()) }

func startReusingAgain(p *process) {
	if p.s.protocol("dns").Replay == "" {
		startReusing(p)
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
