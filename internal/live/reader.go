package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/internal/entries"
)

// saveEvery is how many records may pass between two checkpoints: they are read again after a crash.
const saveEvery = 5000

// reader reads one shard, under its lease.
type reader struct {
	c     *Consumer
	once  bool
	began time.Time // the present, with once: under load there is always more

	at    entries.Checkpoint // everything before it is counted, or left to the sweeps
	news  int                // records since the last checkpoint
	moved bool               // at is not the last checkpoint
	saved time.Time          // when that was; zero: not yet
}

// run reads the shard until it ends, ctx ends or, with once, nothing more is there. Only what is counted is in a checkpoint.
func (r *reader) run(ctx context.Context) error {
	defer r.last(ctx)
	failures, failing := 0, time.Time{}
	for ctx.Err() == nil {
		records, err := r.c.counter.o.Entries.Feed(ctx, r.at.Shard, r.at.Position, r.c.o.Batch)
		switch {
		case err == nil:
			failures = 0
		case errors.Is(err, entries.ErrTrimmed) && r.at.Position != "":
			r.c.o.Log.Warn("the feed has forgotten records that were not read: a sweep looks for them", zap.String("shard", r.at.Shard))
			r.at.Position = ""
			signal(r.c.trimmed)
			continue
		case errors.Is(err, entries.ErrTrimmed): // the shard is gone, of a table or a stream that was made anew; if it is not, it is found again
			r.c.o.Log.Warn("the feed has nothing left of a shard: sweeps look for what was in it", zap.String("shard", r.at.Shard), zap.Error(err))
			return nil
		default:
			if failures++; failures == 1 {
				failing = time.Now()
			}
			if r.once && time.Since(failing) > r.c.o.Patience {
				return fmt.Errorf("reading shard %s of the feed: %w", r.at.Shard, err)
			}
			if ctx.Err() == nil {
				r.c.o.Log.Warn("reading the feed", zap.String("shard", r.at.Shard), zap.Error(err), zap.Int("attempt", failures))
			}
			pause(ctx, backoff(failures, 200*time.Millisecond, 10*time.Second))
			continue
		}
		if !r.take(ctx, records) {
			return nil
		}
		switch {
		case records.Closed:
			return r.close(ctx)
		case r.once && (!records.More || records.Newest.After(r.began)):
			return r.save(ctx)
		}
		r.saveIfDue(ctx)
		switch {
		case !records.More:
			pause(ctx, r.c.o.Poll)
		case len(records.Entries)+len(records.Bad) == 0: // the stream has looked through some of itself in vain
			pause(ctx, r.c.o.Poll/5)
		}
	}
	return nil
}

// take counts records and moves the position behind them; false when ctx has ended before.
func (r *reader) take(ctx context.Context, records entries.Records) bool {
	for _, bad := range records.Bad {
		r.c.done.bad.Add(1)
		r.c.metrics.Read(0, 1)
		r.c.o.Log.Warn("a record of the feed is no entry, it is passed over", zap.String("shard", r.at.Shard), zap.String("record", bad))
	}
	if !r.count(ctx, records.Entries) {
		return false
	}
	r.c.done.read.Add(int64(len(records.Entries)))
	r.c.metrics.Read(len(records.Entries), 0)
	r.news += len(records.Entries) + len(records.Bad)
	r.moved = r.moved || r.at.Position != records.Next
	r.at.Position = records.Next
	switch {
	case !records.More:
		r.at.Behind = time.Time{}
	case !records.Newest.IsZero():
		r.at.Behind = records.Newest
	}
	r.c.done.lag.Store(r.at.Shard, position{behind: r.at.Behind, at: time.Now()})
	return true
}

// triesBesides is how often entries are tried that the store refuses while it takes others.
const triesBesides = 3

