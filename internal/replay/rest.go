package replay

import (
	"context"
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
func (d *Driver) resting(ctx context.Context, r ledger.Replay) looking {
	rest, ok := d.rests[r.ID]
	if !ok || !time.Now().Before(rest.until) || !sameReplay(rest.record, r) {
		delete(d.rests, r.ID)
		return usual
	}
	counts, err := d.o.Queue.Counts(ctx)
	switch {
	case err != nil: // the next look asks again
	case !counts.Idle():
		rest.busy = true
		d.rests[r.ID] = rest
	case rest.busy:
		delete(d.rests, r.ID)
		return emptied
	}
	return leave
}

// stepOrRest is step, unless the replay rests.
func (d *Driver) stepOrRest(ctx context.Context, r ledger.Replay) error {
	why := d.resting(ctx, r)
	if why == leave {
		return nil
	}
	started := time.Now()
	err := d.step(ctx, r)
	took := time.Since(started)
	counting := r.State == ledger.Running || r.State == ledger.Folding && !r.Promoted
	if !counting || took < d.longStep {
		return err
	}
	if now, e := d.o.Ledger.Replay(ctx, r.ID); e == nil && sameReplay(r, now) { // otherwise it got on, and may go on
		// A step that began with an empty queue has counted all that was done; any other one may have come too early.
		d.rests[r.ID] = rest{record: now, until: started.Add(took + min(d.restShare*took, maxRest)), busy: why != emptied}
	}
	return err
}

// sameReplay reports whether two readings of a record differ in nothing but what the watcher says about it.
func sameReplay(a, b ledger.Replay) bool {
	a.Waits, a.Version = b.Waits, b.Version
	return reflect.DeepEqual(a, b)
}
