package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/stats"
)

// lookEvery is how many lines pass between two looks at the clock, the stop and the partial's memory: about a
// millisecond's work, so that the looks cost nothing. It is also the least that a chunk reads, whatever its budget:
// without it, a budget shorter than the skip to the first line would never end.
const lookEvery = 256

// lookBytes bounds the same in bytes: 256 lines of 1 MiB from a slow archive would outlast the reserve and the drain.
const lookBytes = 4 << 20

// chunk is the lines that one claim reads between two commits.
type chunk struct {
	*job
	part    ledger.ReplayProtocol
	tally   *stats.Tally
	lines   *archive.Lines
	first   int64         // what the tally takes for the number of the object's line 0
	commit  ledger.Commit // what the next commit says, but for the position
	sealed  int64         // the line up to which partials are in segments
	from    int64         // the line of the last commit
	rows    int64         // rows in sealed segments
	objects int64         // 1 when the object has been finished
}

// chunk reads lines from the cursor's position on and commits them: FINISHED at the object's end (nil), PENDING when the
// budget is used up (errHandOn), the worker stops (errStopped) or reading broke off on the way.
func (j *job) chunk(ctx context.Context, part ledger.ReplayProtocol, program *stats.Program) error {
	rule := stats.Rule{All: part.Rule == ledger.RuleAll, Cutoff: nanos(j.replay.Cutoff)}
	tally, err := program.NewTally(rule)
	if err != nil {
		return fmt.Errorf("counting %s: %w", j.task.Key, err)
	}
	c := &chunk{job: j, part: part, tally: tally, from: j.cursor.Line, first: firstNumber(j.task.Key)}
	if err := c.resume(); err != nil {
		return err
	}
	if err := c.reserveSkip(ctx); err != nil {
		return err
	}
	c.lines, err = archive.OpenLines(ctx, j.w.o.Archive, archive.LinesParams{
		Key: j.task.Key, ETag: j.cursor.ETag, Size: j.cursor.Size, Frame: archive.Frame(j.cursor.Frame),
		Line: j.cursor.Line, MaxLine: program.MaxLine() + 1, // a CR is no part of the line; the tally decides
		Spare: j.w.spare,
	})
	if err != nil {
		return err
	}
	defer func() { _ = c.lines.Close() }() // nothing was written

	err = c.read(ctx, j.budget())
	switch {
	case err == nil:
		if err := c.checkRejects(); err != nil {
			return err
		}
		c.objects = 1
		return c.save(ctx, ledger.Finished)
	case c.lines.Number() == j.cursor.Line, decide(err, 0, 1) == Poison:
		// Nothing was read, or what was read is part of a bad object: there is nothing to commit.
		return err
	case errors.Is(err, ledger.ErrFenced), errors.Is(err, errOver):
		return err
	}
	if e := c.save(ctx, ledger.Pending); e != nil {
		return e
	}
	return err
}

// budget is the time for reading: the longest chunk less the reserve, halved for each attempt before this one, because
// a worker that was killed for its memory or its time gets further with less.
func (j *job) budget() time.Duration {
	return (j.w.o.ChunkTime - j.w.o.Reserve) >> min(max(j.cursor.NoProgress-1, 0), 30)
}

// resume takes over what the cursor has.
func (c *chunk) resume() error {
	c.commit = ledger.Commit{
		ID: c.id(), Epoch: c.cursor.Epoch, Accounts: c.cursor.Accounts,
		Rejects: c.cursor.Rejects, Segments: c.cursor.Segments,
	}
	if n := len(c.cursor.Segments); n > 0 {
		c.sealed = c.cursor.Segments[n-1].To
	}
	partial := c.tally.Partial()
	if len(c.cursor.Partial) > 0 {
		if err := partial.MergeBlob(c.cursor.Partial, nil); err != nil {
			return fmt.Errorf("reading the partial of %s: %w", c.task.Key, err)
		}
	}
	// The cursor's number has the rows of its own partial in it, and they are counted again with the next commit.
	c.rows = c.cursor.Rows - int64(partial.Len())
	return nil
}

// skipRate is how many stored bytes of a gzip member are skipped in a second at the least: a fraction of what one core
// does, because a claim that is over in the middle of the skip is taken by the next duplicate of the message.
const skipRate = 10 << 20

