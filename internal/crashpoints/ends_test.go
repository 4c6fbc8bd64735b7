package crashpoints_test

import (
	"context"
	"slices"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/queue"
)

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

// endsReused is a replay for which two of its objects were read, and the rest taken over.
func (s *site) endsReused() {
	s.endsFinished()
	for c, err := range s.ledger.Scan(context.Background(), ledger.ScanParams{Replay: s.replay}) {
		s.check(err)
		if read := c.Key == "logs/dns/2" || c.Key == "logs/dns/3"; c.Reused() == read {
			s.t.Errorf("%s was taken over: %t", c.Key, !read)
		}
	}
	if l := s.now().Listing; l.Reused != 3 {
		s.t.Errorf("listing %+v, want 3 objects taken over", l)
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
