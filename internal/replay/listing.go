package replay

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/queue"
)

// pageSize is how many keys are listed, written down, tagged and enqueued before the continuation moves: what a crash
// makes to be done again.
const pageSize = 500

// cursorReaders is how many cursors of a page are read at once.
const cursorReaders = 16

const (
	// listTurn is how long a look lists one replay's archive before it turns to what else there is to do: the whole of a
	// large one takes hours where each object is tagged.
	listTurn = 30 * time.Second
	endless  = time.Duration(math.MaxInt64)
	// drainPoll is how often Continue looks whether what was begun before the start is archived.
	drainPoll = time.Second
)

// Continue lists and enqueues what a STARTING replay has not listed yet, and makes it RUNNING. Beside a live side it
// waits until what was begun before the start is archived, for as long as ctx lasts; Waits says how much that is. It may be called
// by several processes; a lease keeps all but one out, and ErrHeld says so.
func (d *Driver) Continue(ctx context.Context, id string, progress func(ledger.Replay)) error {
	for {
		if _, err := d.list(ctx, id, endless, progress); err != nil {
			return err
		}
		r, err := d.o.Ledger.Replay(ctx, id)
		if err != nil {
			return fmt.Errorf("reading replay %s: %w", id, err)
		}
		if r.State != ledger.Starting {
			return nil
		}
		if progress != nil {
			progress(r)
		}
		if err := pause(ctx, d.drainPoll); err != nil {
			return err
		}
	}
}

// toList tells whether a replay has pages to be listed now: those of the first listing, or of the second, whose time has
// come.
func toList(r ledger.Replay) bool {
	again := r.Listing.Again
	return r.State == ledger.Starting || r.State == ledger.Running && !r.Listing.Done && !again.IsZero() && !time.Now().Before(again)
}

// list lists for one turn: after that time it ends with the page that it is at, and says that there is more. It ends
// without a page while batches of the live side are to be waited for.
func (d *Driver) list(ctx context.Context, id string, turn time.Duration, progress func(ledger.Replay)) (more bool, err error) {
	began := time.Now()
	r, err := d.o.Ledger.Replay(ctx, id)
	if err != nil {
		return false, fmt.Errorf("reading replay %s: %w", id, err)
	}
	scope, err := newScope(r.Prefix, r.Layout, r.Narrow)
	if err != nil {
		return false, fmt.Errorf("replay %s: %w", id, err)
	}
	p := page{d: d, scope: scope, again: true, keys: &ahead{archive: d.o.Archive}}
	defer p.keys.close()
	if p.lender, err = d.lender(ctx, r); err != nil {
		return false, err
	}
	defer d.release(ctx, r.ID)
	var leased time.Time
	for toList(r) {
		now := time.Now()
		if err := d.lease(ctx, r.ID); err != nil {
			return false, err
		}
		p.again = p.again || time.Since(leased) >= d.o.Lease // somebody else may have had it in between
		leased = now
		if r.State == ledger.Starting && r.Listing.After == "" {
			why, err := d.drained(ctx, r)
			if err != nil {
				return false, err
			}
			if why != "" {
				return false, d.wait(ctx, r.ID, ledger.Starting, why)
			}
		}
		if err := p.read(ctx, r); err != nil {
			return false, err
		}
		if err := p.enqueue(ctx, r); err != nil {
			return false, err
		}
		if r, err = p.save(ctx, r); err != nil {
			return false, err
		}
		p.again = false
		if r.Promoted || r.State.Ended() {
			p.untag(ctx, r)
		}
		if progress != nil {
			progress(r)
		}
		if toList(r) && time.Since(began) >= turn {
			return true, nil
		}
	}
	return false, nil
}

// lease keeps other processes from doing the same step.
func (d *Driver) lease(ctx context.Context, id string) error {
	d.tell.alive.Beat() // a long step keeps its lease, and so goes on
	now := time.Now()
	l, err := d.o.Ledger.AcquireLease(ctx, ledger.Lease{Name: "replay#" + id, Owner: d.o.Owner, Until: now.Add(d.o.Lease)}, now)
	if err != nil {
		return fmt.Errorf("lease of %s, held by %s: %w", id, l.Owner, err)
	}
	return nil
}

// keepLease is to be called again and again in a step that may outlast its lease: it renews the lease when a third of it
// is over.
func (d *Driver) keepLease(ctx context.Context, id string) func() error {
	renewed := time.Now()
	return func() error {
		if time.Since(renewed) < d.o.Lease/3 {
			return nil
		}
		renewed = time.Now()
		return d.lease(ctx, id)
	}
}

// release frees a lease at the end of a step, so that the next process need not wait for its end.
func (d *Driver) release(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.o.Lease)
	defer cancel()
	if err := d.o.Ledger.ReleaseLease(ctx, "replay#"+id, d.o.Owner); err != nil {
		d.o.Log.Info("releasing a lease", zap.String("replay", id), zap.Error(err))
	}
}

