package replay_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/archiver"
	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/live"
	"github.com/seed-56345083/reprise/internal/replay"
)

// TestLiveStorm lets producers, consumers, archivers, workers and watchers run at once, two of each, while an operator
// replays twice, cancels in between, and rolls back. Each line counts once in every generation that is read.
func TestLiveStorm(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("some seconds of everything at once")
	}
	l := newLively(t)
	d := l.opened("dns", "ssl")
	ctx, stop := context.WithCancel(context.Background())
	var group sync.WaitGroup
	var producers sync.WaitGroup
	defer func() { stop(); group.Wait(); producers.Wait() }()
	run := func(what string, do func(context.Context) error) {
		group.Go(func() {
			if err := do(ctx); err != nil && ctx.Err() == nil {
				t.Errorf("%s: %v", what, err)
			}
		})
	}
	counter := l.counter()
	var archivers []*archiver.Archiver
	for i := range 2 {
		c, err := live.NewConsumer(live.ConsumerOptions{
			Counter: l.counter(), Owner: fmt.Sprint("consumer ", i), Poll: 20 * time.Millisecond, Discover: 50 * time.Millisecond, Batch: 7,
			Sweep: 200 * time.Millisecond, SweepAll: 500 * time.Millisecond, Compact: 300 * time.Millisecond,
		})
		if err != nil {
			t.Fatal(err)
		}
		run("consumer", c.Run)
		archivers = append(archivers, l.archiver(fmt.Sprint("archiver ", i), counter))
		run("archiver", archivers[i].Run)
		watcher := l.beside(fmt.Sprint("watcher ", i), nil, l.really(counter, archivers[i]), func(o *replay.Options) { o.Interval = 30 * time.Millisecond })
		run("watcher", watcher.Watch)
		l.pool(none)
	}
	const lines = 150
	for _, name := range []string{"dns", "ssl"} {
		for i := range lines {
			l.add(name, fmt.Sprint(i%11))
		}
		producers.Go(func() {
			pace := time.NewTicker(10 * time.Millisecond) // so that lines come all the time
			defer pace.Stop()
			for i := range lines {
				<-pace.C
				if err := l.produce(name, i); err != nil {
					t.Errorf("producer: %v", err)
				}
			}
		})
	}
	archived := func(n int) {
		until(t, "objects in the archive", func() bool {
			found := 0
			for o, err := range l.files.List(ctx, "logs/", "") {
				if err == nil && o.Key != "" {
					found++
				}
			}
			return found >= n
		})
	}
	archived(4)
	finished := func(p replay.StartParams) {
		t.Helper()
		r := l.started(d, p)
		until(t, "the end of "+r.ID, func() bool { return l.replay(r.ID).State == ledger.Finished })
	}
	finished(params("dns", "ssl"))
	given := l.started(d, params("dns"))
	until(t, "a cancel", func() bool { _, err := d.Cancel(ctx, given.ID); return err == nil })
	until(t, "its end", func() bool { return l.protocol("dns").Replay == "" })
	immediate := params("dns", "ssl")
	immediate.Immediate = true
	finished(immediate)
	if _, err := d.Rollback(ctx, []string{"ssl"}); err != nil {
		t.Error(err)
	}
	producers.Wait()
	for _, name := range []string{"dns", "ssl"} {
		if err := counter.Sweep(ctx, name); err != nil {
			t.Fatal(err)
		}
		p := l.protocol(name)
		l.wantAll(name, append(slices.Clone(p.Gens), 0)...)
		if p.Serving != map[string]int64{"dns": 4, "ssl": 2}[name] || len(p.Gens) != 2 {
			t.Errorf("protocol %+v", p)
		}
	}
	stop()
	group.Wait()
	// What is archived by now, and what is on its way, is what the next one counts.
	d = l.beside("last", nil, l.really(counter, archivers[0]))
	r := l.started(d, params("dns", "ssl"))
	l.finish(d, r.ID)
	l.wantAll("dns", 0)
	l.wantAll("ssl", 0)
}

func (l *lively) counter() *live.Counter {
	l.t.Helper()
	c, err := live.New(live.Options{Ledger: l.ledger, Entries: l.entries, Slots: 3})
	if err != nil {
		l.t.Fatal(err)
	}
	return c
}

func (l *lively) archiver(owner string, counter *live.Counter) *archiver.Archiver {
	l.t.Helper()
	layout, err := archive.ParseLayout("{protocol}/{rest}")
	if err != nil {
		l.t.Fatal(err)
	}
	a, err := archiver.New(archiver.Options{
		Ledger: l.ledger, Entries: l.entries, Archive: l.files, Count: counter.Count, Owner: owner, Prefix: "logs/", Layout: layout,
		Protocols: []archiver.Protocol{{Name: "dns"}, {Name: "ssl"}}, MaxBytes: 1000, MaxAge: 50 * time.Millisecond, Interval: 30 * time.Millisecond,
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return a
}

// really makes the live side of a driver the real one.
func (l *lively) really(counter *live.Counter, a *archiver.Archiver) func(*replay.Options) {
	return func(o *replay.Options) {
		o.Live = &replay.LiveSide{Entries: l.entries, Sweep: counter.Sweep, Drain: a.Drain}
	}
}

// produce puts one line, the same one however often it is called.
func (l *lively) produce(protocol string, i int) error {
	e := entry(protocol, i)
	_, err := l.entries.Put(context.Background(), e)
	return err
}

func entry(protocol string, i int) []entries.Entry {
	at := time.Date(2026, 1, 2, 3, 4, 5, i, time.UTC)
	return []entries.Entry{{ID: fmt.Sprintf("%s-%06d", protocol, i), Protocol: protocol, TS: at, Line: logLine(at, fmt.Sprint(i%11))}}
}

// started starts a replay as soon as the last one is over.
func (l *lively) started(d *replay.Driver, p replay.StartParams) (r ledger.Replay) {
	l.t.Helper()
	until(l.t, "a start", func() bool {
		var err error
		r, err = d.Start(context.Background(), p)
		if err != nil && !errors.Is(err, replay.ErrBusy) {
			l.t.Fatal(err)
		}
		return err == nil
	})
	return r
}
