package worker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/stats"
	"github.com/seed-56345083/reprise/internal/telemetry"
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
	since   time.Time     // when it was claimed
	from    int64         // the cursor's line then
	read    int64         // lines read for this message, committed or not
	looked  time.Time     // when mayGoOn asked for the replay last
	log     *zap.Logger
	done    bool // the message waits to be deleted
}

// handle takes one message from its receive to its verdict.
func (w *Worker) handle(work context.Context, m queue.Message) {
	defer w.ended() // after it is no longer in work
	w.busy.Add(1)
	defer w.busy.Add(-1)
	ctx, lose := context.WithCancelCause(work)
	defer lose(nil)
	w.beats.hold(m.Receipt, lose)

	started := time.Now()
	w.o.Metrics.Begun()
	if m.Receives == 1 {
		w.o.Metrics.Received(started.Sub(m.Sent))
	}
	ctx, span := w.o.Tracer.Continue(ctx, m.Trace, "chunk")
	j := &job{w: w, message: m, looked: started, log: w.o.Log}
	defer func() {
		if !j.done {
			w.beats.drop(m.Receipt)
		}
	}()
	err := j.safely(ctx)
	if cause := context.Cause(ctx); cause != nil {
		err = cause // why the work was cut off, rather than what it met then
	}
	if errors.Is(err, errPaused) {
		w.met.Store(true)
	}
	attempts := 0
	if j.claimed {
		attempts = j.cursor.NoProgress
	}
	err = j.weigh(err)
	verdict := decide(err, attempts, w.o.MaxAttempts)
	if j.claimed {
		w.o.Metrics.Chunk(j.kind(), time.Since(j.since))
	}

	fields := []zap.Field{
		zap.String("replay", j.task.Replay), zap.String("object", j.task.Key), zap.Int64("line", j.cursor.Line),
		zap.Int64("lines_read", j.read), zap.Stringer("verdict", verdict), zap.Int("attempt", attempts), zap.Duration("took", time.Since(started)),
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
	w.o.Metrics.Handled(verdict.String())
	j.tellSpan(span, verdict, attempts, err)
	w.o.Alive.Beat()
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
	if err := standing(j.replay); err != nil {
		if errors.Is(err, errOver) {
			j.untagLate(ctx)
		}
		return err
	}
	part, ok := j.replay.Protocol(j.task.Protocol)
	if !ok {
		return fmt.Errorf("%w: replay %s has no protocol %q", queue.ErrPoison, j.task.Replay, j.task.Protocol)
	}
	program, err := j.w.programs.get(ctx, part.Name, part.Generation)
	if err != nil {
		return err
	}
	if j.task.Fold {
		done, err := j.aloneFolding(ctx)
		if err != nil {
			return err
		}
		defer done()
	}
	if err := j.claim(ctx); err != nil {
		return err
	}
	if j.cursor.Protocol != part.Name { // the message was wrong about it, and the ledger is the truth
		if part, ok = j.replay.Protocol(j.cursor.Protocol); !ok {
			return fmt.Errorf("%w: replay %s has no protocol %q", queue.ErrPoison, j.task.Replay, j.cursor.Protocol)
		}
		j.task.Protocol = part.Name
		if program, err = j.w.programs.get(ctx, part.Name, part.Generation); err != nil {
			return err
		}
	}
	if j.task.Fold {
		return j.fold(ctx, part, program)
	}
	j.mirror(ctx, ledger.Processing)
	return j.chunk(ctx, part, program)
}

// standing says why a replay's work must not go on, nil where it may.
func standing(r ledger.Replay) error {
	switch {
	case r.State.Ended():
		return errOver
	case r.State == ledger.Paused:
		return errPaused
	default:
		return nil
	}
}

// mayGoOn looks, about once a second, whether the replay was paused or cancelled meanwhile. That
// it cannot be read is no reason to stop.
func (j *job) mayGoOn(ctx context.Context) error {
	now := time.Now()
	if now.Sub(j.looked) < j.w.replays.age {
		return nil
	}
	j.looked = now
	j.w.o.Alive.Beat()
	r, err := j.w.replays.get(ctx, j.task.Replay, false)
	if err != nil {
		return nil //nolint:nilerr // the commit will tell what matters
	}
	return standing(r)
}

// kind is what the work is, as metrics name it.
func (j *job) kind() string {
	if j.task.Fold {
		return telemetry.KindFold
	}
	return telemetry.KindObject
}

func (j *job) id() ledger.CursorID {
	return ledger.CursorID{Replay: j.task.Replay, Fold: j.task.Fold, Key: j.task.Key}
}

const afterAttempts = " attempts: "

// lastReason is why an attempt failed last. The cursor keeps its error over a redrive, so the words that were put before it
// at an earlier end are taken off: they would grow with each one.
func lastReason(text string) string {
	if i := strings.LastIndex(text, errNoProgress.Error()+" in "); i >= 0 {
		if _, reason, ok := strings.Cut(text[i:], afterAttempts); ok {
			text = reason
		}
	}
	if text == "" {
		return "its workers died"
	}
	return text
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
			j.claimed, j.since, j.from = true, now, cursor.Line
			if cursor.NoProgress > j.w.o.MaxAttempts {
				return fmt.Errorf("%w in %d%s%s", errNoProgress, j.w.o.MaxAttempts, afterAttempts, lastReason(cursor.Error))
			}
			return nil
		case errors.Is(err, ledger.ErrNotFound):
			return fmt.Errorf("%w: %s", errGone, j.task.Key)
		case errors.Is(err, ledger.ErrFailed) && !redriven:
			if err := j.redrive(ctx); err != nil {
				return err
			}
		case errors.Is(err, ledger.ErrFinished):
			// The worker that had the message before may have died between a tag and its look at the replay.
			if j.replay, err = j.w.replays.get(ctx, j.task.Replay, true); err == nil && (j.replay.Promoted || j.replay.State.Ended()) {
				j.untagLate(ctx)
			}
			return fmt.Errorf("claiming %s: %w", j.task.Key, ledger.ErrFinished)
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
	// A fold that left this object out must not see it come back. The replay is read afresh, after the cursor:
	// a fold that begins later raises the cursor's epoch before its parts look, and fences this off.
	replay, err := j.w.replays.get(ctx, j.task.Replay, true)
	switch {
	case err != nil:
		return err
	case replay.State.Ended():
		return errOver
	case replay.State == ledger.Paused: // perhaps from FOLDING
		return errPaused
	case replay.State == ledger.Folding:
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

// mirrorTime bounds the tag writes of one change of state: a mirror must not hold the work up.
const mirrorTime = 5 * time.Second

// mirror shows the cursor's state in the object's tags; it never fails the work. A replay that came to its end meanwhile
// has had its tags taken off, so they are taken off again: it is marked as ending before that begins. The replay need not be
// read for that where our copy of it, now that the tags are written, is younger than Options.TagAge: those who take
// tags off wait for longer than that after they have marked it.
func (j *job) mirror(ctx context.Context, state ledger.State) {
	m := archive.Mirror{Archive: j.w.o.Archive, Mode: j.replay.Tags}
	final := state == ledger.Finished || state == ledger.Failed
	if !m.Shows(final) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, mirrorTime)
	defer cancel()
	err := m.Set(ctx, j.task.Key, string(state), j.cursor.Line, time.Now(), final)
	switch {
	case err == nil:
		var r ledger.Replay
		if r, err = j.w.replays.within(ctx, j.task.Replay, j.w.o.TagAge); err == nil && (r.Promoted || r.State.Ended()) {
			err = m.Clear(ctx, j.task.Key)
		}
	case errors.Is(err, archive.ErrTooManyTags):
		note := "no room for the tags of the replay: " + err.Error()
		if err = nil; j.cursor.Note == "" { // said once
			err = j.w.o.Ledger.Note(ctx, j.id(), note)
			j.cursor.Note = note
		}
	}
	if err != nil && !errors.Is(err, archive.ErrNotFound) && ctx.Err() == nil { // of a missing object the reader will say so
		j.log.Info("mirroring the state into tags", zap.String("object", j.task.Key), zap.Error(err))
	}
}

// untagLate takes the tags of a replay that is over off its object: the worker that had the message before may have
// died between writing them and looking whether it was too late. Another replay of the protocol keeps its own.
func (j *job) untagLate(ctx context.Context) {
	if j.task.Fold {
		return
	}
	protocol, err := j.w.o.Ledger.Protocol(ctx, j.task.Protocol)
	if err != nil || protocol.Replay != "" && protocol.Replay != j.task.Replay {
		return
	}
	m := archive.Mirror{Archive: j.w.o.Archive, Mode: j.replay.Tags}
	ctx, cancel := context.WithTimeout(ctx, mirrorTime)
	defer cancel()
	if err := m.Clear(ctx, j.task.Key); err != nil && !errors.Is(err, archive.ErrNotFound) {
		j.log.Info("taking late tags off", zap.String("object", j.task.Key), zap.Error(err))
	}
}
