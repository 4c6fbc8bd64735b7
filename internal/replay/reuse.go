package replay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/axiomhq/hyperloglog"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/stats"
)

// A partial is a pure function of an object's content (ETag and size), the definition (the versions of the aggregator and
// of a Go consumer are part of it) and the rule that says which lines count. Where an earlier replay has one under the
// same three, a later one takes it over while it lists the archive, and nobody reads the object.

// ErrReuse says that the replay to take over from is not there.
var ErrReuse = errors.New("nothing can be taken over")

// checkReuse refuses to take over from a replay that is not there. Which one it is, and how far it came, does not matter:
// only what it has finished is taken.
func (d *Driver) checkReuse(ctx context.Context, p StartParams) error {
	if p.Reuse == "" {
		return nil
	}
	_, err := d.o.Ledger.Replay(ctx, p.Reuse)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return fmt.Errorf("%w: there is no replay %s; reprise list names them", ErrReuse, p.Reuse)
	case err != nil:
		return fmt.Errorf("reading replay %s: %w", p.Reuse, err)
	default:
		return nil
	}
}

// counting is what decides, beside an object's content, what it counts to in a replay.
type counting struct {
	definition []byte
	rule       string    // ledger.RuleAll or RuleCutoff
	cutoff     time.Time // of RuleCutoff
}

// alike reports whether each line of an object counts now as it counted then, where so many lay after the cutoff of then.
func (then counting) alike(now counting, afterCutoff int64) bool {
	if !bytes.Equal(then.definition, now.definition) {
		return false
	}
	switch then.rule {
	case ledger.RuleAll: // lines may lie after any cutoff
		return now.rule == ledger.RuleAll
	case ledger.RuleCutoff:
		return now.rule == ledger.RuleCutoff && now.cutoff.Equal(then.cutoff) ||
			// Every line was counted, and no later cutoff leaves one of them out.
			afterCutoff == 0 && (now.rule == ledger.RuleAll || now.rule == ledger.RuleCutoff && now.cutoff.After(then.cutoff))
	default:
		return false
	}
}

// terms are those on which objects of one protocol are taken over.
type terms struct {
	then, now counting
	rejects   float64 // the share of bad lines above which an object is FAILED now
	program   *stats.Program
	partials  sync.Pool // of *stats.Partial, empty

	mu   sync.Mutex
	keys *hyperloglog.Sketch // of the rows' hashes
}

// allow reports whether what an earlier replay's cursor says of an object holds now as well. What does not close its own
// accounts is read again, and so is an object that would be FAILED now: it shall fail for its own lines.
func (t *terms) allow(object, old ledger.Cursor) bool {
	a := old.Accounts
	switch {
	case old.State != ledger.Finished, old.Protocol != object.Protocol:
	case old.ETag == "", old.ETag != object.ETag, old.Size != object.Size:
	case a.Read != a.Counted+a.AfterCutoff+a.Rejected, old.Line != a.Read+a.Blank, a.Consumed != old.Size:
	case a.RejectedShare() > t.rejects:
	default:
		return t.then.alike(t.now, a.AfterCutoff)
	}
	return false
}

// lender is an earlier replay from which a later one takes over. Its methods may be called by several goroutines.
type lender struct {
	d      *Driver
	from   string            // the earlier replay
	to     string            // the later one; "": a start that is only tried
	terms  map[string]*terms // by protocol; those whose definitions differ have none
	since  time.Time
	sealed sync.Mutex   // bounds the memory: of the partials that are sealed one is in it at a time
	taken  atomic.Bool  // something was, since the last report
	gone   atomic.Int64 // objects whose partials are gone or damaged, since the last report
}

// borrower is a protocol of the later replay.
type borrower struct {
	name    string
	rejects float64
	counting
}

