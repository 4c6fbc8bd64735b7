package model_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/archive/dirarchive"
	"github.com/seed-56345083/reprise/internal/archiver"
	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/entries/sqliteentries"
	"github.com/seed-56345083/reprise/internal/faults"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/ledger/sqliteledger"
	"github.com/seed-56345083/reprise/internal/live"
	"github.com/seed-56345083/reprise/internal/logline"
	"github.com/seed-56345083/reprise/internal/replay"
	"github.com/seed-56345083/reprise/internal/sqlitedb"
	"github.com/seed-56345083/reprise/internal/stats"
	"github.com/seed-56345083/reprise/queue/sqlitequeue"
	"github.com/seed-56345083/reprise/worker"
)

const (
	protocol = "dns"
	prefix   = "logs/"
	layout   = "{protocol}/{rest}"
)

// began is the time of all lines; virtual time begins with the year 2000.
var began = time.Date(1999, 12, 31, 12, 0, 0, 0, time.UTC)

// site is a local backend with a live side, in a bubble of virtual time.
type site struct {
	t       *testing.T
	dir     string
	ledger  *sqliteledger.Ledger
	entries *sqliteentries.Entries
	work    *sqlitequeue.Queue
	dead    *sqlitequeue.Queue
	files   *dirarchive.Archive
}

func openSite(t *testing.T, dir string) *site {
	t.Helper()
	s := &site{t: t, dir: dir}
	ctx := context.Background()
	closing := func(f func() error) {
		t.Cleanup(func() {
			if err := f(); err != nil {
				t.Error(err)
			}
		})
	}
	var err error
	s.check(os.MkdirAll(filepath.Join(dir, "archive"), 0o700))
	s.ledger, err = sqliteledger.Open(ctx, filepath.Join(dir, "ledger.db"))
	s.check(err)
	closing(s.ledger.Close)
	s.entries, err = sqliteentries.Open(ctx, s.ledger)
	s.check(err)
	db, err := sqlitedb.Open(ctx, filepath.Join(dir, "queue.db"), sqlitequeue.Migrations())
	s.check(err)
	closing(db.Close)
	s.work, err = sqlitequeue.New(db, sqlitequeue.Options{Name: "work", DeadLetter: "dead"})
	s.check(err)
	closing(s.work.Close)
	s.dead, err = sqlitequeue.New(db, sqlitequeue.Options{Name: "dead"})
	s.check(err)
	closing(s.dead.Close)
	s.files, err = dirarchive.New(ctx, dirarchive.Options{Root: filepath.Join(dir, "archive"), Tags: filepath.Join(dir, "tags.db")})
	s.check(err)
	closing(s.files.Close)
	return s
}

func (s *site) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// process is one process of the product. It goes about its calls as the plan says.
type process struct {
	s        *site
	plan     *faults.Plan
	incoming entries.Entries
	counter  *live.Counter
	archiver *archiver.Archiver
	driver   *replay.Driver
}

func (s *site) process(name string, plan *faults.Plan) *process {
	l, e, a := faults.Ledger(s.ledger, plan), faults.Entries(s.entries, plan), faults.Archive(s.files, plan)
	p := &process{s: s, plan: plan, incoming: e}
	var err error
	p.counter, err = live.New(live.Options{Ledger: l, Entries: e, Slots: 1, Parallel: 1})
	s.check(err)
	parsed, err := archive.ParseLayout(layout)
	s.check(err)
	p.archiver, err = archiver.New(archiver.Options{
		Ledger: l, Entries: e, Archive: a, Count: p.counter.Count, Owner: name, Prefix: prefix, Layout: parsed,
		Protocols: []archiver.Protocol{{Name: protocol}}, Lease: 5 * time.Second, MaxAge: time.Hour,
	})
	s.check(err)
	p.driver, err = replay.New(replay.Options{
		Queue: s.work, DeadLetters: s.dead, Ledger: l, Archive: a, Owner: name, Interval: time.Second, StuckAfter: 10 * time.Second, Lease: 5 * time.Second,
		RowsPerPart: 100,
		Live:        &replay.LiveSide{Entries: e, Sweep: p.counter.Sweep, Drain: p.archiver.Drain},
	})
	s.check(err)
	return p
}