// count counts entries, and tries again with those that the store refuses: a few times where it takes others, else until the
// consumer's patience is over. What is left then stays in the index, where the sweeps try again: one entry must not keep the others
// of its shard waiting. false when ctx has ended.
func (r *reader) count(ctx context.Context, list []entries.Entry) bool {
	list = r.c.wanted(list)
	began, all := time.Now(), len(list)
	for try := 1; ; try++ {
		failures := r.c.refused(r.c.counter.CountEach(ctx, list))
		switch {
		case len(failures) == 0:
			return true
		case ctx.Err() != nil:
			return false
		case len(failures) < all && try >= triesBesides, time.Since(began) >= r.c.o.Patience:
			r.c.leave(len(failures))
			r.c.o.Log.Error("entries cannot be counted now: sweeps will try again", zap.String("shard", r.at.Shard),
				zap.Int("entries", len(failures)), zap.String("first", failures[0].ID), zap.Error(failures[0].Err))
			return true
		}
		r.c.o.Log.Warn("counting entries of the feed", zap.String("shard", r.at.Shard), zap.Int("entries", len(failures)),
			zap.String("first", failures[0].ID), zap.Error(failures[0].Err), zap.Int("attempt", try))
		again := map[string]bool{}
		for _, f := range failures {
			again[f.ID] = true
		}
		r.c.metrics.Again(len(failures))
		list = slices.DeleteFunc(list, func(e entries.Entry) bool { return !again[e.ID] })
		pause(ctx, backoff(try, 200*time.Millisecond, 30*time.Second))
	}
}

// leave leaves entries to the sweeps.
func (c *Consumer) leave(n int) {
	c.done.left.Add(int64(n))
	c.metrics.Left(n)
}

// wanted are the entries of the protocols that are counted here.
func (c *Consumer) wanted(list []entries.Entry) []entries.Entry {
	if len(c.o.Protocols) == 0 {
		return list
	}
	var wanted []entries.Entry
	for _, e := range list {
		if slices.Contains(c.o.Protocols, e.Protocol) {
			wanted = append(wanted, e)
			continue
		}
		c.leave(1)
		if c.counter.often.may("not configured " + e.Protocol) {
			c.o.Log.Warn("entries of a protocol that is not configured stay as they are", zap.String("protocol", e.Protocol), zap.String("entry", e.ID))
		}
	}
	return wanted
}

// refused are the failures that do not wait for something else.
func (c *Consumer) refused(failures []Failure) []Failure {
	return slices.DeleteFunc(failures, func(f Failure) bool {
		if !f.Waits() {
			return false
		}
		c.leave(1)
		if errors.Is(f.Err, ErrNoGeneration) && c.counter.often.may(f.Err.Error()) { // of the other reason the counter has told
			c.o.Log.Warn("entries stay as they are until there is a generation", zap.String("entry", f.ID), zap.Error(f.Err))
		}
		return true
	})
}

// saveIfDue saves a checkpoint now and then, without news more seldom: then it only says that the shard is read.
func (r *reader) saveIfDue(ctx context.Context) {
	due := 6 * r.c.o.Save
	if r.news > 0 {
		due = r.c.o.Save
	}
	if r.news < saveEvery && time.Since(r.saved) < due {
		return
	}
	if err := r.save(ctx); err != nil && ctx.Err() == nil {
		r.saved = time.Now() // it is due again after the same time
		r.c.o.Log.Warn("saving a checkpoint", zap.String("shard", r.at.Shard), zap.Error(err))
	}
}

func (r *reader) save(ctx context.Context) error {
	r.at.At = time.Now().UTC()
	err := r.c.counter.o.Entries.SaveCheckpoint(ctx, r.at)
	if err == nil {
		r.news, r.moved, r.saved = 0, false, time.Now()
	}
	return err
}

// close notes that the shard was read to its end, without which nobody reads its children.
func (r *reader) close(ctx context.Context) error {
	r.at.Closed, r.moved = true, true
	for failures := 1; ; failures++ {
		err := r.save(ctx)
		if err == nil {
			signal(r.c.changed)
			return nil
		}
		if ctx.Err() != nil {
			return nil // last tries once more
		}
		r.c.o.Log.Warn("saving the last checkpoint of a shard", zap.String("shard", r.at.Shard), zap.Error(err))
		pause(ctx, backoff(failures, 200*time.Millisecond, 10*time.Second))
	}
}

// last saves where the reader has come to when it stops, but not over the checkpoint of whoever has taken the shard over.
func (r *reader) last(ctx context.Context) {
	if errors.Is(context.Cause(ctx), errLost) || !r.moved {
		return
	}
	ctx, cancel := afterStop(ctx)
	defer cancel()
	if err := r.save(ctx); err != nil {
		r.c.o.Log.Warn("saving a checkpoint: what was read since the last is read again", zap.String("shard", r.at.Shard), zap.Error(err))
	}
}