// page is one step of a listing.
type page struct {
	d         *Driver
	scope     scope
	keys      *ahead
	lender    *lender // nil: everything is read
	again     bool    // an earlier attempt may have come to some of this page
	cursors   []ledger.Cursor
	known     int // of the cursors, that were there before
	bytes     int64
	unmatched int64
	others    int64
	outside   int64
	live      int64
	changed   int64
	reused    ledger.Tally // Objects and Size of what was taken over
	sample    string
	last      string
	end       bool
}

// read collects the next page of keys after the continuation.
func (p *page) read(ctx context.Context, r ledger.Replay) error {
	*p = page{d: p.d, scope: p.scope, keys: p.keys, lender: p.lender, again: p.again, cursors: p.cursors[:0], last: r.Listing.After}
	now := time.Now().UTC()
	seen := 0
	for object, err := range p.keys.from(ctx, p.scope.listed, r.Listing.After) {
		if err != nil {
			return fmt.Errorf("listing the archive after %q: %w", p.last, err)
		}
		p.last = object.Key
		if err := p.add(r, object, now); err != nil {
			return err
		}
		if seen++; seen == p.d.pageSize {
			return p.onlyNew(ctx, r)
		}
	}
	p.end = true
	return p.onlyNew(ctx, r)
}

func (p *page) add(r ledger.Replay, object archive.Object, now time.Time) error {
	protocol, place := p.scope.of(object.Key)
	part, wanted := r.Protocol(protocol)
	switch {
	case r.Listing.Passes > 0: // for what others have put there since the first one, which has counted the rest
		if wanted && part.Others && place == inside {
			p.want(r, protocol, object, now)
		}
	case place == nowhere:
		if p.unmatched++; p.sample == "" {
			p.sample = object.Key
		}
	case !wanted:
		p.others++
	case place == outside:
		p.outside++
	case countedLive(r, part, object.Key):
		p.live++
		return ofThisLedger(r, part, object.Key)
	default:
		p.want(r, protocol, object, now)
	}
	return nil
}

func (p *page) want(r ledger.Replay, protocol string, object archive.Object, now time.Time) {
	p.bytes += object.Size
	p.cursors = append(p.cursors, ledger.Cursor{
		CursorID: ledger.CursorID{Replay: r.ID, Key: object.Key}, Protocol: protocol, State: ledger.Pending,
		ETag: object.ETag, Size: object.Size, StateChange: now,
	})
}

