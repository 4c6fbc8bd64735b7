package replay

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
)

// A step of a RUNNING or FOLDING replay counts all its cursors. DynamoDB reads the partials with them, whatever is asked
// for: of a million objects with 10 KiB each that is 10 GB and 2.6 million read units. At every look it would cost more than the
// replay itself, and go on for as long as one FAILED object waits for somebody's hand. So a step that took long and led
// nowhere is followed by a rest, which ends early when something has happened.
const (
	longStep  = 5 * time.Second  // after a shorter one a replay does not rest
	restShare = 20               // times as long as the step took
	maxRest   = 30 * time.Minute // whatever that was
)

// rest is one replay left alone for a while.
type rest struct {
	record ledger.Replay // as the step has left it
	until  time.Time
	busy   bool // work may have ended that the step has not counted

	obstacle string // of a rest of Held: what the count has shown
	hand     bool
}

// looking is what a look does about a replay.
type looking int

const (
	usual   looking = iota // take its step
	leave                  // it rests
	emptied                // take its step: the queue has become empty, so that what was sent is done
)

// resting tells whether a replay is to be left alone at this look: its rest is not over, nobody has changed its record,
// and the queue has not become empty, as it does when the last object is read, or a fold's last part is in.
func (d *Driver) resting(ctx context.Context, rests map[string]rest, r ledger.Replay) looking {
	rest, ok := rests[r.ID]
	if !ok || !time.Now().Before(rest.until) || !sameReplay(rest.record, r) {
		delete(rests, r.ID)
		return usual
	}
	counts, err := d.o.Queue.Counts(ctx)
	switch {
	case err != nil: // the next look asks again
	case !counts.Idle():
		rest.busy = true
		rests[r.ID] = rest
	case rest.busy:
		delete(rests, r.ID)
		return emptied
	}
	return leave
}

// stepOrRest is step, unless the replay rests.
func (d *Driver) stepOrRest(ctx context.Context, r ledger.Replay) (more bool, err error) {
	why := d.resting(ctx, d.rests, r)
	if why == leave {
		return false, nil
	}
	started := time.Now()
	more, err = d.step(ctx, r, d.listTurn)
	until, long := d.restUntil(started)
	if again := r.Listing.Again; !r.Listing.Done && started.Before(again) && again.Before(until) {
		until = again // there is something to be done by then
	}
	counting := r.State == ledger.Running || r.State == ledger.Folding && !r.Promoted
	if !counting || !long {
		return more, err
	}
	if now, e := d.o.Ledger.Replay(ctx, r.ID); e == nil && sameReplay(r, now) { // otherwise it got on, and may go on
		// A step that began with an empty queue has counted all that was done; any other one may have come too early.
		d.rests[r.ID] = rest{record: now, until: until, busy: why != emptied}
	}
	return more, err
}

// restUntil says how long to rest after what was started then and is done now; long, whether to rest at all.
func (d *Driver) restUntil(started time.Time) (until time.Time, long bool) {
	took := time.Since(started)
	return started.Add(took + min(d.restShare*took, maxRest)), took >= d.longStep
}

// obstacleNow is what keeps a RUNNING replay from folding. Those who wait for a replay ask again and again, so that here,
// too, a count that took long is followed by a rest, in which its answer stands.
func (d *Driver) obstacleNow(ctx context.Context, r ledger.Replay) (why string, hand bool, err error) {
	d.asking.Lock()
	defer d.asking.Unlock()
	state := d.resting(ctx, d.asked, r)
	if state == leave {
		known := d.asked[r.ID]
		return known.obstacle, known.hand, nil
	}
	started := time.Now()
	s, err := d.o.Ledger.Summarize(ctx, r.ID)
	if err != nil {
		return "", false, fmt.Errorf("counting the objects of %s: %w", r.ID, err)
	}
	why, hand = obstacle(r, s)
	if until, long := d.restUntil(started); long {
		// With an empty queue work may still be about to be called FAILED: a message goes before the cursor says so.
		d.asked[r.ID] = rest{record: r, until: until, busy: state != emptied || !hand, obstacle: why, hand: hand}
	}
	return why, hand, nil
}

// sameReplay reports whether two readings of a record differ in nothing but what the watcher says about it.
func sameReplay(a, b ledger.Replay) bool {
	a.Waits, a.Version = b.Waits, b.Version
	return reflect.DeepEqual(a, b)
}
