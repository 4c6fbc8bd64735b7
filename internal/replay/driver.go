package replay

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/telemetry"
	"github.com/seed-56345083/reprise/queue"
)

// Options are what driving a replay needs. Zero durations and numbers take the defaults.
type Options struct {
	Queue       queue.Queue
	DeadLetters queue.Queue
	Ledger      ledger.Ledger
	Archive     archive.Archive
	Live        *LiveSide // nil: nothing is counted live

	Owner       string            // of the leases: unique among processes
	Interval    time.Duration     // between two looks of the watcher (default 1 min)
	StuckAfter  time.Duration     // that the queue is empty before open work is sent again (default 3 min)
	Retention   time.Duration     // that the queue keeps a message: open work of that age is sent again (default 0: for ever)
	Lease       time.Duration     // how long a step is one process's (default 1 min)
	MaxAttempts int               // as the workers have it (default 5)
	RowsPerPart int64             // of a fold (default 200,000)
	PageSize    int               // keys of the archive between two continuations of a listing (default 500)
	TagPause    time.Duration     // between the end of a replay and the first tag that is taken off: above the workers' TagAge (default 0)
	Keep        time.Duration     // that a generation can be rolled back to after it was replaced (default 7 days)
	Log         *zap.Logger       // default: none
	Tracer      *telemetry.Tracer // may be nil
}

// Driver drives replays. Its methods may be called by several goroutines, but Watch by one.
type Driver struct {
	o            Options
	pageSize     int
	foldPatience time.Duration
	longStep     time.Duration
	restShare    time.Duration // a factor
	listTurn     time.Duration
	drainPoll    time.Duration
	countedKeys  int
	tagging      *pace

	fold struct { // whose parts were sent last, and when
		name string
		sent time.Time
	}
	idleSince   time.Time            // since when the queue has been empty; zero: it was not
	deadLetters int64                // at the last look that left nothing to be done
	looked      map[string]time.Time // when a replay's open work was last looked through for what is lost
	rests       map[string]rest      // the replays that a look leaves alone
	more        bool                 // the last look has left a listing that goes on
	tell        telling

	wake      chan struct{} // holds a wake-up that came during a look
	afterLook func()        // may be nil

	asking sync.Mutex      // guards asked, and lets one goroutine at a time count for Held
	asked  map[string]rest // the replays that Held leaves alone
}

// New makes a driver.
func New(o Options) (*Driver, error) {
	if o.Queue == nil || o.DeadLetters == nil || o.Ledger == nil || o.Archive == nil || o.Owner == "" {
		return nil, errors.New("replay: a queue, a dead-letter queue, a ledger, an archive and an owner are needed")
	}
	if err := o.Live.check(); err != nil {
		return nil, err
	}
	for d, value := range map[*time.Duration]time.Duration{
		&o.Interval: time.Minute, &o.StuckAfter: 3 * time.Minute, &o.Lease: time.Minute, &o.Keep: 7 * 24 * time.Hour,
	} {
		if *d == 0 {
			*d = value
		}
	}
	if o.MaxAttempts == 0 {
		o.MaxAttempts = 5
	}
	if o.RowsPerPart == 0 {
		o.RowsPerPart = rowsPerPart
	}
	if o.PageSize == 0 {
		o.PageSize = pageSize
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	return &Driver{
		o: o, pageSize: o.PageSize, foldPatience: foldPatience, longStep: longStep, restShare: restShare, listTurn: listTurn, drainPoll: drainPoll, countedKeys: countedKeys, tagging: newPace(),
		deadLetters: -1, looked: map[string]time.Time{}, wake: make(chan struct{}, 1), rests: map[string]rest{}, asked: map[string]rest{},
	}, nil
}

// errUnchanged lets a change of update end without a write.
var errUnchanged = errors.New("nothing to change")

// update reads a replay, lets change decide about it, and writes it if nobody else did meanwhile; otherwise again.
func (d *Driver) update(ctx context.Context, id string, change func(*ledger.Replay) error) (ledger.Replay, error) {
	for {
		r, err := d.o.Ledger.Replay(ctx, id)
		if err != nil {
			return ledger.Replay{}, fmt.Errorf("reading replay %s: %w", id, err)
		}
		switch err := change(&r); {
		case errors.Is(err, errUnchanged):
			return r, nil
		case err != nil:
			return r, err
		}
		switch err := d.o.Ledger.Write(ctx, ledger.Writes{Replays: []ledger.Replay{r}}); {
		case err == nil:
			r.Version++
			return r, nil
		case !errors.Is(err, ledger.ErrConflict):
			return r, fmt.Errorf("writing replay %s: %w", id, err)
		}
		if err := pause(ctx, time.Duration(rand.Int64N(int64(50*time.Millisecond)))); err != nil {
			return r, err
		}
	}
}

// setState moves a replay on.
func setState(r *ledger.Replay, s ledger.State) {
	r.State, r.Changed, r.Waits = s, time.Now().UTC(), ""
}

// senders is how many batches of messages are on their way at once.
const senders = 8

// send enqueues tasks in full batches, in no order. After an error any of them may have been sent.
func (d *Driver) send(ctx context.Context, tasks []queue.Task) (err error) {
	if len(tasks) == 0 {
		return nil
	}
	ctx, span := d.o.Tracer.Start(ctx, "enqueue", telemetry.SpanSends)
	defer func() { span.End(err) }()
	span.Text("replay", tasks[0].Replay)
	span.Number("messages", int64(len(tasks)))
	trace := d.o.Tracer.Trace(ctx)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(senders)
	for batch := range slices.Chunk(tasks, queue.MaxBatch) {
		group.Go(func() error {
			messages := make([]queue.Outgoing, len(batch))
			for i, t := range batch {
				messages[i].Body, messages[i].Trace = t.Encode(), trace
			}
			if err := d.o.Queue.Send(ctx, messages); err != nil {
				return fmt.Errorf("enqueuing %d messages: %w", len(messages), err)
			}
			return nil
		})
	}
	return group.Wait() //nolint:wrapcheck // it says what it is of
}

// task is the message that wakes somebody up for a cursor.
func task(c ledger.Cursor) queue.Task {
	return queue.Task{Replay: c.Replay, Protocol: c.Protocol, Key: c.Key, Fold: c.Fold, Line: c.Line}
}

// pause waits for t, or until ctx ends and says so.
func pause(ctx context.Context, t time.Duration) error {
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
