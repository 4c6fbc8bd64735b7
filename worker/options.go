package worker

import (
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/telemetry"
	"github.com/seed-56345083/reprise/queue"
)

// Options are what a pool needs. Zero durations and numbers take the defaults.
type Options struct {
	Queue       queue.Queue
	DeadLetters queue.Queue
	Ledger      ledger.Ledger
	Archive     archive.Archive

	Name        string        // of this process, in claims and progress; unique among the workers
	Slots       int           // messages in work at once (default 4)
	Visibility  time.Duration // the visibility timeout of a message (default 5 min)
	ChunkTime   time.Duration // the longest chunk, the reserve included (default Visibility)
	Reserve     time.Duration // of ChunkTime, kept for the commit (default 30 s)
	Writes      time.Duration // for the last writes of a chunk; a commit that comes late is fenced where it must be (default Reserve, at least 10 s)
	Drain       time.Duration // after a stop, before what is left is given up (default 25 s)
	Wait        time.Duration // of a long poll (default 20 s)
	MaxAttempts int           // claims without a line of progress before the object is FAILED (default 5)
	Memory      int           // bytes of one partial before it is sealed (default 64 MiB)
	Report      time.Duration // between two notes of progress in the ledger (default 10 s)
	TagAge      time.Duration // how old a copy of the replay may be that says, after a tag was written, that it is not over: below every driver's TagPause (default 0: it is read afresh)
	Dry         func()        // called when the pool has run out of messages; it must not block (default: none)
	Log         *zap.Logger   // default: none

	// Whom to tell what is done; all of them may be nil.
	Metrics *telemetry.Worker
	Alive   *telemetry.Pulse // of the loop that receives, and of the slots where it waits for one
	Tracer  *telemetry.Tracer
}

// minVisibility leaves the heartbeat, at a third of it, a time that a call can take.
const minVisibility = 30 * time.Millisecond

func (o Options) withDefaults() Options {
	setDuration(&o.Visibility, 5*time.Minute)
	setDuration(&o.ChunkTime, o.Visibility)
	setDuration(&o.Reserve, 30*time.Second)
	setDuration(&o.Writes, max(o.Reserve, 10*time.Second))
	setDuration(&o.Drain, 25*time.Second)
	setDuration(&o.Wait, queue.MaxWait)
	setDuration(&o.Report, 10*time.Second)
	setInt(&o.Slots, 4)
	setInt(&o.MaxAttempts, 5)
	setInt(&o.Memory, 64<<20)
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	return o
}

func setDuration(d *time.Duration, value time.Duration) {
	if *d == 0 {
		*d = value
	}
}

func setInt(n *int, value int) {
	if *n == 0 {
		*n = value
	}
}

// retryBase is the first back-off; it follows the visibility timeout, because that is what a queue is tuned by.
func (o Options) retryBase() time.Duration {
	return min(max(o.Visibility/60, 50*time.Millisecond), 5*time.Second)
}

func (o Options) validate() error {
	switch {
	case o.Queue == nil || o.DeadLetters == nil || o.Ledger == nil || o.Archive == nil:
		return errors.New("worker: a queue, a dead-letter queue, a ledger and an archive are needed")
	case o.Name == "":
		return errors.New("worker: a name is needed")
	case o.Slots < 1 || o.MaxAttempts < 1 || o.Memory < 1:
		return errors.New("worker: slots, attempts and memory must be above 0")
	case o.Visibility < minVisibility || o.Visibility > queue.MaxVisibility:
		return fmt.Errorf("worker: a visibility timeout of %v is not between %v and %v", o.Visibility, minVisibility, queue.MaxVisibility)
	case o.Wait < 0 || o.Wait > queue.MaxWait:
		return fmt.Errorf("worker: a long poll of %v is not between 0 and %v", o.Wait, queue.MaxWait)
	case o.Reserve < 0 || o.Drain < 0 || o.Report < 0 || o.TagAge < 0:
		return errors.New("worker: reserve, drain, report and the age of tags must not be below 0")
	case o.Reserve >= o.ChunkTime:
		return fmt.Errorf("worker: the reserve (%v) must be below the longest chunk (%v)", o.Reserve, o.ChunkTime)
	}
	return nil
}