// newLender opens a replay to take over from. A protocol that it has not, or that counts otherwise now, has no terms.
func (d *Driver) newLender(ctx context.Context, from, to string, protocols []borrower) (*lender, error) {
	l := &lender{d: d, from: from, to: to, terms: map[string]*terms{}, since: time.Now().UTC()}
	old, err := d.o.Ledger.Replay(ctx, from)
	if errors.Is(err, ledger.ErrNotFound) { // gone since the start: then everything is read
		return l, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading replay %s, to take over from: %w", from, err)
	}
	for _, b := range protocols {
		part, ok := old.Protocol(b.name)
		if !ok {
			continue
		}
		g, err := d.o.Ledger.Generation(ctx, b.name, part.Generation)
		if errors.Is(err, ledger.ErrNotFound) || err == nil && !bytes.Equal(g.Definition, b.definition) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading generation %d of %s: %w", part.Generation, b.name, err)
		}
		t := &terms{then: counting{g.Definition, part.Rule, old.Cutoff}, now: b.counting, rejects: b.rejects, keys: hyperloglog.New()}
		definition, err := stats.DecodeDefinition(b.definition)
		if err == nil {
			t.program, err = stats.CompileRows(definition)
		}
		if err != nil { // this process cannot check what it would take over; the one that started the replay can
			return nil, fmt.Errorf("the definition of %s: %w", b.name, err)
		}
		t.partials.New = func() any { return t.program.NewPartial() }
		l.terms[b.name] = t
	}
	return l, nil
}

// lender is the one that a replay takes over from, nil where it is to read everything.
func (d *Driver) lender(ctx context.Context, r ledger.Replay) (*lender, error) {
	if r.Reuse == "" {
		return nil, nil //nolint:nilnil // no lender is an answer
	}
	var protocols []borrower
	for _, part := range r.Protocols {
		g, err := d.o.Ledger.Generation(ctx, part.Name, part.Generation)
		if err != nil {
			return nil, fmt.Errorf("reading generation %d of %s: %w", part.Generation, part.Name, err)
		}
		protocols = append(protocols, borrower{part.Name, part.Rejects, counting{g.Definition, part.Rule, r.Cutoff}})
	}
	l, err := d.newLender(ctx, r.Reuse, r.ID, protocols)
	if err != nil {
		return nil, err
	}
	return l, l.resume(ctx)
}

// old reads what the earlier replay has of an object; ok says that it holds now as well.
func (l *lender) old(ctx context.Context, object ledger.Cursor) (old ledger.Cursor, ok bool, err error) {
	t := l.terms[object.Protocol]
	if t == nil {
		return old, false, nil
	}
	old, err = l.d.o.Ledger.Cursor(ctx, ledger.CursorID{Replay: l.from, Key: object.Key})
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return old, false, nil
	case err != nil:
		return old, false, fmt.Errorf("reading what %s has of %s: %w", l.from, object.Key, err)
	default:
		return old, t.allow(object, old), nil
	}
}

// atOnce calls do for 0 to n-1, cursorReaders at a time.
func atOnce(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(cursorReaders)
	for i := range n {
		group.Go(func() error { return do(ctx, i) })
	}
	return group.Wait()
}

// lendAtOnce is how many objects are taken over, written down and enqueued together: with their partials they are at
// most 4 MiB.
const lendAtOnce = 64

// fill makes the cursors that can be taken over FINISHED, with all that they came to. Any error but that something is
// gone or damaged leaves open what the next attempt will find, so that it must not become "is to be read".
//
// again says that an earlier attempt may have come to some of them. What that has decided stays: an object that it has
// written down to be read may be left without a message, if this attempt takes it over.
func (l *lender) fill(ctx context.Context, objects []ledger.Cursor, again bool) error {
	return atOnce(ctx, len(objects), func(ctx context.Context, i int) error {
		c := &objects[i]
		if again {
			known, err := l.d.o.Ledger.Cursor(ctx, c.CursorID)
			switch {
			case err == nil:
				l.keep(c, known)
				return nil
			case !errors.Is(err, ledger.ErrNotFound):
				return fmt.Errorf("reading the cursor of %s: %w", c.Key, err)
			}
		}
		old, ok, err := l.old(ctx, *c)
		if err != nil || !ok {
			return err
		}
		if err := l.take(ctx, c, old); err != nil {
			return fmt.Errorf("taking %s over from %s: %w", c.Key, l.from, err)
		}
		return nil
	})
}

