package replay

import (
	"context"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/telemetry"
	"github.com/seed-56345083/reprise/queue"
)

// progressEvery is the least time between two readings of the workers' reports for the metrics: each is a query for each
// replay, and workers report every 10 s at the most.
const progressEvery = 30 * time.Second

// telling is what a watcher keeps of what it has seen, for its metrics alone. The zero value tells nobody.
type telling struct {
	metrics *telemetry.Watcher
	alive   *telemetry.Pulse

	visible time.Time          // since when each look has found visible messages; zero: the last one has not
	moved   time.Time          // when something was committed last, as far as it was seen
	asked   time.Time          // when the workers' reports were read last
	counts  map[string]counted // by replay, as counted last
}

// counted is what grows when a replay gets on.
type counted struct {
	objects, consumed, parts int64
}

// Observe lets Watch tell what it sees, and that it goes on. Call it before Watch; both may be nil.
func (d *Driver) Observe(m *telemetry.Watcher, alive *telemetry.Pulse) {
	d.tell = telling{metrics: m, alive: alive, counts: map[string]counted{}}
}

// States are all that a replay may be in while it is not over, and all that objects may be in.
func States() (replays, objects []string) {
	for _, s := range []ledger.State{ledger.Starting, ledger.Running, ledger.Paused, ledger.Folding} {
		replays = append(replays, string(s))
	}
	for _, s := range []ledger.State{ledger.Pending, ledger.Processing, ledger.Finished, ledger.Failed} {
		objects = append(objects, string(s))
	}
	return replays, objects
}

// count tells what counting a replay's cursors has come to.
func (t *telling) count(r ledger.Replay, s ledger.Summary) {
	if t.metrics == nil {
		return
	}
	done := s.Parts[r.Fold.Number][ledger.Finished]
	now := counted{objects: s.Objects[ledger.Finished].Objects + s.Objects[ledger.Failed].Objects, consumed: s.Total().Consumed, parts: done}
	if t.counts[r.ID] != now {
		t.counts[r.ID], t.moved = now, time.Now()
	}
	c := telemetry.Count{PartsDone: done, Objects: map[string]int64{}}
	for state, tally := range s.Objects {
		c.Objects[string(state)] = tally.Objects
	}
	t.metrics.Counted(r.ID, c)
}

// queue tells what a queue holds.
func (t *telling) queue(name string, c queue.Counts) {
	t.metrics.Queue(name, c.Visible, c.InFlight, c.Delayed)
	switch {
	case name != telemetry.QueueWork:
	case c.Visible == 0:
		t.visible = time.Time{}
	case t.visible.IsZero():
		t.visible = time.Now()
	}
}

// tellActive tells which replays are not over, and since when none of them has got on.
func (d *Driver) tellActive(ctx context.Context, active []ledger.Replay) {
	t := &d.tell
	if t.metrics == nil || ctx.Err() != nil {
		return
	}
	known := make(map[string]counted, len(active)) // without those that are over
	list := make([]telemetry.Replay, 0, len(active))
	working := false
	for _, r := range active {
		if c, ok := t.counts[r.ID]; ok {
			known[r.ID] = c
		}
		list = append(list, telemetry.Replay{ID: r.ID, State: string(r.State), Listed: r.Listing.Objects, Parts: int64(len(r.Fold.Parts))})
		if r.State == ledger.Running || r.State == ledger.Folding {
			working = true
			t.moved = latest(t.moved, r.Changed)
		}
	}
	t.counts = known
	t.metrics.Active(list)
	if !working || t.visible.IsZero() {
		t.metrics.Stands(time.Time{})
		return
	}
	if time.Since(t.asked) >= progressEvery {
		t.asked = time.Now()
		d.readReports(ctx, active)
	}
	t.metrics.Stands(latest(t.visible, t.moved))
}

// readReports looks when workers have committed last. What cannot be read is not known: then the replay stands.
func (d *Driver) readReports(ctx context.Context, active []ledger.Replay) {
	for _, r := range active {
		if r.State != ledger.Running {
			continue
		}
		reports, err := d.o.Ledger.Progress(ctx, r.ID)
		if err != nil {
			continue
		}
		for _, report := range reports {
			d.tell.moved = latest(d.tell.moved, report.At)
		}
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