// reserveSkip keeps the cursor ours for as long as the way to its line may take, where there is a long one: the middle
// of a gzip member can only be reached from its start.
func (c *chunk) reserveSkip(ctx context.Context) error {
	if c.cursor.Line == c.cursor.Frame.Line {
		return nil
	}
	skip := time.Duration(float64(c.cursor.Consumed-c.cursor.Frame.Offset) / skipRate * float64(time.Second))
	c.w.o.Alive.Allow(skip)
	if skip < c.ownership()/4 {
		return nil
	}
	ctx, cancel := c.w.lastWrites(ctx)
	defer cancel()
	renewal := c.commit
	renewal.From, renewal.To, renewal.State, renewal.Now = c.from, c.from, ledger.Processing, time.Now()
	renewal.Frame, renewal.Partial, renewal.Rows = c.cursor.Frame, c.cursor.Partial, c.cursor.Rows
	renewal.Until = renewal.Now.Add(skip + c.ownership())
	if err := c.w.commit(ctx, renewal); err != nil {
		return fmt.Errorf("keeping %s for the way to line %d: %w", c.task.Key, c.from, err)
	}
	return nil
}

// read folds lines until the object's end (nil), or until something ends the chunk. The budget begins with the first
// line, because the way to it cannot be divided.
func (c *chunk) read(ctx context.Context, budget time.Duration) error {
	var deadline time.Time
	for {
		for n, size := 0, 0; n < lookEvery && size < lookBytes; n++ {
			line, err := c.lines.Next()
			if err == io.EOF { //nolint:errorlint // a wrapped one is not the clean end
				return nil
			}
			if err != nil {
				return err
			}
			if deadline.IsZero() {
				deadline = time.Now().Add(budget)
			}
			c.count(line)
			size += len(line.Bytes)
		}
		c.w.outage.succeeded() // a chunk may take minutes until its commit
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case c.w.stopping.Load():
			return errStopped
		case !time.Now().Before(deadline):
			return errHandOn
		}
		if err := c.mayGoOn(ctx); err != nil {
			return err
		}
		if c.tally.Partial().Size() > c.w.o.Memory {
			if err := c.save(ctx, ledger.Processing); err != nil {
				return err
			}
		}
	}
}

// firstNumber is the number of an object's first line to the tally. Line 0 may be a header, or begin with a byte order
// mark; in an object of our own archiver it is an entry like any other, and has been counted live as line 1.
func firstNumber(key string) int64 {
	if _, ours := archive.EpochOf(key); ours {
		return 1
	}
	return 0
}

// nanos is an instant as the tally compares it: what lies beyond the range of its integers is before or after all lines.
func nanos(t time.Time) int64 {
	switch {
	case t.Before(time.Unix(0, math.MinInt64)):
		return math.MinInt64
	case t.After(time.Unix(0, math.MaxInt64)):
		return math.MaxInt64
	default:
		return t.UnixNano()
	}
}

// count is where a line of the archive is counted.
func (c *chunk) count(line archive.Line) {
	c.job.read++
	a := &c.commit.Accounts
	a.Bytes += int64(len(line.Bytes)) + 1
	outcome, reason := stats.Rejected, errTooLong
	if !line.TooLong {
		outcome, reason = c.tally.Line(c.first+line.Number, line.Bytes)
	}
	switch outcome {
	case stats.Blank:
		a.Blank++
		return
	case stats.Counted:
		a.Counted++
	case stats.AfterCutoff:
		a.AfterCutoff++
	case stats.Rejected:
		a.Rejected++
		if len(c.commit.Rejects) < ledger.MaxRejects {
			c.commit.Rejects = append(c.commit.Rejects, ledger.Reject{Line: line.Number, Reason: reason.Error()})
		}
	}
	a.Read++
}

// checkRejects holds the protocol's limit of bad lines, at the object's end, where the share is known.
func (c *chunk) checkRejects() error {
	a := c.commit.Accounts
	if share := a.RejectedShare(); share > c.part.Rejects {
		return fmt.Errorf("%w: %d of %d, a share of %.3g; rejects allows up to %.3g", errBadLines, a.Rejected, a.Read, share, c.part.Rejects)
	}
	return nil
}