// keep leaves what an earlier attempt has written down as it is.
func (l *lender) keep(c *ledger.Cursor, known ledger.Cursor) {
	if !known.Reused() {
		return
	}
	if t := l.terms[known.Protocol]; t != nil { // its rows may not have been reported
		_, _, _ = t.decode(known.Partial)
		l.taken.Store(true)
	}
	*c = known
}

// errUnusable says that a partial is gone or damaged, or not all that the cursor has counted.
var errUnusable = errors.New("what was counted is not there any more")

// take makes a cursor FINISHED with what an earlier one came to, where all of that can be merged still.
func (l *lender) take(ctx context.Context, c *ledger.Cursor, old ledger.Cursor) error {
	segments, err := l.copyPartials(ctx, c.CursorID, old)
	if errors.Is(err, errUnusable) || errors.Is(err, ledger.ErrNotFound) {
		l.d.o.Log.Debug("cannot be taken over", zap.String("replay", l.from), zap.String("object", c.Key), zap.Error(err))
		l.gone.Add(1)
		return nil
	}
	if err != nil {
		return err
	}
	c.State, c.Line, c.Accounts, c.Rejects = ledger.Finished, old.Line, old.Accounts, old.Rejects
	c.Segments, c.Partial, c.Rows = segments, old.Partial, old.Rows
	l.taken.Store(true)
	return nil
}

// copyPartials decodes all partials of an earlier cursor once, to the end, and copies those that are sealed under the new
// cursor's name. Their epoch is 0 there: no claim has it, so what is copied never stands where a worker would seal.
func (l *lender) copyPartials(ctx context.Context, to ledger.CursorID, old ledger.Cursor) ([]ledger.Segment, error) {
	t := l.terms[old.Protocol]
	rows, lines, err := t.decode(old.Partial)
	if err != nil {
		return nil, err
	}
	if len(old.Segments) > 0 {
		l.sealed.Lock()
		defer l.sealed.Unlock()
	}
	segments := slices.Clone(old.Segments)
	for i, s := range old.Segments {
		blob, err := l.d.o.Ledger.Segment(ctx, old.CursorID, s)
		if err != nil {
			return nil, err
		}
		n, counted, err := t.decode(blob)
		if err != nil {
			return nil, err
		}
		rows += n
		lines += counted
		segments[i].Epoch = 0
		if err := l.d.o.Ledger.PutSegment(ctx, to, segments[i], blob); err != nil {
			return nil, err
		}
	}
	if rows != old.Rows || lines != old.Counted {
		return nil, fmt.Errorf("%w: the partials have %d rows of %d lines, the cursor had %d of %d", errUnusable, rows, lines, old.Rows, old.Counted)
	}
	return segments, nil
}

// decode reads a partial as a fold will, and keeps the hashes of its rows. It returns how many there are, and of how many
// lines.
func (t *terms) decode(blob []byte) (rows, lines int64, err error) {
	if len(blob) == 0 {
		return 0, 0, nil
	}
	partial := t.partials.Get().(*stats.Partial) //nolint:forcetypeassert // the pool's own
	if err := partial.MergeBlob(blob, nil); err != nil {
		return 0, 0, fmt.Errorf("%w: %w", errUnusable, err) // the partial is spoilt with it
	}
	rows, lines = int64(partial.Len()), partial.Lines()
	t.mu.Lock()
	for hash := range partial.Hashes() {
		t.keys.InsertHash(hash)
	}
	t.mu.Unlock()
	partial.Reset()
	t.partials.Put(partial)
	return rows, lines, nil
}

// reporter is the name under which the rows of what was taken over are reported, as workers report those that they count.
// It is no worker's.
func (l *lender) reporter() string { return "reuse " + l.d.o.Owner }