// onlyNew leaves in a page of the second listing what has no cursor yet, or one that may have been left without a message
// when this page was cut off: nobody has claimed it, and it is not of the first listing. (Should a clock be wrong about
// that, a message too many is sent, or one that got lost is sent again with other lost work.)
func (p *page) onlyNew(ctx context.Context, r ledger.Replay) error {
	if r.Listing.Passes == 0 || len(p.cursors) == 0 {
		return nil
	}
	known := make([]ledger.Cursor, len(p.cursors))
	group, reading := errgroup.WithContext(ctx)
	group.SetLimit(cursorReaders)
	for i, c := range p.cursors {
		group.Go(func() error {
			var err error
			if known[i], err = p.d.o.Ledger.Cursor(reading, c.CursorID); err != nil && !errors.Is(err, ledger.ErrNotFound) {
				return fmt.Errorf("reading the cursor of %s: %w", c.Key, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	fresh := p.cursors[:0]
	p.bytes = 0
	for i, c := range p.cursors {
		switch k := known[i]; {
		case k.Key == "":
			fresh = append(fresh, c)
			p.bytes += c.Size
		case k.State == ledger.Pending && k.Epoch == 0 && !k.StateChange.Before(r.Listing.Again):
			fresh = append(fresh, c)
			p.known++
		case k.Reused() && !k.StateChange.Before(r.Listing.Again): // taken over when this page was cut off
			p.reuse(k)
		case k.ETag != c.ETag:
			if p.changed++; k.State == ledger.Finished {
				p.d.o.Log.Warn("an object has changed after it was read; what came in is not counted", zap.String("replay", r.ID), zap.String("object", c.Key))
			}
		}
	}
	p.cursors = fresh
	return nil
}

// enqueue writes the page down, what can be taken over from an earlier replay as FINISHED. A crash at any point repeats
// the page without harm.
func (p *page) enqueue(ctx context.Context, r ledger.Replay) error {
	if p.lender == nil || len(p.cursors) == 0 {
		return p.put(ctx, r, p.cursors)
	}
	keep := p.d.keepLease(ctx, r.ID) // what is sealed may be some gigabytes
	for objects := range slices.Chunk(p.cursors, lendAtOnce) {
		if err := keep(); err != nil {
			return err
		}
		if err := p.lender.fill(ctx, objects, p.again || r.Listing.Passes > 0); err != nil {
			return err
		}
		if err := p.put(ctx, r, objects); err != nil {
			return err
		}
		for i := range objects { // of which the next pages need nothing
			objects[i].Partial, objects[i].Segments, objects[i].Rejects = nil, nil, nil
		}
	}
	p.lender.report(ctx)
	return nil
}

// put writes objects down: cursors first, then tags, then messages, so that a message never comes before what it names.
func (p *page) put(ctx context.Context, r ledger.Replay, objects []ledger.Cursor) error {
	if len(objects) == 0 {
		return nil
	}
	if err := p.d.o.Ledger.Insert(ctx, objects); err != nil {
		return fmt.Errorf("writing down %d objects: %w", len(objects), err)
	}
	p.tag(ctx, r, objects)
	tasks := make([]queue.Task, 0, len(objects))
	for _, c := range objects {
		if c.Reused() {
			p.reuse(c)
			continue
		}
		tasks = append(tasks, task(c))
	}
	return p.d.send(ctx, tasks)
}

func (p *page) reuse(c ledger.Cursor) { p.reused.Add(ledger.Tally{Objects: 1, Size: c.Size}) }

// tag shows the state of objects on them. What cannot be tagged is replayed all the same.
func (p *page) tag(ctx context.Context, r ledger.Replay, objects []ledger.Cursor) {
	m := archive.Mirror{Archive: p.d.o.Archive, Mode: r.Tags}
	var group errgroup.Group
	group.SetLimit(mostTags)
	for _, c := range objects {
		group.Go(func() error {
			err := p.d.tagging.do(ctx, func() error {
				return m.Set(ctx, c.Key, string(c.State), c.Line, c.StateChange, c.State == ledger.Finished)
			})
			if errors.Is(err, archive.ErrTooManyTags) {
				err = p.d.o.Ledger.Note(ctx, c.CursorID, "no room for the tags of the replay: "+err.Error())
			}
			if err != nil && ctx.Err() == nil {
				p.d.o.Log.Info("tagging", zap.String("object", c.Key), zap.Error(err))
			}
			return nil
		})
	}
	_ = group.Wait() // nothing above returns an error
}

// untag takes a page's tags off again: this process lost the lease for so long that the replay has come to its end, and
// nobody else will look at these tags any more.
func (p *page) untag(ctx context.Context, r ledger.Replay) {
	m := archive.Mirror{Archive: p.d.o.Archive, Mode: r.Tags}
	for _, c := range p.cursors {
		if err := m.Clear(ctx, c.Key); err != nil && !errors.Is(err, archive.ErrNotFound) {
			p.d.o.Log.Info("taking late tags off", zap.String("object", c.Key), zap.Error(err))
		}
	}
}

// save moves the continuation; at the end of the listing the replay is RUNNING, and the number of objects listed is
// the number of cursors there are: a page that was repeated may have seen other keys the second time.
func (p *page) save(ctx context.Context, before ledger.Replay) (ledger.Replay, error) {
	var listed ledger.Tally
	if p.end {
		summary, err := p.d.o.Ledger.Summarize(ctx, before.ID)
		if err != nil {
			return before, fmt.Errorf("counting the objects of %s: %w", before.ID, err)
		}
		listed = summary.Total()
	}
	return p.d.update(ctx, before.ID, func(r *ledger.Replay) error {
		l := &r.Listing
		if r.State != before.State || l.After != before.Listing.After || l.Passes != before.Listing.Passes || l.Done {
			return errUnchanged // somebody else was faster, or it was cancelled
		}
		r.Waits = "" // it gets on again
		l.After = p.last
		l.Objects += int64(len(p.cursors) - p.known)
		l.Bytes += p.bytes
		l.Unmatched += p.unmatched
		l.Others += p.others
		l.Outside += p.outside
		l.Live += p.live
		l.Changed += p.changed
		l.Reused += p.reused.Objects
		l.ReusedBytes += p.reused.Size
		if l.Sample == "" {
			l.Sample = p.sample
		}
		if p.end {
			if listed.Objects < l.Objects {
				return fmt.Errorf("%d objects were listed and the ledger has %d: it has lost some", l.Objects, listed.Objects)
			}
			l.Objects, l.Bytes = listed.Objects, listed.Size
			l.Passes++
			if l.Done = l.Again.IsZero() || l.Passes > 1; !l.Done {
				l.After = ""
			}
			if r.State == ledger.Starting {
				setState(r, ledger.Running)
			}
			p.d.o.Log.Info("everything is enqueued", zap.String("replay", r.ID), zap.Int64("objects", l.Objects), zap.Int64("bytes", l.Bytes),
				zap.Int64("live", l.Live), zap.Int64("reused", l.Reused), zap.Bool("again", !l.Done))
		}
		return nil
	})
}