// save commits all lines up to here: Processing seals the partial and goes on, Pending and Finished give the cursor up.
// It has a time of its own: a chunk whose context has ended still keeps what it has read.
func (c *chunk) save(ctx context.Context, state ledger.State) error {
	if errors.Is(context.Cause(ctx), ledger.ErrFenced) || c.lostReceipt(ctx) {
		return context.Cause(ctx)
	}
	ctx, cancel := c.w.lastWrites(ctx)
	defer cancel()

	partial := c.tally.Partial()
	rows := int64(partial.Len())
	var blob []byte
	if partial.Lines() > 0 { // lines that no statistic took are in it as well, by their number
		blob = partial.AppendBlob(nil)
	}
	to := c.lines.Number()
	commit := c.commit
	commit.From, commit.To, commit.State, commit.Now = c.from, to, state, time.Now()
	if state != ledger.Finished { // nobody goes on reading, and every byte of a cursor is paid for
		commit.Frame = ledger.Frame(c.lines.Frame())
	}
	commit.Accounts.Consumed = c.lines.Consumed()
	commit.Rows = c.rows + rows
	seal := state == ledger.Processing || len(blob) > ledger.MaxInline
	if seal && len(blob) > 0 {
		s := ledger.Segment{Epoch: commit.Epoch, From: c.sealed, To: to, Bytes: int64(len(blob))}
		if err := c.w.o.Ledger.PutSegment(ctx, commit.ID, s, blob); err != nil {
			return fmt.Errorf("sealing lines %d to %d of %s: %w", s.From, s.To, c.task.Key, err)
		}
		commit.Segments = append(commit.Segments[:len(commit.Segments):len(commit.Segments)], s)
	} else {
		commit.Partial = blob
	}
	if state == ledger.Processing {
		commit.Until = commit.Now.Add(c.ownership())
	}
	if err := c.w.commit(ctx, commit); err != nil {
		return fmt.Errorf("committing %s up to line %d: %w", c.task.Key, to, err)
	}
	c.tellCommitted(commit.Accounts)
	c.w.progress.add(c.task.Replay, c.task.Protocol, committed{
		lines: to - c.from, bytes: commit.Accounts.Bytes - c.cursor.Bytes, objects: c.objects, keys: partial.Hashes(),
	})
	// The job's cursor follows the ledger's.
	c.commit.Segments = commit.Segments
	c.cursor.State, c.cursor.Line, c.cursor.Accounts, c.from = state, to, commit.Accounts, to
	if to > commit.From || state == ledger.Finished {
		c.cursor.NoProgress = 0
	}
	if state == ledger.Processing {
		c.sealed, c.rows = to, commit.Rows
		partial.Reset()
		return nil
	}
	c.mirror(ctx, state)
	return nil
}

// lostReceipt reports whether the work was ended because somebody else received the message.
func (c *chunk) lostReceipt(ctx context.Context) bool {
	return ctx.Err() != nil && decide(context.Cause(ctx), 0, 1) == Lost
}

// commit writes a commit until its outcome is known. After an error that leaves it open, the cursor tells: our epoch at
// the position that we wrote means that it happened.
func (w *Worker) commit(ctx context.Context, c ledger.Commit) (err error) {
	ctx, done := w.tellCommit(ctx, c)
	defer func() { done(err) }()
	for attempt := 1; ; attempt++ {
		err := w.o.Ledger.Commit(ctx, c)
		if err == nil {
			return nil
		}
		cursor, e := w.o.Ledger.Cursor(ctx, c.ID)
		switch {
		case e != nil && errors.Is(e, ledger.ErrNotFound):
			return ledger.ErrFenced // cancelled meanwhile
		case e != nil: // not known yet
		case cursor.Epoch == c.Epoch && cursor.Line == c.To && cursor.State == c.State && (c.To > c.From || c.State != ledger.Processing):
			return nil
		case cursor.Epoch != c.Epoch || errors.Is(err, ledger.ErrFenced):
			return ledger.ErrFenced
		}
		w.o.Log.Info("committing again", zap.String("object", c.ID.Key), zap.Int("attempt", attempt), zap.Error(err))
		if pause(ctx, backoff(attempt, 20*time.Millisecond, 2*time.Second)); ctx.Err() != nil {
			return err
		}
	}
}