// resume goes on from this process's own last report: a listing that goes on has seen nothing of its first pages.
func (l *lender) resume(ctx context.Context) error {
	reports, err := l.d.o.Ledger.Progress(ctx, l.to)
	if err != nil {
		return fmt.Errorf("reading the workers' progress: %w", err)
	}
	for _, report := range reports {
		if report.Worker != l.reporter() {
			continue
		}
		l.since = report.Since
		for name, t := range l.terms {
			sketch := hyperloglog.New()
			if b := report.Keys[name]; len(b) > 0 && sketch.UnmarshalBinary(b) == nil {
				_ = t.keys.Merge(sketch) // both of the same precision
			}
		}
	}
	return nil
}

// report tells how many rows there are in what was taken over, by which the fold is cut into parts. Nothing is decided by
// it, so a report that is lost costs nothing.
func (l *lender) report(ctx context.Context) {
	if n := l.gone.Swap(0); n > 0 {
		l.d.o.Log.Warn("what was counted of some objects is not there any more, or damaged; they are read", zap.String("replay", l.to),
			zap.String("from", l.from), zap.Int64("objects", n))
	}
	if !l.taken.Swap(false) {
		return
	}
	p := ledger.Progress{Replay: l.to, Worker: l.reporter(), Since: l.since, At: time.Now().UTC(), Keys: map[string][]byte{}}
	for name, t := range l.terms {
		if b, err := t.keys.MarshalBinary(); err == nil {
			p.Keys[name] = b
		}
	}
	if err := l.d.o.Ledger.PutProgress(ctx, p); err != nil && ctx.Err() == nil {
		l.d.o.Log.Info("reporting what was taken over", zap.String("replay", l.to), zap.Error(err))
	}
}

// loans asks what a start would take over. What is in the partials is not looked at.
type loans struct {
	lender  *lender // nil: nothing
	each    eachObject
	objects []archive.Object
	asked   []ledger.Cursor // of the objects
}

// eachObject is shown an object of a protocol that would be replayed, with what would be taken over of it; nil: it would be read.
type eachObject func(protocol string, object archive.Object, old *ledger.Cursor)

// newLoans is for the replay that a start would open.
func (d *Driver) newLoans(ctx context.Context, p StartParams, of ledger.Replay, each eachObject) (*loans, error) {
	l := &loans{each: each}
	if p.Reuse == "" {
		return l, nil
	}
	var protocols []borrower
	for i, part := range of.Protocols {
		protocols = append(protocols, borrower{part.Name, part.Rejects, counting{p.Protocols[i].Definition.Encode(), part.Rule, of.Cutoff}})
	}
	var err error
	l.lender, err = d.newLender(ctx, p.Reuse, "", protocols)
	return l, err
}

// add asks for an object, many at a time.
func (l *loans) add(ctx context.Context, protocol string, object archive.Object) error {
	if l.lender == nil {
		l.each(protocol, object, nil)
		return nil
	}
	l.objects = append(l.objects, object)
	l.asked = append(l.asked, ledger.Cursor{CursorID: ledger.CursorID{Key: object.Key}, Protocol: protocol, ETag: object.ETag, Size: object.Size})
	if len(l.objects) < lendAtOnce {
		return nil
	}
	return l.flush(ctx)
}

// flush asks for what is left to be asked for.
func (l *loans) flush(ctx context.Context) error {
	olds := make([]*ledger.Cursor, len(l.asked))
	err := atOnce(ctx, len(l.asked), func(ctx context.Context, i int) error {
		old, ok, err := l.lender.old(ctx, l.asked[i])
		if ok {
			olds[i] = &old
		}
		return err
	})
	if err != nil {
		return err
	}
	for i, object := range l.objects {
		l.each(l.asked[i].Protocol, object, olds[i])
	}
	l.objects, l.asked = l.objects[:0], l.asked[:0]
	return nil
}