// others is a process for which nothing goes wrong, and that is not held up.
func (s *site) others() *process { return s.process("others", faults.Count()) }

func definition() stats.Definition {
	return stats.Definition{
		Protocol: protocol, Format: logline.Format{Name: "json"}, Timestamp: "ts",
		Stats: []stats.Statistic{
			{Name: "lines", By: []string{"q"}, Measures: []stats.Measure{{Name: "n", Func: "count"}}},
			{Name: "days", By: []string{"day"}, Measures: []stats.Measure{{Name: "n", Func: "count"}}},
		},
	}
}

func params() replay.StartParams {
	return replay.StartParams{
		Protocols: []replay.ProtocolParams{{Definition: definition(), Rejects: 1}},
		Prefix:    prefix, Layout: layout, Tags: archive.TagsOff,
	}
}

// put puts an entry for each text, and again where it has failed, and returns them as the stream tells of them. What is
// there already is left alone.
func (p *process) put(texts []string) []entries.Entry {
	var list []entries.Entry
	for _, text := range texts {
		list = append(list, entries.Entry{
			ID: "id-" + text, Protocol: protocol, TS: began, Line: fmt.Appendf(nil, `{"ts":%q,"q":%q}`, began.Format(time.RFC3339), text),
		})
	}
	for range 10 {
		if _, err := p.incoming.Put(context.Background(), list); err == nil || p.plan.Dead() {
			break
		}
	}
	return list
}

// count counts entries, and again where it has failed, as a consumer does whose checkpoint has not moved.
func (p *process) count(list []entries.Entry) {
	for range 10 {
		if p.counter.Count(context.Background(), protocol, list) == nil || p.plan.Dead() {
			return
		}
	}
}

// archive archives everything that is there.
func (p *process) archive() {
	for range 10 {
		if p.archiver.Once(context.Background(), true) == nil || p.plan.Dead() {
			return
		}
	}
}

// start starts a replay; "" where that was not possible.
func (p *process) start() string {
	for range 5 {
		r, err := p.driver.Start(context.Background(), params())
		switch {
		case err == nil:
			return r.ID
		case p.plan.Dead() || errors.Is(err, replay.ErrBusy):
			return ""
		}
	}
	return ""
}

// cancel gives a replay up.
func (p *process) cancel(id string) {
	for range 5 {
		if _, err := p.driver.Cancel(context.Background(), id); err == nil || p.plan.Dead() || errors.Is(err, replay.ErrState) {
			return
		}
	}
}

// look looks after replays until none is left, with workers of its own, for which nothing goes wrong.
func (p *process) look() {
	for range 300 {
		_ = p.driver.Look(context.Background())
		if p.plan.Dead() || !p.s.replaying() {
			return
		}
		p.s.pool()
		<-time.After(time.Second)
	}
	p.s.t.Error("the replay has no end")
}

func (s *site) replaying() bool {
	s.t.Helper()
	all, err := s.ledger.Replays(context.Background())
	if err != nil {
		s.t.Error(err)
	}
	return slices.ContainsFunc(all, func(r ledger.Replay) bool { return !r.State.Ended() || r.State == ledger.Cancelled && !r.Cleaned })
}

func (s *site) idle() bool {
	c, err := s.work.Counts(context.Background())
	if err != nil {
		s.t.Error(err)
	}
	return c.Idle()
}

