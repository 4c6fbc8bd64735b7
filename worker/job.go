package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/stats"
	"github.com/seed-56345083/reprise/queue"
)

// job is one message in one slot.
type job struct {
	w       *Worker
	message queue.Message
	task    queue.Task
	replay  ledger.Replay
	cursor  ledger.Cursor // as this job knows it
	claimed bool          // cursor.Epoch is ours
	log     *zap.Logger
}

// handle takes one message from its receive to its verdict.
func (w *Worker) handle(work context.Context, m queue.Message) {
	ctx, lose := context.WithCancelCause(work)
	defer lose(nil)
	w.beats.hold(m.Receipt, lose)
	defer w.beats.drop(m.Receipt)

	j := &job{w: w, message: m, log: w.o.Log}
	started := time.Now()
	err := j.safely(ctx)
	if cause := context.Cause(ctx); cause != nil {
		err = cause // why the work was cut off, rather than what it met then
	}
	attempts := 0
	if j.claimed {
		attempts = j.cursor.NoProgress
	}
	verdict := decide(err, attempts, w.o.MaxAttempts)

	fields := []zap.Field{
		zap.String("replay", j.task.Replay), zap.String("object", j.task.Key), zap.Int64("line", j.cursor.Line),
		zap.Stringer("verdict", verdict), zap.Int("attempt", attempts), zap.Duration("took", time.Since(started)),
	}
	if err != nil && verdict != HandOn {
		fields = append(fields, zap.NamedError("reason", err))
	}
	switch {
	case verdict == Retry, verdict == Poison, verdict == Lost, errors.Is(err, stats.ErrVersion):
		j.log.Warn("message", fields...)
	default:
		j.log.Debug("message", fields...)
	}

	last, cancel := w.lastWrites(ctx) // they must not die with the work
	defer cancel()
	if err := j.settle(last, verdict, err); err != nil {
		j.log.Warn("settling a message", append(fields, zap.Error(err))...)
	}
}

// safely makes an error of a panic: one object's line must not end the work on all others. It is tried again like any
// unknown error, and the attempts end it.
func (j *job) safely(ctx context.Context) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errPanic, r)
			j.log.Error("panic", zap.String("object", j.task.Key), zap.Any("value", r), zap.Stack("stack"))
		}
	}()
	return j.work(ctx)
}

// work finds out what the message asks for, claims it and does it.
func (j *job) work(ctx context.Context) error {
	var err error
	if j.task, err = queue.DecodeTask(j.message.Body); err != nil {
		return err
	}
	if j.replay, err = j.w.replays.get(ctx, j.task.Replay, false); err != nil {
		if errors.Is(err, ledger.ErrNotFound) {
			return fmt.Errorf("%w: %s", errForeign, j.task.Replay)
		}
		return err
	}
	switch {
	case j.replay.State.Ended():
		return errOver
	case j.replay.State == ledger.Paused:
		return errPaused
	}
	part, ok := j.replay.Protocol(j.task.Protocol)
	if !ok {
		return fmt.Errorf("%w: replay %s has no protocol %q", queue.ErrPoison, j.task.Replay, j.task.Protocol)
	}
	program, err := j.w.programs.get(ctx, part.Name, part.Generation)
	if err != nil {
		return err
	}
	if err := j.claim(ctx); err != nil {
		return err
	}
	if j.task.Fold {
		return j.fold(ctx, part, program)
	}
	j.mirror(ctx, ledger.Processing)
	return j.chunk(ctx, part, program)
}

func (j *job) id() ledger.CursorID {
	return ledger.CursorID{Replay: j.task.Replay, Fold: j.task.Fold, Key: j.task.Key}
}

// claim makes the cursor ours. A message for a FAILED cursor is somebody's redrive (the SQS console makes them), so
// that cursor begins again first.
func (j *job) claim(ctx context.Context) error {
	for redriven := false; ; redriven = true {
		now := time.Now()
		cursor, err := j.w.o.Ledger.Claim(ctx, ledger.Claim{
			ID: j.id(), Owner: j.w.o.Name, Now: now, Until: now.Add(j.ownership()),
		})
		j.cursor = cursor
		switch {
		case err == nil:
			j.claimed = true
			if cursor.NoProgress > j.w.o.MaxAttempts {
				reason := cursor.Error
				if reason == "" {
					reason = "its workers died"
				}
				return fmt.Errorf("%w in %d attempts: %s", errNoProgress, j.w.o.MaxAttempts, reason)
			}
			return nil
		case errors.Is(err, ledger.ErrNotFound):
			return fmt.Errorf("%w: %s", errGone, j.task.Key)
		case errors.Is(err, ledger.ErrFailed) && !redriven:
			if err := j.redrive(ctx); err != nil {
				return err
			}
		default:
			return fmt.Errorf("claiming %s: %w", j.task.Key, err)
		}
	}
}

// redrive makes a FAILED object begin again, with the content that it has now.
func (j *job) redrive(ctx context.Context) error {
	if j.task.Fold {
		return errOldFold // a fold that failed is replaced by the watcher, never taken up again
	}
	// A fold that left this object out must not see it come back (section 6), so this is read afresh.
	replay, err := j.w.replays.get(ctx, j.task.Replay, true)
	if err != nil {
		return err
	}
	if replay.State == ledger.Folding {
		return errFolding
	}
	object, err := j.w.o.Archive.Stat(ctx, j.task.Key)
	if err != nil {
		return fmt.Errorf("redriving %s: %w", j.task.Key, err)
	}
	err = j.w.o.Ledger.Reopen(ctx, ledger.Reopen{
		ID: j.id(), Epoch: j.cursor.Epoch, ETag: object.ETag, Size: object.Size, Now: time.Now(),
	})
	if err != nil {
		return fmt.Errorf("redriving %s: %w", j.task.Key, err)
	}
	j.log.Info("redriven by a message", zap.String("replay", j.task.Replay), zap.String("object", j.task.Key))
	return nil
}

// ownership is how long a claim keeps others away: longer than the longest chunk and its commit. It decides waste
// only, not correctness.
func (j *job) ownership() time.Duration { return j.w.o.ChunkTime + j.w.o.Reserve }

// mirror shows the cursor's state in the object's tags; it never fails the work.
func (j *job) mirror(ctx context.Context, state ledger.State) {
	m := archive.Mirror{Archive: j.w.o.Archive, Mode: j.replay.Tags}
	err := m.Set(ctx, j.task.Key, string(state), j.cursor.Line, time.Now(), state == ledger.Finished || state == ledger.Failed)
	switch {
	case errors.Is(err, archive.ErrTooManyTags):
		note := "no room for the tags of the replay: " + err.Error()
		if err = nil; j.cursor.Note == "" { // said once
			err = j.w.o.Ledger.Note(ctx, j.id(), note)
			j.cursor.Note = note
		}
	case errors.Is(err, archive.ErrNotFound):
		err = nil // the reader will say so
	}
	if err != nil && ctx.Err() == nil {
		j.log.Info("mirroring the state into tags", zap.String("object", j.task.Key), zap.Error(err))
	}
}