// pool works until the queue is empty.
func (s *site) pool() {
	if s.idle() {
		return
	}
	w, err := worker.New(worker.Options{
		Queue: s.work, DeadLetters: s.dead, Ledger: s.ledger, Archive: s.files, Name: "pool", Slots: 1, Visibility: 30 * time.Second,
		ChunkTime: 20 * time.Second, Reserve: time.Second, Drain: 5 * time.Second,
	})
	if err != nil {
		s.t.Error(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	for n := 0; n < 600 && !s.idle(); n++ {
		<-time.After(97 * time.Millisecond)
	}
	cancel()
	if err := <-done; err != nil {
		s.t.Error(err)
	}
}

// settle lets the others do all that is left, and holds what there is then against the texts that were put: every
// generation that is counted live has each once, and so has the archive.
func (s *site) settle(texts []string) {
	s.t.Helper()
	p := s.others()
	p.count(p.put(texts)) // a producer that has died before it did
	p.look()
	s.check(p.counter.Sweep(context.Background(), protocol))
	s.check(p.archiver.Once(context.Background(), true))
	s.wantOnce(texts)
	s.wantArchived(texts)
}

// meta reads the protocol's record.
func (s *site) meta() ledger.Protocol {
	s.t.Helper()
	m, err := s.ledger.Protocol(context.Background(), protocol)
	s.check(err)
	return m
}

func (s *site) wantOnce(texts []string) {
	s.t.Helper()
	m := s.meta()
	if !slices.Contains(m.Gens, m.Serving) || m.Building != 0 {
		s.t.Errorf("the protocol is %+v", m)
	}
	want := map[string]int64{}
	for _, text := range texts {
		want[text]++
	}
	for _, g := range m.Gens {
		if got := s.counts(g, "lines"); !maps.Equal(got, want) {
			s.t.Errorf("generation %d has the lines %v, put were %v", g, got, want)
		}
		if got, want := s.counts(g, "days"), int64(len(texts)); len(got) > 1 || sum(got) != want {
			s.t.Errorf("generation %d has %v lines of days, put were %d", g, got, want)
		}
	}
}

func sum(counts map[string]int64) (n int64) {
	for _, c := range counts {
		n += c
	}
	return n
}

// counts adds the rows of a generation up, by their first dimension, without the product's help.
func (s *site) counts(generation int64, statistic string) map[string]int64 {
	s.t.Helper()
	ctx := context.Background()
	g, err := s.ledger.Generation(ctx, protocol, generation)
	s.check(err)
	counts := map[string]int64{}
	for r, err := range s.ledger.Rows(ctx, ledger.RowsParams{Protocol: protocol, Generation: generation, Statistic: statistic, Base: g.Base}) {
		s.check(err)
		var dims []string
		var measures struct{ N int64 }
		s.check(json.Unmarshal(r.FullDims(), &dims))
		s.check(json.Unmarshal(r.Measures, &measures))
		counts[dims[0]] += measures.N
	}
	return counts
}

// wantArchived wants each text on one line of the archive, and nothing left to be archived.
func (s *site) wantArchived(texts []string) {
	s.t.Helper()
	ctx := context.Background()
	lines := map[string]int{}
	for o, err := range s.files.List(ctx, prefix, "") {
		s.check(err)
		l, err := archive.OpenLines(ctx, s.files, archive.LinesParams{Key: o.Key, ETag: o.ETag, Size: o.Size, MaxLine: 1 << 20})
		s.check(err)
		for line, err := l.Next(); err == nil; line, err = l.Next() {
			lines[string(line.Bytes)]++
		}
		s.check(l.Close())
	}
	for _, text := range texts {
		found := 0
		for line, n := range lines {
			if strings.Contains(line, fmt.Sprintf(`"q":%q`, text)) {
				found += n
			}
		}
		if found != 1 {
			s.t.Errorf("%q is on %d lines of the archive", text, found)
		}
	}
	for u, err := range s.entries.Unfinished(ctx, protocol) {
		s.check(err)
		s.t.Errorf("%+v is not archived", u)
	}
	if left, err := s.entries.Unwritten(ctx, protocol); err != nil || len(left) > 0 {
		s.t.Errorf("batches %+v are not written, %v", left, err)
	}
}
